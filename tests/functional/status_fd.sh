#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Progress for programs and for ra-ctl: the lines of --status-fd are JSON, add up and end with the result; a reader that
# does not read or goes away holds nothing up; ra-ctl status and SIGUSR1 show a run while it lasts.
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise v.a 14000000
cp v.a v.b
change v.b 7000000

# lines FILTER: what jq makes of all lines of --status-fd, true or false.
lines() { [ "$(jq -s "$1" lines)" = true ] || { cat lines; die "lines: not $1"; }; }

# A private pair, held to some seconds.
expect 1 --limit 2M --status-fd 3 v.a v.b 3>lines
lines 'length >= 3 and (map(.format == "ra-progress/1" and .pass <= 1) | all)'
lines '[.[:-1][] | .phase] - ["opening", "comparing", "settling", "finishing"] == []'
lines '[.[].tracks.done] == ([.[].tracks.done] | sort) and (map(.tracks.done <= .tracks.total) | all)'
lines '[.[].tracks | .identical + .different + .unsettled + .invalid + .unreadable + .not_compared == .done] | all'
lines '.[-2].tracks.identical > 100'
lines '.[:-1] | map(.binds) | index("limit") != null'
lines 'map(select(.binds == "limit") | .left_seconds >= 1 and .left_seconds < 60) | all'
lines 'map(select(.binds == "limit") | .local_bytes_per_second < 8e6 and .remote_bytes_per_second > 1e6) | all'
lines '[.[] | has("result")] == [range(length - 1) | false] + [true]'
lines '.[-1] | .phase == "finished" and .result == "different" and .exit_status == 1 and .tracks.different == 1'
lines '.[-1] | .tracks.done == .tracks.total and .tracks.total == 214 and .compared_bytes == 14000000'

# The end is told too when nothing could begin.
expect 5 --status-fd 3 v.a none 3>lines
lines 'length == 1 and .[0].phase == "finished" and .[0].result == "error" and .[0].exit_status == 5'
expect 2 --status-fd 3 v.a v.b 3>&-
says '^ra-compare: .*--status-fd 3: this descriptor is not open$'

# Nobody reads: the pipe is full before the run, and has nothing of it afterwards.
mkfifo full
exec 8<>full
dd if=/dev/zero of=full oflag=nonblock bs=4096 count=1000 status=none 2>/dev/null
expect 1 --limit 8M --status-fd 8 v.a v.b
dd if=full iflag=nonblock bs=4096 count=1000 status=none 2>/dev/null | tr -d '\0' >rest
[ ! -s rest ] || die "a line went into a full pipe"
exec 8>&-

# The reader closes after the first line.
mkfifo early
head -n 1 early >lines &
reader=$!
expect 1 --limit 4M --status-fd 3 v.a v.b 3>early
wait $reader
lines 'length == 1 and .[0].format == "ra-progress/1"'

# Two hosts: ra-ctl status shows the run, and a signal has it print a line.
two_hosts v
start_both
[ "$(ctl_json a '.runs | length' status)" = 0 ] || die "there is no run yet"
ctl a limit total 1M >/dev/null || die "limit"
"$RA" --socket "$T/a.sock" --status-fd 3 v 3>lines >out 2>err &
run=$!
shows_run()
{
	[ "$(ctl_json a '.runs | length == 1 and (.[0] | .device == "v" and .phase == "comparing" and
		(.host | startswith("ra-compare[")) and .done_tracks > 0 and .total_tracks == 214 and
		.local_bytes_per_second > 0 and .remote_bytes_per_second > 0 and .binds == "limit" and .left_seconds > 0 and
		.elapsed_seconds > 0)' status)" = true ]
}
until_true shows_run
ctl a status >status || die "status"
grep -qE '^v +ra-compare\[[0-9]+\] on .* comparing +[0-9]+ % .*iB/s +limit +[0-9.]+ ' status ||
	{ cat status; die "status does not show the run"; }
kill -USR1 $run
told() { grep -qE '^ra-compare: comparing: +[0-9]+ %, [01] tracks? differs?, [0-9]+ s left, .* remote, limit binds$' err; }
until_true told
ctl a limit total none >/dev/null
wait $run
[ $? = 1 ] || die "the run"
lines '.[-1] | .result == "different" and .exit_status == 1'
until_true eval '[ "$(ctl_json a ".runs | length" status)" = 0 ]'
all_is_idle
