#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What make install puts in place: files where a prefix has them, units that name the programs there, that systemd takes
# without a word, and whose exposure is what the manual promises.
. tests/functional/hosts.sh
. tests/functional/lib.sh

command -v systemd-analyze >/dev/null || { echo "skipped: there is no systemd-analyze"; exit 77; }
top=$OLDPWD
make -s -C "$top" install BUILD="$BUILD" DESTDIR="$T/root" PREFIX=/opt/ra >log 2>&1 || { cat log; die "make install failed"; }
units=$T/root/opt/ra/lib/systemd/system
for file in bin/ra-{primaryd,secondaryd,compare,ctl} lib/systemd/system/ra-{primary,secondary}.{service,socket} \
	lib/systemd/system/ra-{compare,compare-nightly,metrics}@.{service,timer} lib/sysusers.d/ra.conf lib/tmpfiles.d/ra.conf \
	share/doc/ra/examples/{block-devices.conf,ra-alert@.service,primary.conf,secondary.conf} share/man/man8/ra-ctl.8; do
	[ -f "root/opt/ra/$file" ] || die "make install forgets $file"
done
! grep -rn '/usr/bin/ra-' "$units" || die "a unit names a program elsewhere"
grep -qx 'ExecStart=/opt/ra/bin/ra-primaryd' "$units/ra-primary.service" || die "ra-primary.service starts another program"

# The programs must be there for systemd's check.
sed -i "s,/opt/ra/bin/,$T/root/opt/ra/bin/," "$units"/*.service
for unit in ra-{primary,secondary}.{service,socket} ra-{compare,compare-nightly}@web1.{service,timer} \
	ra-metrics@primary.{service,timer}; do
	[ -f "$units/$unit" ] || cp "$units/${unit%@*}@.${unit##*.}" "$units/$unit"
	systemd-analyze verify --man=no --recursive-errors=one "$units/$unit" >out 2>&1 || die "systemd refuses $unit"
	[ ! -s out ] || die "systemd has something to say of $unit"
done

# exposed UNIT MOST: its exposure, times ten.
exposed()
{
	systemd-analyze security --offline=true --no-pager --threshold="$2" "$units/$1" >out 2>&1 ||
		die "$1: more exposed than $2 tenths: $(tail -n 1 out)"
}
for side in primary secondary; do
	exposed ra-$side.service 15
	mkdir "$units/ra-$side.service.d"
	cp root/opt/ra/share/doc/ra/examples/block-devices.conf "$units/ra-$side.service.d"
	systemd-analyze verify --man=no --recursive-errors=one "$units/ra-$side.service" >out 2>&1 ||
		die "systemd refuses the drop-in for block devices"
	exposed ra-$side.service 18
	systemd-analyze security --offline=true --no-pager --threshold=10 "$units/ra-$side.service" >out 2>&1 &&
		die "the exposure is not measured"
done

# As a service: the key is a credential, which may show the access list of the user as a group; a reload brings another
# one to a folder of the unit; the file that the configuration names is not read.
noise v.a 300000
cp v.a v.b
two_hosts v
mkdir credentials reloaded
cp a.pem credentials/
chmod 440 credentials/a.pem
echo nonsense >a.pem
chmod 600 a.pem
export CREDENTIALS_DIRECTORY=$T/credentials RA_RELOADED_CREDENTIALS=$T/reloaded
start a
unset CREDENTIALS_DIRECTORY RA_RELOADED_CREDENTIALS
start b
until_true link_is_up
compare 0 v
old=${key[a]}
keygen c # a reload takes this
until_true link_is_up
sed -i "s/^key = .*/key = $old ${key[c]}/" b.conf
kill -HUP "${daemon[b]}"
until_true grep -q 'read again' b.log
mv c.pem reloaded/a.pem
chmod 440 reloaded/a.pem
kill -HUP "${daemon[a]}"
until_true grep -q "read again: .*key ${key[c]}" a.log
compare 0 v
chmod 444 credentials/a.pem reloaded/a.pem
kill -HUP "${daemon[a]}"
until_true grep -q 'reloaded/a\.pem: others can read it' a.log
rm reloaded/a.pem
kill -HUP "${daemon[a]}"
until_true grep -q 'credentials/a\.pem: others can read it' a.log
stop a
stop b
