#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The quickstart does what the README says, and leaves nothing but the build.
[ -z "$SAN" ] || { echo "the quickstart builds without sanitizers"; exit 77; }
command -v mke2fs >/dev/null || { echo "needs mke2fs"; exit 77; }
scripts/quickstart >"$T/out" 2>&1 || { cat "$T/out"; exit 1; }
for wanted in '^IDENTICAL: ' '^different: offset 1144, 1 byte' '^DIFFERENT: 3 of ' 'All three were found'; do
	grep -q "$wanted" "$T/out" || { echo "not said: $wanted"; cat "$T/out"; exit 1; }
done
