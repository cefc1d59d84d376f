#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Two configured daemons: verdicts of named devices in each delivery, several at once, what is not there.
. tests/functional/lib.sh
. tests/functional/daemons.sh

noise a 20000000
cp a b
noise c 3000000
cp c d
poke d 1000000 damage
: >none

new_site
add_device web1 "$T/a" "$T/b"
add_device web2 "$T/c" "$T/d"
add_device gone "$T/a" "$T/nowhere"
printf '[device hidden]\nvolume = %s\npeer = b\n' "$T/a" >>primary.conf
printf '[device hidden]\nvolume = %s\n' "$T/b" >>secondary.conf # but a may not read it
start_secondary
start_primary

for delivery in disconnect poll hold; do
	expect_device 0 web1 --delivery $delivery
	says '^IDENTICAL: 20000000 bytes'
	expect_device 1 web2 --delivery $delivery --json
	json .result different
	json .tracks.different 1
	json .device web2
	json_sums
done

# Sixteen at once.
for ((i = 0; i < 16; i++)); do
	"$RA" --socket "$T/primary.sock" web1 >"out.$i" 2>"err.$i" &
	runs[i]=$!
done
for ((i = 0; i < 16; i++)); do
	wait "${runs[i]}" || die "run $i ended with $?: $(cat "out.$i" "err.$i")"
done

expect_device 2 web9
says 'web9'
expect_device 2 hidden
says 'hidden'
expect_device 5 gone
says 'nowhere'
[ "$(ask primary .hosts status)" = 0 ] || die "hosts are left"
[ "$(ask primary '[.devices[].jobs] | add' devices)" = 0 ] || die "jobs are left"
until_true test "$(ask secondary .jobs.link status)" = 0
stop_all
[ ! -e primary.sock ] || die "the socket file is left"

# Nobody there.
expect_device 4 web1
says 'primary.sock'
