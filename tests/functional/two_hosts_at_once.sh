#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# 64 ra-compare begin on 64 devices at the same moment: each finds its link jobs and room for its reads, no run is
# answered in parts, and nothing is posted.
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise volume 4194304
names=()
for n in {1..64}; do
	ln -s volume "v$n.a"
	ln -s volume "v$n.b"
	names+=("v$n")
done
two_hosts "${names[@]}"
start_both

kill -STOP "${daemon[b]}"
pids=()
for name in "${names[@]}"; do
	"$RA" --socket "$T/a.sock" --by data --run 16 --state none --json "$name" >"out.$name" 2>"err.$name" &
	pids+=($!)
done
all_are_there() { [ "$(ctl_json a .hosts status)" = 64 ]; }
until_true all_are_there
kill -CONT "${daemon[b]}"
for n in "${!pids[@]}"; do
	wait "${pids[n]}"
	code=$?
	[ $code = 0 ] || { cat "err.${names[n]}"; die "compare of ${names[n]}: exit $code"; }
done

[ "$(ctl_json a .errors_total status)" = 0 ] || die "posted: $(ctl a errors)"
[ "$(ctl_json b .errors_total status)" = 0 ] || die "posted: $(ctl b errors)"
reads=$(cat out.v* | jq -s 'map(.link.reads) | add')
echo "$reads reads for $((64 * 4)) runs"
[ "$reads" -le $((64 * 4 * 11 / 10)) ] || die "runs were answered in parts"
all_is_idle
