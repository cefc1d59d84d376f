#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# SIGHUP under runs that lose what they need by it: a peer that goes, on either side, a device that goes or gets another
# peer, and two peers that change keys. They end with a reason, nothing of them stays, and a run that has nothing to do
# with it goes on through it all. Two primaries, a and c, and two secondaries, b and b2; limits make runs last.
. tests/functional/hosts.sh
. tests/functional/lib.sh

# said DEVICE WORDS: by its run, when that ended.
said() { grep -qE -- "$2" "$1.json" "$1.err" || { cat "$1.json" "$1.err"; die "the run of $1 does not say $2"; }; }
logged() { grep -qE -- "$2" "$1.log" || { tail "$1.log"; die "$1 does not log $2"; }; }
kept_goes_on() { kill -0 "$kept" 2>/dev/null || { cat k.err; die "the run of k has ended"; }; }
# links NAME: peers and keys of those that b has, and of a those that are up.
links() { ctl_json "$1" '[.links[] | select(.state == "up") | .peer + " " + .key] | sort | join(" ")' links; }
has_links() { [ "$(links "$1")" = "$2" ]; }

noise v.a 32000000
noise w.a 32000000
noise k.a 128000000
for name in v w k; do cp $name.a $name.b; done
two_hosts v
keygen b2
keygen c
port2=$port
while [ "$port2" = "$port" ]; do port2=$(free_port); done
sed -i 's/^\[primary\]/&\nlimit = 1M/' a.conf
printf '[peer b2]\naddress = 127.0.0.1:%s\nkey = %s\n\n[device k]\nvolume = %s\npeer = b2\nlimit = 256K\n' \
	"$port2" "${key[b2]}" "$T/k.a" >>a.conf
printf '[primary]\nidentity = %s\nsocket = %s\nstate = %s\nlimit = 1M\n[peer b]\naddress = 127.0.0.1:%s\nkey = %s\n' \
	"$T/c.pem" "$T/c.sock" "$T/c.state" "$port" "${key[b]}" >c.conf
printf '[device w]\nvolume = %s\npeer = b\n' "$T/w.a" >>c.conf
printf '[peer c]\nkey = %s\ndevices = w\n\n[device w]\nvolume = %s\n' "${key[c]}" "$T/w.b" >>b.conf
printf '[secondary]\nidentity = %s\nsocket = %s\nlisten = 127.0.0.1:%s\nstate = %s\n[peer a]\nkey = %s\ndevices = k v\n' \
	"$T/b2.pem" "$T/b2.sock" "$port2" "$T/b2.state" "${key[a]}" >b2.conf
printf '[device k]\nvolume = %s\n[device v]\nvolume = %s\n' "$T/k.b" "$T/v.b" >>b2.conf
for name in b b2 c a; do start $name; done
for name in a b c; do cp $name.conf $name.conf.good; done
all_up() { has_links a "b ${key[b]} b2 ${key[b2]}" && has_links c "b ${key[b]}"; }
until_true all_up
run_in_background a k
kept=$run

# ---- The peer goes at b.
run_in_background a v --link-timeout 1s
sed -i '/^\[peer a\]/,/^$/d' b.conf
reload b
logged b 'a: the link from .* ends: its peer is not configured any more'
has_links b "c ${key[c]}" || die "b has other links: $(links b)"
ended 4 v
said v 'no link to b for 1 s'
until_true b_is_idle
kept_goes_on
cp b.conf.good b.conf
reload b
until_true all_up

# ---- The peer and its devices go at a.
run_in_background a v
sed -i '/^\[peer b\]/,/^$/d; /^\[device v\]/,/^$/d' a.conf
reload a
logged a 'v: the run of ra-compare.* ends: its device is not configured any more'
logged a 'peer b is not configured any more: its link ends'
ended 4 v
said v 'the configuration of ra-primaryd was changed: its device is not configured any more'
has_links a "b2 ${key[b2]}" || die "a has other links: $(links a)"
[ "$(ctl_json a '[.devices[].name] | join(" ")' devices)" = k ] || die "a lists other devices"
until_true b_is_idle
kept_goes_on
cp a.conf.good a.conf
reload a
until_true all_up

# ---- The device gets another peer at a.
run_in_background a v
sed -i '/^\[device v\]/,/^$/s/^peer = .*/peer = b2/' a.conf
reload a
logged a 'v: the run of ra-compare.* ends: its device has another peer now'
ended 4 v
said v 'the configuration of ra-primaryd was changed: its device has another peer now'
until_true b_is_idle
kept_goes_on
compare 3 --tracks 0-3 v
[ "$(ctl_json a '.devices[] | select(.name == "v") | .peer' devices)" = b2 ] || die "v has its old peer"
cp a.conf.good a.conf
reload a

# ---- Two peers change keys at b: each is the other one from then on, and may do what that may.
run_in_background a v --link-timeout 1s
of_a=$run
run_in_background c w --link-timeout 1s
of_c=$run
sed -i "s/^key = ${key[a]}\$/key = new/; s/^key = ${key[c]}\$/key = ${key[a]}/; s/^key = new\$/key = ${key[c]}/" b.conf
reload b
logged b "a: the link from .* ends: its key ${key[a]} is not that of the peer any more"
logged b "c: the link from .* ends: its key ${key[c]} is not that of the peer any more"
for run in "$of_a v" "$of_c w"; do
	read -r run device <<<"$run"
	ended 4 "$device"
done
until_true has_links b "a ${key[c]} c ${key[a]}"
until_true all_up
compare 2 v
says 'no device v for this primary'
expect 2 --socket "$T/c.sock" w
says 'no device w for this primary'
until_true b_is_idle
kept_goes_on
cp b.conf.good b.conf
reload b
until_true has_links b "a ${key[a]} c ${key[c]}"
until_true all_up

# ---- The other run has seen nothing of it.
ctl a limit total none >"$T/out"
ctl a limit device k none >"$T/out"
run=$kept
ended 0 k
jq -e '.result == "identical" and .link.relinks == 0' k.json >/dev/null || { cat k.json; die "another verdict"; }
compare 0 v
all_is_idle
for name in a c b b2; do
	stop $name
	[ "$ended" = 0 ] || { tail $name.log; die "$name ended with $ended"; }
done
