#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The Debian package: it is made, lintian finds no error in it, and in a root of its own it is installed, upgraded,
# removed and purged: an edited configuration stays until the purge, what the user made stays for ever, and nothing is
# enabled.
. tests/functional/lib.sh

[ -z "$SAN" ] || { echo "skipped: a package has no sanitizers"; exit 77; }
[ "$(id -u)" = 0 ] || { echo "skipped: needs root, to install into a root of its own"; exit 77; }
for program in dpkg-buildpackage dh lintian git; do
	command -v $program >/dev/null || { echo "skipped: there is no $program"; exit 77; }
done
git -C "$OLDPWD" rev-parse --git-dir >/dev/null 2>&1 || { echo "skipped: the sources are no git repository"; exit 77; }

make_deb() { (cd "$T/tree" && scripts/make-deb "$@") 2>err || die "make-deb $*"; }
git clone -q "$OLDPWD" tree 2>err || die "no clone"
first=tree/$(make_deb 0.0.9) || exit 1
cp "$first" . # the next build begins with an empty folder
second=tree/$(make_deb) || exit 1
first=$T/${first##*/}
# What lintian leaves at times, it leaves in a folder of the test.
TMPDIR=$T lintian --no-tag-display-limit --fail-on error "$second" >out 2>&1 || die "lintian finds errors"
(cd "$T/tree" && scripts/make-deb '1; reboot') >out 2>&1 && die "any version will do"
says 'is no version'

# A root with nothing in it: the scripts of the package run here, so they are told of it by DPKG_ROOT.
mkdir -p root/{etc,var/lib/dpkg/{info,updates,triggers}}
: >root/var/lib/dpkg/status
for file in passwd group shadow gshadow; do cp /etc/$file root/etc; done
package() { dpkg --root="$T/root" --force-script-chrootless --force-depends "$@" >out 2>&1; }

package --install "$first" || die "it cannot be installed"
for file in usr/bin/ra-{primaryd,secondaryd,compare,ctl} etc/ra/{primary,secondary}.conf; do
	[ -e "root/$file" ] || die "$file is missing"
done
[ "$(stat -c %a root/etc/ra/primary.conf)" = 644 ] || die "the configuration cannot be read"
grep -q '^ra:' root/etc/passwd || die "there is no user ra"
[ -z "$(find root/etc/systemd root/var/lib/systemd -type l 2>/dev/null)" ] || die "something is enabled"

# What a user does.
echo '# mine' >>root/etc/ra/primary.conf
echo key >root/etc/ra/identity.pem
mkdir -p root/etc/systemd/system/ra-primary.service.d root/var/lib/ra/web1 root/var/lib/ra-secondary
echo x >root/etc/systemd/system/ra-primary.service.d/mine.conf
echo x >root/var/lib/ra/web1/proof
mkdir -p root/var/lib/prometheus/node-exporter
touch root/var/lib/prometheus/node-exporter/{ra-primary,other}.prom
mkdir -p root/var/lib/systemd/timers root/etc/systemd/system/{multi-user,timers}.target.wants
ln -s /lib/systemd/system/ra-primary.service root/etc/systemd/system/multi-user.target.wants/
ln -s /lib/systemd/system/ra-compare@.timer root/etc/systemd/system/timers.target.wants/ra-compare@web1.timer
ln -s /lib/systemd/system/other.timer root/etc/systemd/system/timers.target.wants/
touch root/var/lib/systemd/timers/stamp-{ra-compare@web1,other}.timer

package --force-confdef --force-confold --install "$second" || die "it cannot be upgraded"
grep -q '^# mine' root/etc/ra/primary.conf || die "the upgrade took the configuration away"
[ -f root/var/lib/ra/web1/proof ] || die "the upgrade took the proof away"
[ "$(dpkg --root="$T/root" -s ra | sed -n 's/^Version: //p')" != 0.0.9 ] || die "it was not upgraded"
package --remove ra || die "it cannot be removed"
[ ! -e root/usr/bin/ra-ctl ] || die "a program is left"
[ "$(ls root/var/lib/prometheus/node-exporter)" = other.prom ] || die "metrics are left that nobody renews"
[ -f root/etc/ra/primary.conf ] && [ -f root/var/lib/ra/web1/proof ] || die "removing takes what only a purge may"
package --purge ra || die "it cannot be purged"
[ ! -e root/etc/ra/primary.conf ] || die "the purge leaves the configuration"
[ ! -e root/var/lib/ra ] && [ ! -e root/var/lib/ra-secondary ] || die "the purge leaves what the daemons wrote"
[ "$(cd root/etc/systemd/system && echo *.wants/*)" = timers.target.wants/other.timer ] ||
	die "the purge leaves what was enabled"
[ "$(ls root/var/lib/systemd/timers)" = stamp-other.timer ] || die "the purge leaves what systemd noted of the timers"
[ -f root/etc/ra/identity.pem ] && [ -f root/etc/systemd/system/ra-primary.service.d/mine.conf ] ||
	die "the purge takes what the user made"
