#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Two configured daemons: verdicts through the primary's socket, what an idle daemon holds open, permissions, and both
# daemons told by ra-ctl.
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise web1.a 20000000
cp web1.a web1.b
noise web2.a 3000000
cp web2.a web2.b
change web2.b 1500000
cp web1.a hidden.a
cp web1.a hidden.b
two_hosts web1 web2
printf '[device hidden]\nvolume = %s\npeer = b\n' "$T/hidden.a" >>a.conf
printf '[device hidden]\nvolume = %s\n' "$T/hidden.b" >>b.conf
start_both

for delivery in disconnect poll hold; do
	compare 0 --delivery "$delivery" web1
	says '^IDENTICAL: 20000000 bytes'
	compare 1 --json --settle-delay 1ms --delivery "$delivery" web2
	json .device web2
	json '.ranges[0].offset' 1500000
	json_sums
done
compare 2 nothing
says 'no .*device nothing\]$'
compare 2 web1.a # two volumes are two operands
says 'no device web1.a: .* \(There is a file web1.a here\. .*ra-compare web1.a B\)$'
expect 4 --socket "$T/b.sock" web1
says "b.sock: this is the socket of ra-secondaryd, and that of ra-primaryd is needed$"
compare 2 hidden # b does not list it for a: it does not exist
says 'secondary'
all_is_idle

# Only while it is used is a volume open: while one compare is stopped, its volumes are, and nobody else's.
"$RA" --socket "$T/a.sock" --repeat forever --limit 5M web1 >out 2>err &
run=$!
both_open() { has_open a '/web1\.a$' && has_open b '/web1\.b$'; }
until_true both_open
has_open b '/web2\.b$' && die "web2 is open though nobody compares it"
has_jobs() { [ "$(ctl_json b '.devices[] | select(.name == "web1") | .jobs' devices)" -ge 8 ]; }
until_true has_jobs
ctl a jobs web1 | grep -qE ' 5 MiB/s ' || die "jobs does not show the limit of the run"
ctl a limit >out
says '^host +ra-compare\[[0-9]+\] on .* 5 MiB/s'
ctl b jobs web1 >out || die "jobs"
says link
kill -KILL $run
wait $run 2>/dev/null
all_is_idle

# Another name for the same answer, for people and for programs.
for name in a b; do
	for verb in status devices jobs errors links limit; do
		ctl $name $verb >out 2>err || die "$name $verb"
		ctl $name --json $verb | jq -e . >/dev/null || die "$name $verb --json"
	done
done
ctl b cache >out || die "cache"
[ "$(ctl_json a .daemon status)" = ra-primaryd ] && [ "$(ctl_json b .daemon status)" = ra-secondaryd ] || die "status"
[ "$(ctl_json a .key status)" = "${key[a]}" ] || die "the key of a"
ctl a check web1 >out 2>err || die "check"
ctl b check >out 2>err || die "check of b"

# data = never: the device is there, its data is not; digest_only.sh has more of it.
stop a
stop b
sed -i "s/^devices = .*/&\ndata = never/" b.conf
start_both
compare 0 web1
compare 2 --by data web1
says 'data = never'
stop a
[ "$ended" = 0 ] || die "a ended with $ended"
stop b
[ "$ended" = 0 ] || die "b ended with $ended"
[ ! -e a.sock ] && [ ! -e b.sock ] || die "a socket is left"
