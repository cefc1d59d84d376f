#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# ra-compare killed, either daemon killed, ^C: exit status, a clear sentence, and nothing left.
. tests/functional/lib.sh

noise a 30000000
cp a b

begin()
{
	: >err
	"$RA" --repeat forever "$@" a b >out 2>err &
	ra=$!
	until_true grep -q IDENTICAL err
	primary=$(pid_of $ra ra-primaryd)
	secondary=$(pid_of $ra ra-secondaryd)
	[ -n "$primary" ] && [ -n "$secondary" ] || die "no daemons"
}

ended()
{
	wait $ra
	code=$?
	[ $code = "$1" ] || die "exit $code, not $1"
	until_true is_gone "$primary"
	until_true is_gone "$secondary"
}

for delivery in disconnect poll hold; do for by in digest data; do
	begin --delivery $delivery --by $by
	kill -KILL "$primary"
	ended 4
	says 'ra-primaryd'
	begin --delivery $delivery --by $by
	kill -KILL "$secondary"
	ended 4
	says 'ra-secondaryd|link'
	begin --delivery $delivery --by $by
	kill -INT $ra
	ended 3
	says '^NOT PROVEN: '
	begin --delivery $delivery --by $by
	kill -TERM $ra
	ended 3
	begin --delivery $delivery --by $by
	kill -KILL $ra
	ended 137
done; done

begin
kill -USR1 $ra
kill -USR2 "$secondary" "$primary"
until_true grep -q 'device 0 volume' err
kill -INT $ra
ended 3
