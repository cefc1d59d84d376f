#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A network that is away for less and for more than --link-timeout, and a link that is cut again and again at random
# bytes while a run goes on, in each delivery: the verdict is right, and nothing stays in use.
. tests/functional/lib.sh
. tests/functional/daemons.sh

noise a 40000000
cp a b
poke b 31000000 "$(printf 'damage%s' "$RANDOM")"
new_site
add_device web1 "$T/a" "$T/b"
start_secondary
start_primary
stop "$primary"
direct=$port
relay=

# relay OPTION...: the primary connects through a new relay.
relay()
{
	[ -z "$relay" ] || kill -KILL "$relay"
	"$BUILD/tests/relay" "${relay_port:-0}" "$direct" "$@" >relay.out 2>relay.err &
	relay=$!
	until_true test -s relay.out
	relay_port=$(head -n 1 relay.out)
	sed -i "s|^address = 127.0.0.1:.*|address = 127.0.0.1:$relay_port|" primary.conf
}
trap 'kill -KILL $relay $secondary $primary 2>/dev/null' EXIT
begin()
{
	"$RA" --socket "$T/primary.sock" --json "$@" web1 >out 2>err &
	run=$!
	until_true has_jobs
}
ended()
{
	wait $run
	code=$?
	[ $code = "$1" ] || die "exit $code, not $1"
	json_sums
}
found()
{
	json .result different
	json .tracks.different 1
	json '.ranges[0].offset' 31000000
}

relay
start_primary
begin --limit 8M --link-timeout 60s
kill -USR1 $relay # no byte passes
sleep 20 # longer than the pings wait
kill -USR1 $relay
ended 1
found
json '.link.relinks' 1
until_true is_idle
begin --limit 8M --link-timeout 2s
kill -USR2 $relay # refused
ended 4
kill -USR2 $relay
until_true is_up
until_true is_idle
stop "$primary"

for delivery in disconnect poll hold; do
	relay --cut-after $((RANDOM * 20 + 3000)) --cut-times 12
	start_primary
	begin --delivery $delivery
	ended 1
	found
	json '.link.relinks >= 1' true
	until_true is_idle
	stop "$primary"
	relay --cut-after-up $((RANDOM % 3000 + 1200)) --cut-times 12
	start_primary
	begin --delivery $delivery
	ended 1
	found
	until_true is_idle
	stop "$primary"
done
primary=
stop_all
