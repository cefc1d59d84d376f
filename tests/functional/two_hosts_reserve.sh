#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# One run has a device for itself alone, and only then: who asks for one that is reserved or being read is told by whom,
# and ends with 6. Two primaries with one secondary, so that either side has to refuse.
. tests/functional/hosts.sh
. tests/functional/lib.sh

noise v.a 8000000
cp v.a v.b
two_hosts v
sed -i 's/^devices = .*/&\nmax-links = 2/' b.conf
sed "s|$T/a\.s|$T/a2.s|" a.conf >a2.conf # its socket and its state
start_both
start a2
other_is_up() { [ "$(ctl_json a2 '.links[0].state' links)" = up ]; }
until_true other_is_up

# begin ARGUMENT...: a run that goes on until it is stopped
begin()
{
	"$RA" --socket "$T/a.sock" --repeat forever --limit 4M "$@" v >run.out 2>run.err &
	run=$!
}
end()
{
	kill -KILL $run
	wait $run 2>/dev/null
	all_is_idle
}
reserved_by() { ctl_json "$1" '.devices[0].reserved_by' devices; }
is_reserved() { reserved_by "$1" | grep -q ra-compare; }
has_jobs() { [ "$(ctl_json a '.devices[0].jobs' devices)" -gt 0 ]; }

begin --reserve
until_true is_reserved a
until_true is_reserved b
for socket in a a2; do # refused by the primary, and by the secondary
	expect 6 --socket "$T/$socket.sock" v
	says 'reserved by .*ra-compare'
	expect 6 --socket "$T/$socket.sock" --reserve v
	says 'reserved by .*ra-compare'
done
end
[ "$(reserved_by a)" = null ] && [ "$(reserved_by b)" = null ] || die "the reservation stays"
compare 0 --reserve v

begin
until_true has_jobs
compare 6 --reserve v
says 'read by .*ra-compare'
expect 6 --socket "$T/a2.sock" --reserve v
expect 0 --socket "$T/a2.sock" v # reading together is no trouble
end
expect 0 --socket "$T/a2.sock" --reserve v
