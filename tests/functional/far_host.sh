# SPDX-License-Identifier: Apache-2.0
#
# For functional tests and tests/bench/distance: source it before all else. The script goes on in a network namespace of
# its own, or ends (77) where there are none. far_hosts DEVICE... are two hosts as of hosts.sh, of which b is far away:
# $far COMMAND runs in its namespace, $rate_mbit each way, and a relay there lets each byte wait $delay_ms each way.
if [ -z "${RA_FAR_HOST-}" ]; then
	own=(unshare -n)
	[ "$(id -u)" = 0 ] || own=(unshare -rn)
	"${own[@]}" true 2>/dev/null || { echo "no network namespaces here"; exit 77; }
	"${own[@]}" tc qdisc add dev lo root tbf rate 1mbit burst 64k latency 1s 2>/dev/null ||
		{ echo "no tbf here: the kernel has no sch_tbf"; exit 77; }
	RA_FAR_HOST=1 exec "${own[@]}" "$0" "$@"
fi
rate_mbit=100
delay_ms=25
far=

far_hosts()
{
	unshare -n sleep infinity &
	daemon[far]=$!
	until_true is_elsewhere
	far="nsenter -t ${daemon[far]} -n"
	ip link add near0 type veth peer name far0 netns "${daemon[far]}"
	end_of_cable near0 192.0.2.1
	$far ip link set lo up
	end_of_cable far0 192.0.2.2 "$far"
	two_hosts "$@"
	via=$((port + 1))
	sed -i "s/^address = .*/address = 192.0.2.2:$via/" a.conf
	far_relay "$via" "$port"
	far_relay "$((via + 1))" 0 # zeros for plain_ms
	in_namespace[b]=$far
}
is_elsewhere() { [ "$(readlink "/proc/${daemon[far]}/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
# end_of_cable NAME ADDRESS [IN]
end_of_cable()
{
	ip link set lo up
	${3-} ip address add "$2/24" dev "$1" && ${3-} ip link set "$1" up &&
		${3-} tc qdisc add dev "$1" root tbf rate "${rate_mbit}mbit" burst 64k latency 100ms || die "no cable: $1"
}
# far_relay PORT TARGET
far_relay()
{
	$far "$BUILD/tests/relay" "$1" "$2" --listen 192.0.2.2 --delay "$delay_ms" >"relay.$1" &
	daemon[relay.$1]=$!
	until_true test -s "relay.$1"
}

# plain_ms BYTES: how long so many bytes take from there by TCP alone.
plain_ms()
{
	local begun_us=${EPOCHREALTIME/[.,]/}
	[ "$(head -c "$1" <"/dev/tcp/192.0.2.2/$((via + 1))" | wc -c)" = "$1" ] || die "no plain connection"
	echo $(((${EPOCHREALTIME/[.,]/} - begun_us) / 1000))
}
# far_bytes: what has left the far host so far, with all headers.
far_bytes() { $far ip -s -j link show far0 | jq '.[0].stats64.tx.bytes'; }
