# SPDX-License-Identifier: Apache-2.0
#
# For scripts/bench: what the figures of all runs come to, and where that is written. $scratch/KEY.runs has a line of
# build/bench/measure for each run.

# Of ra-secondaryd, by default: configured, and of a private pair.
cache_mib=64
private_cache_mib=32

# column KEY N: 1 wall_s, 2 cpu_s, 3 wire_bytes, 4 peak_kib
column() { cut -d' ' -f"$2" "$scratch/$1.runs"; }
sorted() { LC_ALL=C sort -g; }
median() { sorted | awk '{ v[NR] = $1 } END { printf "%.6f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
median_of() { column "$1" "$2" | median; }
# calc FORMAT EXPRESSION
calc() { awk "BEGIN { printf \"$1\", $2 }"; }
seconds() { awk -v s="$1" 'BEGIN { printf s < 1 ? "%.3f" : "%.2f", s }'; }

# anon_mib NAME KEY...: the largest RssAnon of a process of that name in any run of these
anon_mib()
{
	local key

	for key in "${@:2}"; do grep -oE " $1=[0-9]+" "$scratch/$key.runs"; done |
		awk -F= '$2 > most { most = $2 } END { printf "%.1f", most / 1024 }'
}

# times KEY KEY: how many times as fast the second one is
times()
{
	if has "$1" && has "$2"; then calc '%.2f' "$(median_of "$1" 1) / $(median_of "$2" 1)"; fi
}

wire_words()
{
	case $RA_BENCH_NETWORK:$1 in
	*:ra_* | own:bound_tls | own:qemu_nbd* | own:nbdcopy | own:rsync) words_of "$(calc %.0f "$(median_of "$1" 3)")" ;;
	*) echo - ;;
	esac
}

row() { printf '| %-40s | %6s | %13s | %7s | %6s | %7s | %8s | %13s | %13s |\n' "$@"; }
print_program()
{
	local key=$1 wall_s anon=- ratio=-

	wall_s=$(median_of "$key" 1)
	[ "${key#ra_}" = "$key" ] || anon="$(anon_mib ra-primaryd "$key") / $(anon_mib ra-secondaryd "$key")"
	if has "ra_${beside[$key]}"; then ratio="$(times "$key" "ra_${beside[$key]}") × ${beside[$key]}"; fi
	row "${title[$key]}" "$(seconds "$wall_s")" \
		"$(seconds "$(column "$key" 1 | sorted | head -n 1)") - $(seconds "$(column "$key" 1 | sorted | tail -n 1)")" \
		"$(calc %.2f "${bytes[$key]} / 2 ^ 30 / $wall_s")" "$(seconds "$(median_of "$key" 2)")" "$(wire_words "$key")" \
		"$(calc %.0f "$(column "$key" 4 | sorted | tail -n 1) / 1024")" "$anon" "$ratio"
}
print_programs()
{
	local key

	row program "wall s" "min - max" "GiB/s" "CPU s" wire "peak MiB" "RssAnon MiB" "RA is"
	echo '|---|--:|--:|--:|--:|--:|--:|--:|--:|'
	for key in "${programs[@]}"; do print_program "$key"; done
}

# ratio TEXT UNIT LEAST|MOST MUST AIM FOUND: FOUND is empty when a program was not there
ratio()
{
	local text=$1 unit=$2 bound=$3 must=$4 aim=$5 found=$6 sign='≥' reached=-

	[ "$bound" = least ] || sign='≤'
	[ -z "$found" ] || reached=$(awk -v found="$found" -v must="$must" -v aim="$aim" -v bound="$bound" '
		function holds(limit) { return bound == "least" ? found >= limit : found <= limit }
		BEGIN { print holds(aim) ? "aim" : holds(must) ? "must" : "no" }')
	printf '| %-66s | %s %s | %s %s | %s | %s |\n' "$text" "$sign" "$must$unit" "$sign" "$aim$unit" \
		"${found:--}${found:+$unit}" "$reached"
}

print_ratios()
{
	local of_ra=() wire='' small='' primary='' secondary='' key cache

	for key in "${programs[@]}"; do
		[ "${key#ra_}" = "$key" ] || of_ra+=("$key")
	done
	if has ra_tcp_digest; then wire=$(calc %.4f "100 * $(median_of ra_tcp_digest 3) / $size"); fi
	if has ra_small; then small=$(calc %.0f "1000 * $(median_of ra_small 1)"); fi
	if [ ${#of_ra[@]} -gt 0 ]; then
		primary=$(anon_mib ra-primaryd "${of_ra[@]}")
		secondary=$(for key in "${of_ra[@]}"; do
			[ "${key#ra_tcp_}" = "$key" ] && cache=$private_cache_mib || cache=$cache_mib
			calc '%.1f\n' "$(anon_mib ra-secondaryd "$key") - $cache"
		done | sorted | tail -n 1)
	fi
	echo '| ratio of medians | must | aim | found | reached |'
	echo '|---|---|---|---|---|'
	ratio "digest compare, times as fast as \`cmp\`" ' ×' least 2 2.6 "$(times cmp ra_digest)"
	ratio "digest compare, times as fast as a local \`qemu-img compare\`" ' ×' least 0.8 1.1 "$(times qemu_local ra_digest)"
	ratio "digest compare, times as fast as two bare processes" ' ×' least 0.8 0.95 "$(times bound_digest ra_digest)"
	ratio "digest compare, bytes on the wire of those of the volume" ' %' most 0.1 0.03 "$wire"
	ratio "data compare, times as fast as \`qemu-img compare\`, nbdkit over TLS" ' ×' least 1.5 2 "$(times qemu_nbdkit ra_data)"
	ratio "data compare, times as fast as the bare TLS pair" ' ×' least 0.85 1 "$(times bound_tls ra_data)"
	ratio "$(words_of "$sparse_bytes") sparse with $islands MiB of data, times as long as the data alone" ' ×' most 2 1.2 \
		"$(times ra_sparse ra_dense)"
	ratio "RssAnon of ra-primaryd, any run, which has no cache" ' MiB' most 32 16 "$primary"
	ratio "RssAnon of ra-secondaryd, any run, beyond its cache" ' MiB' most 32 16 "$secondary"
	ratio "two volumes of 1 MiB, start to verdict" ' ms' most 150 60 "$small"
	ratio "\`sha256\` digest compare, times as fast as two \`sha256sum\`" ' ×' least 0.9 1 "$(times sha256sum ra_sha256)"
}

joined() { printf '%s' "$1"; shift; [ $# = 0 ] || printf '; %s' "$@"; }
print_machine()
{
	local memory commit model versions

	memory=$(awk '/^MemTotal:/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)
	commit=$(git describe --always --dirty --exclude '*' 2>/dev/null)
	model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
	printf '%s; %s cores of %s, %s of memory, Linux %s; %s%s.\n' "$(date -u +%F)" "$(nproc)" "${model:-$(uname -m)}" \
		"$(words_of "$memory")" "$(uname -r)" "$("$build/ra-compare" --version | head -n 1)" "${commit:+ at $commit}"
	mapfile -t versions < <(print_versions)
	printf '%s.\n' "$(joined "${versions[@]}")"
}
print_versions()
{
	openssl version | cut -d' ' -f1,2
	! has cmp || cmp --version | head -n 1
	! has 'qemu_local|qemu_nbd|qemu_nbdkit' || qemu-img --version | head -n 1 | sed 's/ (.*//'
	! has 'qemu_nbdkit|nbdcopy' || nbdkit --version
	! has nbdcopy || nbdcopy --version | head -n 1
	! has rsync || rsync --version | head -n 1 | sed 's/  */ /g; s/ protocol.*//'
	! has rsync || stunnel4 -version 2>&1 | sed -n 's/^\(stunnel [0-9.]*\).*/\1/p'
	! has xxhsum || xxhsum --version 2>&1 | head -n 1 | cut -d' ' -f1,2
	! has sha256sum || sha256sum --version | head -n 1
}

print_results()
{
	printf '# RA and its peers\n\n'
	print_machine
	printf '\nTwo equal volumes of %s, incompressible, in the page cache; medians of %s rounds, one after the other.\n\n' \
		"$(words_of "$size")" "$rounds"
	print_programs
	cat <<END

RA is: so many times as fast as that program is a comparison of RA by digest, by sha256 or by data (a private pair).
CPU s: of all processes of either end. wire: both ways; of private pairs as RA counts it, else with all headers of
the loopback interface. peak MiB: the largest resident sizes of all processes, summed up, with the memory that they
share. RssAnon MiB: the largest, of ra-primaryd and of ra-secondaryd. \`nbdcopy\` only reads, \`rsync\` tells only that
volumes differ.

END
	[ ${#absent[@]} = 0 ] || printf 'Not here: %s.\n\n' "$(joined "${absent[@]}")"
	print_ratios
}

# Replaces what stands between the two marks of README.md.
write_readme()
{
	local new=$scratch/README.md

	{
		sed '/^<!-- bench: begin -->$/q' README.md
		echo
		print_machine
		printf '\nTwo equal volumes of %s, incompressible, in the page cache; TLS; medians of %s rounds.\n\n' \
			"$(words_of "$size")" "$rounds"
		print_ratios
		echo
		sed -n '/^<!-- bench: end -->$/,$p' README.md
	} >"$new" && cat "$new" >README.md
}

write_results()
{
	local file=${RESULTS-}

	if [ -z "$file" ]; then
		file=$build/bench/RESULTS.md
		if [ "$size" -ge "$standard_bytes" ] && [ "$only" = . ]; then
			file=tests/bench/RESULTS.md
			write_readme || die "cannot write README.md"
		fi
	fi
	print_results >"$scratch/results" || die "no results"
	cat "$scratch/results" >"$file" || die "cannot write $file"
	cat "$scratch/results"
	say "written to $file"
}
