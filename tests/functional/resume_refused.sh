#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A ledger that is damaged, or not of these volumes and this run, is never used: exit 2, the reason, and the file stays
# as it is. --restart gets over it, but replaces nobody else's file. RA_SEED repeats what was random.
. tests/functional/hosts.sh
. tests/functional/lib.sh

RANDOM=${RA_SEED:=$((RANDOM))}
echo "RA_SEED=$RA_SEED"
noise v.a 20000000
cp v.a v.b
cp v.a w.a
cp v.a w.b
two_hosts v w
start_both

# A place in the middle of a run, of two volumes and of the device.
expect 3 --state place --run 16 --limit 10M --max-duration 1s v.a v.b
compare 3 --run 16 --limit 10M --max-duration 1s v
kept=a.state/v/ledger
[ -s place ] && [ -s $kept ] || die "no place was kept"
cp place whole
cp $kept whole.device
bytes=$(stat -c %s whole)

# stays WHY ARGUMENT...: exit 2 for this reason, no track was compared, and the file is what it was.
stays()
{
	cp place place.before
	expect 2 --json --state place "${@:2}"
	grep -qE -- "$1" out err || die "the reason is not: $1"
	grep -q place out err || die "the file is not named"
	cmp place place.before || die "what was refused has been changed"
	[ ! -e place.new ] || die "place.new is left"
}
# refused WHY ARGUMENT...: so it is, and --restart begins anew. The file is then again what it was before.
refused()
{
	stays "$@"
	cp place place.refused
	expect 0 --json --state place --restart "${@:2}"
	json .resumed_tracks 0
	json '.tracks.identical == .tracks.total' true
	expect 0 --json --state place "${@:2}" # and this one can be used
	mv place.refused place
}

# It is good as it is.
cp whole place
expect 0 --json --state place v.a v.b
json '.resumed_tracks > 0' true

# ---- Damaged ----

for length in 0 1 7 8 15 39 40 41 $((bytes / 2)) $((bytes - 1)) $((RANDOM % bytes)) $((RANDOM % bytes)); do
	head -c "$length" whole >place
	refused 'truncated' v.a v.b
done
# flip FILE OFFSET: one bit of that byte
flip()
{
	local old
	old=$(od -An -tu1 -j "$2" -N 1 "$1")
	printf '%b' "\\0$(printf '%o' $((old ^ 1 << RANDOM % 8)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
# Of the head: kind, version, length and checksum; then of what is in it.
for at in 8 12 16 23 24 39 40 $((bytes / 2)) $((bytes - 1)) $((8 + RANDOM % (bytes - 8))); do
	cp whole place
	flip place $at
	refused 'of kind|version|truncated|longer|checksum' v.a v.b
done
cp whole place
printf x >>place
refused 'longer than it says' v.a v.b
cp whole place
poke place 12 9
refused 'version' v.a v.b

# What does not begin as a state file is somebody's own: a letter, and a volume that was named by mistake.
for at in 0 7; do
	cp whole place
	flip place $at
	stays 'no state file.*; it is left as it is' v.a v.b
	stays 'no state file.*; it is left as it is' --restart v.a v.b
done
noise place 5000
stays 'no state file' --restart v.a v.b
cp v.b place
stays 'too large' --restart v.a v.b
stays 'one of the volumes' --restart v.a place
rm place
ln -s w.b place
stays 'symbolic' --restart v.a v.b
rm place

# ---- Of something else ----

cp whole place
refused 'the local volume is file .*, it is of file' w.a w.b
refused 'the local volume is file .*, it is of file' v.b v.a
refused 'track' --track-size 128K v.a v.b
refused 'what is compared is data, it is of xxh3-128' --by data v.a v.b
refused 'what is compared is sha256' --digest sha256 v.a v.b
cp --remove-destination v.b v.b.new
mv v.b.new v.b # the same bytes under the same name are another file
refused 'the remote volume is file' v.a v.b
rm place
expect 3 --state place --run 16 --limit 10M --max-duration 1s v.a v.b
truncate -s 19000000 v.a v.b
refused 'size|bytes' v.a v.b

# ---- Of the device ----

refused_device()
{
	cp $kept before
	compare 2 --json w
	grep -qE -- "$1" out err || die "the reason is not: $1"
	cmp $kept before || die "what was refused has been changed"
}
kept=a.state/w/ledger
compare 3 --run 16 --limit 10M --max-duration 1s w
cp $kept whole.w
head -c 100 whole.w >$kept
refused_device truncated
cp whole.w $kept
flip $kept $((RANDOM % $(stat -c %s whole.w)))
refused_device 'no state file|of kind|version|truncated|longer|checksum'
cp whole.device $kept # of another device
refused_device 'device|v'
compare 0 --json --restart w
json .resumed_tracks 0
compare 3 --run 16 --limit 10M --max-duration 1s w
stop a
sed -i 's/^\[primary\]/&\ntrack-size = 128K/' a.conf
stop b
sed -i 's/^\[secondary\]/&\ntrack-size = 128K/' b.conf
start_both
refused_device track
compare 0 --restart w
compare 0 w
all_is_idle
