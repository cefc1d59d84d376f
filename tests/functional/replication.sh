#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Volumes under a replication that is up to 2 s behind a random writer for the whole run: with max-lag = 3s there is no
# false alarm; a write that was lost is found, and nothing else; a track that changes for ever is unsettled. Two volumes
# and two hosts. Ten rounds with RA_LONG=1. RA_SEED repeats what was written where.
. tests/functional/hosts.sh
. tests/functional/lib.sh

RANDOM=${RA_SEED:=$((RANDOM))}
echo "RA_SEED=$RA_SEED"
track=65536
tracks=128
noise same $((tracks * track))
declare -A replicator # name of the volumes -> process id
declare -A run # name of the volumes -> process id
trap 'stop_all; kill -KILL "${replicator[@]}" "${run[@]}" 2>/dev/null' EXIT

# replicate NAME OPTION...: $T/NAME.a becomes $T/NAME.b. The volumes stay the same files for the daemons.
replicate()
{
	cp same "$1.a"
	cp same "$1.b"
	"$BUILD/tests/replicator" --seed $((RANDOM * 32768 + RANDOM)) "${@:2}" "$1.a" "$1.b" >"$1.replicator" 2>&1 &
	replicator[$1]=$!
	until_true grep -qs ready "$1.replicator"
}
# replicated NAME: it ends, and both volumes are the same, if it lost nothing. Its longest lag is in $lag.
replicated()
{
	local pid=${replicator[$1]}
	unset "replicator[$1]"
	kill -TERM "$pid"
	wait "$pid" || die "the replicator: exit $?: $(cat "$1.replicator")"
	lag=$(sed -n 's/.* longest lag \([0-9]*\) ms$/\1/p' "$1.replicator")
	[ -n "$lag" ] || die "the replicator says nothing: $(cat "$1.replicator")"
}
# differing FILE FILE: the tracks in which they differ.
differing() { cmp -l "$1" "$2" | awk -v track=$track '{ print int(($1 - 1) / track) }' | uniq | paste -sd ' '; }

# The replicator is what this test believes in: without lag both sides are the same in the end, and the same again for
# the same seed; with one the copy is behind, and catches up; what is lost is one track.
cp same one.a
cp same one.b
cp same two.a
cp same two.b
for name in one two; do
	"$BUILD/tests/replicator" --seed 7 --writes 2000 --lag 0-0 $name.a $name.b >/dev/null || die "replicator $name"
	cmp $name.a $name.b || die "not replicated"
	cmp -s $name.a same && die "nothing was written"
done
cmp one.a two.a || die "one seed, two contents"
replicate one --lag 1000-1000 --drop-track 9
is_behind() { ! cmp -s one.b same && [ "$(differing one.a one.b | wc -w)" -gt 9 ]; }
until_true is_behind
replicated one
[ "$(differing one.a one.b)" = 9 ] || die "differing tracks: $(differing one.a one.b), not 9"
[ "$lag" -ge 900 ] || die "a lag of $lag ms, not 1000"

two_hosts device
sed -i 's/^volume = .*/&\nmax-lag = 3s/' a.conf

# begin NAME: a run over the volumes of that name; finished NAME: its exit status is in $code, its document in $T/out.
begin()
{
	local volumes=("$1.a" "$1.b" --max-lag 3s)
	[ "$1" != device ] || volumes=(--socket "$T/a.sock" --state none device)
	"$RA" --json --limit 4M --jobs 2 "${volumes[@]}" >"$1.out" 2>"$1.err" &
	run[$1]=$!
}
finished()
{
	wait "${run[$1]}"
	code=$?
	unset "run[$1]"
	cp "$1.out" out
	cp "$1.err" err
}

# judge NAME CODES: no verdict counts of a replication that the machine made slower than max-lag.
judge()
{
	finished "$1"
	replicated "$1"
	if [ "$lag" -ge 3000 ]; then
		echo "$1: the copy was $lag ms behind; that is more than max-lag"
		return 1
	fi
	[[ " $2 " = *" $code "* ]] || die "$1: exit $code, not $2"
	json_sums
	json .tracks.total $tracks
	json '.tracks | .invalid + .unreadable + .not_compared' 0
}

judge_quiet()
{
	judge "$1" "0 3" || return 1
	json .tracks.different 0
	json '[.ranges[] | select(.state == "different")] | length' 0
	json ".result == if $code == 0 then \"identical\" else \"not-proven\" end" true
	settled=$((settled + $(jq .settled out)))
}

# All of the writes go elsewhere, so the lost one is all that differs.
judge_lost()
{
	judge lost 1 || return 1
	json .tracks.different 1
	json "[.ranges[] | select(.state == \"different\") | .offset / $track | floor] | unique == [$lost]" true
	json '[.ranges[] | select(.state == "different") | .length] | add' 512
	json '[.ranges[] | select(.state == "different") | .confirmed >= 2 and .confirmed_ms >= 3000 and .shape == "data"] | all' true
}

judge_alternating()
{
	judge alternating 3 || return 1
	json .result not-proven
	json .tracks.different 0
	json '.tracks.unsettled >= 1' true
	json "[.ranges[] | select(.state == \"unsettled\" and .offset <= $((alternating * track)) and
		.offset + .length >= $(((alternating + 1) * track)))] | length" 1
}

# One round is four replications with a run over each, at one time.
round()
{
	lost=$((RANDOM % tracks))
	alternating=$((RANDOM % tracks))
	replicate quiet --rate 150 --hot 4
	replicate device --rate 150 --hot 4
	replicate lost --rate 100 --drop-track $lost
	replicate alternating --rate 50 --lag 100-2000 --alternate $alternating
	for name in quiet device lost alternating; do begin $name; done
	judge_quiet quiet
	judge_quiet device
	judge_lost && found=$((found + 1))
	judge_alternating && unsettled=$((unsettled + 1))
}

start_both
settled=0
found=0
unsettled=0
rounds=2
if [ -n "${RA_LONG:-}" ] && [ -z "$SAN" ]; then rounds=10; fi
for ((i = 0; i < rounds; i++)); do round; done
[ $settled -gt 0 ] || die "no track had to settle: the copy was never behind"
[ $found -gt 0 ] && [ $unsettled -gt 0 ] || die "the machine was too slow in every round"

# What settling is for: without it the same replication is a false alarm.
replicate quiet --rate 150 --hot 4
expect 1 --by data --json --settle 0 --max-lag 3s quiet.a quiet.b # where digests differ, the data is looked at once more
json '.tracks.different >= 1' true
json '.settled' 0
replicated quiet
cmp quiet.a quiet.b || die "the replication lost something"
all_is_idle
