#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The primary keeps the last reports of each device; ra-ctl report lists, shows and compares them. A store that fails, or
# a primary that is too old, is a warning and changes no verdict. Each JSON document has the form that
# conf/report.schema.json says. And log-level changes what both daemons log while they run.
schema=$PWD/conf/report.schema.json
. tests/functional/hosts.sh
. tests/functional/lib.sh

valid() { # FILE...: has the form, if somebody can tell
	[ -n "$validator" ] || return 0
	"$validator" - "$schema" "$@" <<-'PYTHON' || die "not as the schema says"
	import json, sys
	import jsonschema
	schema = json.load(open(sys.argv[1]))
	checker = jsonschema.validators.validator_for(schema)
	checker.check_schema(schema)
	for path in sys.argv[2:]:
	    for error in checker(schema).iter_errors(json.load(open(path))):
	        sys.exit("%s: %s: %s" % (path, list(error.absolute_path), error.message))
	PYTHON
}
validator=
for python in python3 /usr/bin/python3; do
	if "$python" -c 'import jsonschema' 2>/dev/null; then validator=$(command -v "$python"); break; fi
done
[ -n "$validator" ] || echo "the schema is not checked: there is no python3-jsonschema"

noise v.a 2000000
cp v.a v.b
noise w.a 300000
cp w.a w.b
a_main=$'reports = 3\nlog-level = info' two_hosts v w
start_both

# reports FILTER WANTED: of ra-ctl report list v
reports()
{
	local got
	got=$(ctl_json a "$1" report list v) || die "report list"
	[ "$got" = "$2" ] || die "report list: $1 is $got, not $2: $(ctl a report list v)"
}
kept() { ctl a --json report show v "$@" >"$T/kept" || die "report show v $*"; }
diff_is() { # FILTER WANTED ARGUMENT...
	local got
	got=$(ctl_json a "$1" report diff "${@:3}")
	[ "$got" = "$2" ] || die "report diff ${*:3}: $1 is $got, not $2: $(ctl a --json report diff "${@:3}")"
}

# None yet.
ctl a report list >out && says '^No report is kept\.$'
ctl a report show v 2>err && die "a report of nothing"
says 'no report of v is kept'
ctl a report diff v 2>err && die "a comparison of nothing"
says '^ra-ctl: error: 0 of the two reports of v'

# What is kept is what was printed, of each verdict.
compare 0 --json v
valid out
kept
cmp -s <(jq -S . out) <(jq -S . kept) || die "what is kept is not what was printed"
[ ! -s err ] || die "said something"
change v.b 1000
change v.b 200000
change v.b 200001
compare 1 --json v
valid out
kept
cmp -s <(jq -S . out) <(jq -S . kept) || die "what is kept is not what was printed"
compare 3 --json --tracks 5-9 v
valid out
compare 2 --json nobody
valid out
json .result error
reports '.devices[0].reports | [.[].number, .[].result] | join(" ")' '1 2 3 identical different not-proven'
reports '.devices[0].reports[1].tracks.different' 2
ctl a report list >out
says '^v +1 .*identical +0 +0'
says '^v +2 .*different +2 +0'
says '^v +3 .*not-proven +0 +26'
valid "$T"/a.state/v/reports/*.json

# The last three are kept; a number is not used twice.
printf '\0' | dd of=v.b bs=1 seek=1000 conv=notrunc status=none
dd if=v.a of=v.b bs=1 skip=1000 seek=1000 count=1 conv=notrunc status=none
change v.b 1900000
compare 1 -q v
reports '.devices[0].reports | [.[].number] | join(" ")' '2 3 4'
[ "$(find "$T/a.state/v/reports" -type f | wc -l)" = 3 ] || die "there are other files: $(ls "$T/a.state/v/reports")"
ctl a report show v 1 2>err && die "report 1 is gone"
says 'no report 1 of v is kept'
kept
cmp -s <(jq -S . kept) <(ctl a --json report show v 4 | jq -S .) || die "the newest is not the last one"
[ "$(jq '.ranges | length' kept)" = 2 ] || die "--quiet keeps less"
ctl a report show v 2 >out
says '^v: report 2: DIFFERENT'
says 'different +200000 +2 '
says '^  31 tracks: 29 identical, 2 different$'

# What became of the differences: 0 healed, 3 is the same, 28 is new; to a part of the device nothing is.
diff_is '[.old.number, .new.number, .new_ranges, .healed_ranges, .same_ranges, .open_tracks] | tostring' \
	'[2,4,[[28,1]],[[0,1]],[[3,1]],0]' v 2
diff_is '[.new_ranges, .found_ranges, .healed_ranges] | tostring' '[[],[[3,1],[28,1]],[]]' v
compare 3 -q --tracks 0-2 v
diff_is '[.open_ranges, .healed_tracks] | tostring' '[[[3,1],[28,1]],0]' v
ctl a report diff v 3 4 >out
says '^old: report 3, ended 20[0-9TZ:-]+, not-proven$'
says '^different, not known before: 2 tracks$'
ctl a report diff v 4 4 >out
says '^different in both: 2 tracks$'

# Each device has its own.
compare 0 w
ctl_json a '.devices | [.[] | .device, .reports[-1].number] | join(" ")' report list >got
[ "$(cat got)" = 'v 5 w 1' ] || die "of two devices: $(cat got)"

# A store that fails is a warning.
chmod 500 "$T/a.state/w/reports"
if ! touch "$T/a.state/w/reports/x" 2>/dev/null; then
	compare 0 w
	says '^ra-compare: warning: this report is not kept .*cannot write '
	says '^IDENTICAL'
fi
chmod 700 "$T/a.state/w/reports"
rm -rf "$T/a.state/w/reports"
touch "$T/a.state/w/reports"
compare 0 --json w
grep -q '^ra-compare: warning: this report is not kept .*reports' err || die "no warning: $(cat err)"
json .result identical
rm "$T/a.state/w/reports"

# What is no report, or is damaged, is told.
echo '{"format": "ra-compare/1"}' >"$T/a.state/v/reports/0000000004.json"
reports '.devices[0].reports[1] | [.number, has("error")] | tostring' '[4,true]'
ctl a report list v >out
says 'unreadable .*0000000004.json is damaged: its result is missing'
ctl a report show v 4 2>err && die "a damaged report is shown"
says 'is damaged'

# A run that is interrupted is kept as well.
"$RA" --socket "$T/a.sock" -q --limit 100K v 2>err &
run=$!
runs() { [ "$(ctl_json a '.runs[0].phase' status)" = comparing ]; }
until_true runs
kill -INT $run
wait $run
kept
[ "$(jq -r .result kept)" = not-proven ] || die "an interrupted run: $(head -c 500 kept)"

# The level: asked for, changed by both daemons at once, and told by whom.
for name in a b; do
	[ "$(ctl $name log-level)" = info ] || die "the level of $name"
	grep -q ': debug: ' "$T/$name.log" && die "$name logs too much"
	[ "$(ctl $name log-level debug)" = debug ] || die "the level of $name was not changed"
	grep -q "info: uid $(id -u) sets the log level to debug" "$T/$name.log" || die "$name does not tell"
done
compare 1 -q v
for name in a b; do
	grep -q ': debug: .*device v' "$T/$name.log" || die "$name does not log more"
	ctl $name log-level error >/dev/null
	: >"$T/$name.log"
done
compare 1 -q v
grep ': \(info\|debug\): ' "$T/a.log" "$T/b.log" && die "the level error logs less"
ctl a log-level loud 2>err && die "a level that is none"
says "'loud' is no log level: expected error, warning, info or debug"
exit 0
