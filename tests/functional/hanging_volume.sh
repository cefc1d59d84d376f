#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A read that never returns, on either side: the rest is compared, the time-out is told, the daemons end all the same.
# Takes 15 s: only with RA_LONG=1.
[ -n "${RA_LONG:-}" ] || { echo "takes 15 s; RA_LONG is not set"; exit 77; }
. tests/functional/lib.sh

noise a 8388608
cp a b
preload_faults
export RA_FAULT=hang:0-65536 RA_FAULT_RELEASE=$T/never
for hung in a b; do
	for delivery in disconnect poll; do
		(
			mkdir "$hung.$delivery"
			RA_FAULT_FILE=$hung timeout 100 env LD_PRELOAD="$preload" "$RA" -v --json --delivery $delivery a b \
				>"$hung.$delivery/out" 2>"$hung.$delivery/err"
			echo $? >"$hung.$delivery/code"
		) &
	done
done
wait
for run in a.disconnect a.poll b.disconnect b.poll; do
	cp $run/out $run/err .
	[ "$(cat $run/code)" = 3 ] || die "$run: exit $(cat $run/code)"
	json .tracks.identical 112
	json .tracks.not_compared 16
	json '[.ranges[] | "\(.state) \(.offset)+\(.length)"] | join(", ")' 'not_compared 0+1048576'
	grep -q 'TIMEOUT: device volume, tracks 0-15' err || die "$run: no posted time-out"
done

# Much is left when it begins to hang: the rest is asked once each and given up, within seconds.
noise c 200000000
cp c d
start=$SECONDS
RA_FAULT=hang:1048576-1114112 RA_FAULT_FILE=d timeout 100 env LD_PRELOAD="$preload" "$RA" --json --run 1 --jobs 1 c d >out 2>err
code=$?
[ $code = 3 ] || die "exit $code"
[ $((SECONDS - start)) -lt 60 ] || die "took $((SECONDS - start)) s"
[ "$(wc -l <err)" -lt 100 ] || die "$(wc -l <err) lines of messages"
json_sums
