#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# SIGHUP at both daemons: a bad configuration changes nothing; keys change on both sides under a run that goes on; who is
# not let in any more is cut; devices, addresses and limits come, change and go; what holds until the next start is named, and
# a device whose volume is another one until then is not opened.
. tests/functional/hosts.sh
. tests/functional/lib.sh

# reload_refused NAME WORDS: it has not, and says why.
reload_refused()
{
	local before
	before=$(grep -c 'stays as it was' "$1.log")
	kill -HUP "${daemon[$1]}"
	until_true has_refused "$1" "$before"
	tail -n 3 "$1.log" | grep -qE -- "$2" || { tail "$1.log"; die "$1 does not say $2"; }
}
has_refused() { [ "$(grep -c 'stays as it was' "$1.log")" -gt "$2" ]; }
relinks() { ctl_json a '.links[0].relinks' links; }
link_is_down() { ! link_is_up; }
link_has_key() { [ "$(ctl_json a '.links[0] | .state + .key' links)" = "up$1" ]; }
seen_by_b() { [ "$(ctl_json b '.links[0] | .state + .key' links)" = "up$1" ]; }
# replaced NAME: devices of which its configuration names another volume.
replaced() { ctl_json "$1" '[.devices[] | select(.replaced) | .name] | join(" ")' devices; }

for name in v w x; do
	noise "$name.a" 8000000
	cp "$name.a" "$name.b"
done
two_hosts v w
sed -i "s/^listen = .*/&, 127.0.0.2:$port/" b.conf
start_both
first_link=$(grep -c 'is admitted' b.log)

# ---- What is wrong with it is said, and nothing changes.
cp a.conf a.conf.good
cp b.conf b.conf.good
echo 'max-lag = soon' >>a.conf
reload_refused a "a\.conf:$(wc -l <a.conf): max-lag = soon: "
sed 's/^peer = b/peer = c/' a.conf.good >a.conf
reload_refused a 'there is no \[peer c\]'
cp a.conf.good a.conf
printf '[peer z]\naddress = 127.0.0.1:1\n' >>a.conf # neither key nor name
reload_refused a 'needs key'
cp a.conf.good a.conf
sed 's/^\[primary\]/&\nadmin-group = no-such-group/' a.conf.good >a.conf
reload_refused a 'a\.conf:2: .*no-such-group'
cp a.conf.good a.conf
echo 'cache = 1M' >>b.conf
reload_refused b "b\.conf:$(wc -l <b.conf): "
cp b.conf.good b.conf
for name in a b; do
	chmod 640 $name.pem
	reload_refused $name "$name\.pem: others can read it"
	chmod 600 $name.pem
	mv $name.conf away
	reload_refused $name "$name\.conf"
	mv away $name.conf
	reload $name # nothing new in it
done
compare 0 v
[ "$(relinks)" = 0 ] || die "the link was made anew"
[ "$(grep -c 'is admitted' b.log)" = "$first_link" ] || die "b has admitted another link"

# ---- New keys, first of b, then of a, under a run.
run_in_background a v --limit 512K
declare -A old=([a]=${key[a]} [b]=${key[b]})
mv a.pem a.old.pem
mv b.pem b.old.pem
keygen a
keygen b
mv a.pem a.new.pem
mv a.old.pem a.pem
sed -i "s/^key = .*/key = ${old[b]} ${key[b]}/" a.conf
reload a
reload b # shows the new one to those who come
link_has_key "${old[b]}" || die "the link has not gone on"
[ "$(relinks)" = 0 ] || die "the link was made anew before the old key went"
sed -i "s/^key = .*/key = ${key[b]}/" a.conf
reload a
until_true link_has_key "${key[b]}"
[ "$(relinks)" = 1 ] || die "the link was made anew $(relinks) times"
sed -i "s/^key = .*/key = ${old[a]} ${key[a]}/" b.conf
reload b
mv a.new.pem a.pem
reload a
[ "$(ctl_json a .key status)" = "${key[a]}" ] || die "a does not tell its new key"
seen_by_b "${old[a]}" || die "the link has not gone on"
sed -i "s/^key = .*/key = ${key[a]}/" b.conf
reload b
until_true seen_by_b "${key[a]}"
[ "$(relinks)" = 2 ] || die "the link was made anew $(relinks) times"
kill -0 "$run" || { cat v.err; die "the run has ended"; }
ended 0 v
jq -e '.result == "identical" and .link.relinks == 2' v.json >/dev/null || { cat v.json; die "another verdict"; }

# ---- A peer that is not there any more, on either side.
sed "s/^\[peer a\]/[peer c]/; s/^key = .*/key = ${old[a]}/" b.conf >b.conf.new
mv b.conf b.conf.good
cp b.conf.new b.conf
reload b
until_true link_is_down
grep -q "a: the link from .* ends: its peer is not configured any more" b.log || die "b does not say whom it cut"
compare 4 --link-timeout 1s v
cp b.conf.good b.conf
reload b
until_true link_is_up
compare 0 v
cp a.conf a.conf.good
printf '[peer c]\naddress = 127.0.0.1:%s\nkey = %s\n' "$port" "${key[b]}" | sed "s/${key[b]}/${old[b]}/" >>a.conf
reload a
[ "$(ctl_json a '[.links[].peer] | sort | join(" ")' links)" = 'b c' ] || die "the new peer has no link"
cp a.conf.good a.conf
reload a
[ "$(ctl_json a '[.links[].peer] | join(" ")' links)" = b ] || die "the peer that went has a link"
compare 0 v

# ---- Another address.
count=$(relinks)
sed -i "s/^address = .*/address = 127.0.0.2:$port/" a.conf
reload a
until_true link_is_up
[ "$(relinks)" = $((count + 1)) ] || die "the link of the other address was not made"
cp a.conf.good a.conf
reload a
until_true link_is_up

# ---- Devices.
compare 2 x
cp a.conf a.conf.good
cp b.conf b.conf.good
printf '[device x]\nvolume = %s\npeer = b\n' "$T/x.a" >>a.conf
printf '[device x]\nvolume = %s\n' "$T/x.b" >>b.conf
sed -i 's/^devices = .*/& x/' b.conf
reload b
reload a
link_is_up || die "more rights cut the link"
compare 0 x
[ "$(ctl_json a '[.devices[].name] | join(" ")' devices)" = 'v w x' ] || die "a does not list x"
run_in_background a x --limit 1M # while its device goes
removed=$run
run_in_background a w --limit 1M
kept=$run
cp a.conf.good a.conf
reload a
run=$removed
ended 4 x
kill -0 "$kept" || { cat w.err; die "the run of w has ended with x"; }
compare 2 x
says "has no device x"
cp b.conf.good b.conf # the link is cut, because its peer may read less, and comes back for w
count=$(relinks)
reload b
until_true link_is_up
[ "$(relinks)" = $((count + 1)) ] || die "the link of less rights was not cut"
[ "$(ctl_json b '[.devices[].name] | join(" ")' devices)" = 'v w' ] || die "b lists x"
[ "$(ctl_json b '.devices | keys | join(" ")' limit)" = 'v w' ] || die "b has a limit of x"
wait "$kept" || { cat w.err; die "the run of w has not gone on"; }

# ---- A device of which the configuration names another volume by now: nobody else opens the old one.
printf '[device x]\nvolume = %s\npeer = b\noffset = 512\n' "$T/x.a" >>a.conf # back, with what cannot change
printf '[device x]\nvolume = %s\n' "$T/x.b" >>b.conf
sed -i 's/^devices = .*/& x/' b.conf
reload b
reload a
grep -qE "a\.conf:[0-9]+: offset of \[device x\] holds from the next start" a.log || die "a does not name the offset"
until_true link_is_up
compare 2 x
says 'not permitted by the primary: the volume of x was changed in the configuration: restart ra-primaryd'
[ "$(replaced a)" = x ] || die "a does not list x as replaced"
sed -i '/^offset = 512$/d' a.conf
reload a
compare 0 x
ctl a limit device x 256K >"$T/out"
run_in_background a x
sed -i "s|^volume = $T/x.b|volume = $T/w.b|" b.conf
reload b
grep -qE "b\.conf:[0-9]+: volume of \[device x\] holds from the next start" b.log || die "b does not name the volume"
[ "$(replaced b)" = x ] || die "b does not list x as replaced"
compare 2 x # though the link has x for the run that goes on
says 'not permitted by the secondary: the volume of x was changed in the configuration: restart ra-secondaryd'
kill -0 "$run" || { cat x.err; die "the run of x has ended"; }
compare 3 --tracks 0-3 w
ctl a limit device x none >"$T/out"
ended 0 x
jq -e '.result == "identical"' x.json >/dev/null || { cat x.json; die "another verdict"; }
compare 2 x
says 'restart ra-secondaryd'
sed -i "/^\[device x\]/,\$ s|^volume = .*|volume = $T/x.b|" b.conf
reload b
[ -z "$(replaced b)" ] || die "b lists x as replaced"
compare 0 x

# ---- Limits, the level of the log, and what holds until the next start.
sed -i 's/^\[device v\]/&\nlimit = 3M\nmax-lag = 2s/; s/^\[primary\]/&\nlimit = 5M\nlog-level = debug\ntrack-size = 128K/' a.conf
sed -i 's/^\[peer a\]/&\nlimit = 4M/; s/^\[secondary\]/&\nlog-level = debug\njobs = 512\nlisten = 127.0.0.1:1/' b.conf
sed -i '/^listen = .*:'"$port"'/d' b.conf
reload a
reload b
[ "$(ctl_json a '[.total.bytes_per_second, .devices.v.bytes_per_second] | join(" ")' limit)" = '5242880 3145728' ] ||
	die "a has other limits"
[ "$(ctl_json b '.peers.a.bytes_per_second' limit)" = 4194304 ] || die "b has another limit of its peer"
for words in 'track-size of \[primary\]'; do
	grep -qE "a\.conf:[0-9]+: $words holds from the next start" a.log || die "a does not name $words"
done
for words in 'jobs of \[secondary\]' 'listen of \[secondary\]'; do
	grep -qE "b\.conf:[0-9]+: $words holds from the next start" b.log || die "b does not name $words"
done
compare 0 v
for name in a b; do
	grep -q '^ra-[a-z]*: debug: ' $name.log || die "$name does not log at the level debug"
done
all_is_idle
stop a
[ "$ended" = 0 ] || { tail a.log; die "a ended with $ended"; }
stop b
[ "$ended" = 0 ] || { tail b.log; die "b ended with $ended"; }
