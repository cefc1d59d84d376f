#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# ra-ctl metrics of two daemons: before a run nothing is said of one, after it the values are those of the other verbs;
# a file is replaced as a whole or not at all; and Prometheus' own tool likes the text and the example alerts.
. tests/functional/hosts.sh
source_dir=$PWD
. tests/functional/lib.sh

# series NAME SERIES: its value in the metrics of that daemon; "" where there is none.
series() { ctl "$1" metrics | awk -v series="$2" 'index($0, series " ") == 1 { print substr($0, length(series) + 2) }'; }
# has NAME SERIES VALUE
has()
{
	local got
	got=$(series "$1" "$2")
	[ "$got" = "$3" ] || die "$1: $2 is '$got', not '$3'"
}
# lacks NAME PATTERN
lacks() { ! ctl "$1" metrics | grep -E -- "$2" || die "$1 has a series $2"; }
seconds_of() { date -u -d "$1" +%s; }

two_hosts v w
noise v.a 1048576
cp v.a v.b
noise w.a 1048576
cp w.a w.b
change w.b 700000
start_both

# Nothing was compared yet, and no certificate is of a CA.
lacks a '^ra_(last_run|oldest_proof|tracks|certificate|cache|invalid)'
lacks b '^ra_(last_run|oldest_proof|tracks|certificate|ledger|relinks|invalid)'
has a 'ra_build_info{daemon="primary",version="'"$("$BUILD/ra-ctl" --version | cut -d' ' -f2)"'"}' 1
has a 'ra_links_up{daemon="primary",peer="b"}' 1
has b 'ra_links_up{daemon="secondary",peer="a"}' 1
has a 'ra_errors_total{daemon="primary",code="TIMEOUT"}' 0
has a 'ra_ledger_readable{daemon="primary",device="v"}' 1
has a 'ra_read_bytes_total{daemon="primary",device="v"}' 0
has a 'ra_disk_read_seconds_count{daemon="primary"}' 0

compare 0 v
compare 1 w
all_is_idle

has a 'ra_last_run_result{daemon="primary",device="v",result="identical"}' 1
has a 'ra_last_run_result{daemon="primary",device="v",result="different"}' 0
has a 'ra_last_run_result{daemon="primary",device="w",result="identical"}' 0
has a 'ra_last_run_result{daemon="primary",device="w",result="different"}' 1
has a 'ra_last_run_time_seconds{daemon="primary",device="v"}' "$(seconds_of "$(ctl_json a .last_run_ended proof v)")"
has a 'ra_oldest_proof_time_seconds{daemon="primary",device="w"}' \
	"$(seconds_of "$(ctl_json a .oldest_proof proof w)")"
for state in 'v identical 16' 'v different 0' 'v unproven 0' 'w identical 15' 'w different 1' 'w unproven 0'; do
	read -r device what tracks <<<"$state"
	has a "ra_tracks{daemon=\"primary\",device=\"$device\",state=\"$what\"}" "$tracks"
done
# Each volume was read once, and w's track that differs again.
has a 'ra_read_bytes_total{daemon="primary",device="v"}' 1048576
has b 'ra_read_bytes_total{daemon="secondary",device="v"}' 1048576
[ "$(series a 'ra_read_bytes_total{daemon="primary",device="w"}')" -gt 1048576 ] || die "w was not read again"
[ "$(series a 'ra_remote_read_bytes_total{daemon="primary",peer="b"}')" -gt 2097152 ] || die "b has read too little"
[ "$(series a 'ra_disk_read_seconds_count{daemon="primary"}')" -gt 0 ] || die "no disk read was counted"
[ "$(series b 'ra_disk_read_seconds_count{daemon="secondary"}')" = \
	"$(series b 'ra_disk_read_seconds_bucket{daemon="secondary",le="+Inf"}')" ] || die "the buckets are not all reads"
[ "$(series b 'ra_cache_misses_total{daemon="secondary"}')" -gt 0 ] || die "the cache had all"
[ "$(series a 'ra_link_bytes_total{daemon="primary",peer="b"}')" -gt 1000 ] || die "nothing crossed the link"

# What a link has carried stays when it has gone.
before=$(series b 'ra_link_bytes_total{daemon="secondary",peer="a"}')
stop a
links_are() { [ "$(series b 'ra_links_up{daemon="secondary",peer="a"}')" = "$1" ]; }
until_true links_are 0
[ "$(series b 'ra_link_bytes_total{daemon="secondary",peer="a"}')" -ge "$before" ] || die "bytes of a link are forgotten"

# No daemon: the old file stays, and nothing is beside it.
mkdir out.d
echo old >out.d/ra.prom
ctl a metrics --write out.d/ra.prom 2>err
[ $? = 4 ] || die "no daemon, and not exit 4"
[ "$(cat out.d/ra.prom)" = old ] && [ "$(ls out.d)" = ra.prom ] || die "the file was touched"

# What was known of proof is known again. A ledger that is damaged is told, and hides nothing else.
start a
until_true link_is_up
has a 'ra_last_run_result{daemon="primary",device="w",result="different"}' 1
poke a.state/w/ledger 30 xxxx
(umask 077 && ctl a metrics --write out.d/ra.prom) 2>err || die "not written"
grep -q 'the ledger of w is damaged' err || die "the damage is not told"
[ "$(stat -c %a out.d/ra.prom)" = 644 ] && [ "$(ls out.d)" = ra.prom ] || die "not one file of mode 0644"
grep -qF 'ra_ledger_readable{daemon="primary",device="w"} 0' out.d/ra.prom || die "the damage is no series"
grep -qF 'ra_ledger_readable{daemon="primary",device="v"} 1' out.d/ra.prom || die "v is damaged, too"
! grep -q '^ra_tracks.*"w"' out.d/ra.prom || die "tracks of a ledger that is not known"

# It cannot be written: exit 2, named, nothing left. A folder in its place takes no file.
mkdir out.d/folder
ctl a metrics --write out.d/folder 2>err
[ $? = 2 ] && grep -q 'cannot write out.d/folder: ' err || die "a folder was replaced"
ctl a metrics --write missing.d/ra.prom 2>err
[ $? = 2 ] && grep -q 'cannot write missing.d/ra.prom: No such file' err || die "a folder that is not there"
[ "$(ls out.d | tr '\n' ' ')" = 'folder ra.prom ' ] || die "something is left behind: $(ls out.d)"
# A full disk takes only a part of it.
(ulimit -f 1; trap '' XFSZ; ctl a metrics --write out.d/ra.prom) 2>err
[ $? = 2 ] && grep -q 'cannot write out.d/ra.prom: File too large' err || die "half a file was written"
[ "$(ls out.d | tr '\n' ' ')" = 'folder ra.prom ' ] || die "something is left behind: $(ls out.d)"
[ "$(grep -c '^ra_ledger_readable' out.d/ra.prom)" = 2 ] || die "the old file is gone"

command -v promtool >/dev/null || { echo "promtool is missing (Debian: prometheus): the rest is not tested"; exit 77; }
for name in a b; do
	ctl "$name" metrics 2>/dev/null >"$name.prom"
	promtool check metrics <"$name.prom" >out 2>&1 || die "promtool finds fault with the metrics of $name"
done
promtool check rules "$source_dir/conf/prometheus/ra-alerts.yml" >out 2>&1 || die "promtool finds fault with the alerts"
promtool test rules "$source_dir/tests/prometheus/ra-alerts-test.yml" >out 2>&1 || die "the alerts do not do what they say"
# A family that an alert asks about is one that there is.
grep -oE '\bra_[a-z_]+' "$source_dir/conf/prometheus/ra-alerts.yml" | sort -u >asked
for family in $(cat asked); do
	grep -qF "\"$family\"" "$source_dir/primary/ctl/metrics_text.c" || die "no family $family"
	grep -q "$family" "$source_dir/primary/ctl/ra-ctl.8" || die "ra-ctl(8) does not have $family"
done
