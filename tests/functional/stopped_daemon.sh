#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A daemon that stops answering is found by its pings. Takes 20 s for each: only with RA_LONG=1.
[ -n "${RA_LONG:-}" ] || { echo "takes 40 s; RA_LONG is not set"; exit 77; }
. tests/functional/lib.sh

noise a 30000000
cp a b
for name in ra-primaryd ra-secondaryd; do
	: >err
	"$RA" --repeat forever a b >out 2>err &
	ra=$!
	until_true grep -q IDENTICAL err
	daemon=$(pid_of $ra $name)
	kill -STOP "$daemon"
	wait $ra
	code=$?
	[ $code = 4 ] || die "$name stopped: exit $code"
	says "$name did not answer"
	until_true is_gone "$daemon"
done
