#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A volume without permission, as nobody.
[ "$(id -u)" = 0 ] || { echo "needs root to become nobody"; exit 77; }
. tests/functional/lib.sh

noise a 100000
noise b 100000
chmod 755 .
chmod 644 a
chmod 600 b
setpriv --reuid=nobody --regid=nogroup --clear-groups test -x "$RA" || { echo "nobody cannot reach $RA"; exit 77; }
setpriv --reuid=nobody --regid=nogroup --clear-groups timeout 60 "$RA" "$T/a" "$T/b" >out 2>err
code=$?
[ $code = 5 ] || die "exit $code"
says 'b.*Permission denied'
setpriv --reuid=nobody --regid=nogroup --clear-groups timeout 60 "$RA" "$T/a" "$T/a" >out 2>err || die "as nobody"
