#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Networks on the older kernel, whose modules for pairs, bridges and rules are loaded when the first
# of them is made. The whole of what they do is tested in tests/system/net.sh.
# shellcheck disable=SC2016 # scripts for the shell inside
if [ "${1:-}" = --one ] && [ -z "${STAND_IN:-}" ]; then
	STAND_IN=yes exec unshare -m -n bash "$0" "$@"
fi
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../../lib.sh"

run_rm() { run_stor run --rm "$@"; }
wait_for() {
	local i
	for ((i = 0; i < 300; i++)); do
		if "$@" >/dev/null 2>&1; then return 0; fi
		sleep 0.1
	done
	fail "waited in vain for: $*"
}
end_all() {
	local pid
	for pid in $(jobs -p); do kill -KILL "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	wait_for run_stor gc
}
# The stand-in for a host, and the world outside, which knows no way to any container.
stand_in() {
	mount -t tmpfs tmpfs /run
	mkdir /run/netns
	ip link set lo up
	ip netns add outside
	ip link add up0 type veth peer name eth0 netns outside
	ip address add 192.0.2.1/24 dev up0
	ip -n outside address add 192.0.2.2/24 dev eth0
	ip link set up0 up
	ip -n outside link set eth0 up
	echo 1 >/proc/sys/net/ipv4/ip_forward
}
answers() { busybox wget -q -O - "http://$1/" | grep -q "^$2$"; }
nothing_left() { [ -z "$(ip -o link show | grep -E ' (st[0-9a-f]{12}|stor)')$(nft list tables)" ]; }

# fails_for_lack_of MODULE ERROR OPTION…: the error names what is missing, and the remedy, which helps.
fails_for_lack_of() {
	local module=$1 error=$2
	shift 2
	expect 125 run_rm "$@" true
	err_has "^stor: $error"
	err_has "^  hint: .*modprobe (-a )?$module"
	for module in $(sed -n 's/^  hint: .*modprobe \(-a \)\?//p' "$ERR"); do modprobe "$module"; done
	wait_for nothing_left
}

# Of a kernel that has none of the modules, and loads none: each step names the next one.
test_a_kernel_that_lacks_features() {
	local modprobe
	modprobe=$(cat /proc/sys/kernel/modprobe)
	rmmod nft_chain_nat nft_masq nft_nat nft_ct nft_fib_inet bridge sch_tbf veth 2>/dev/null || true
	echo /bin/false >/proc/sys/kernel/modprobe
	echo 1 >/proc/sys/net/ipv4/ip_forward
	fails_for_lack_of veth 'make the interfaces st[0-9a-f]*0 and eth0: ' --net veth
	fails_for_lack_of sch_tbf 'limit the rate of st[0-9a-f]*0: ' --net veth,rate=80mbit
	expect 0 run_rm --net veth,rate=80mbit true
	fails_for_lack_of bridge 'make the bridge stor0: ' --net bridge
	fails_for_lack_of nft_chain_nat 'packet filter: ' --net bridge
	expect 0 run_rm --net bridge -p 8080:80 true
	echo "$modprobe" >/proc/sys/kernel/modprobe
	wait_for nothing_left
}

test_pair() {
	stand_in
	expect 0 run_rm --net veth,host=10.1.1.1/24,guest=10.1.1.2/24 sh -c \
		'ping -c1 -W5 10.1.1.1 && ip -o address show dev eth0 && ip route'
	out_has 'inet 10.1.1.2/24 '
	out_has '^default via 10.1.1.1 '
	wait_for nothing_left
}

test_bridge_with_names_and_published_ports() {
	stand_in
	"$STOR" run --rm --name web --net bridge -p 8080:80 sh -c 'mkdir /www; echo its page >/www/index.html; exec httpd -f -h /www' &
	# From the host, by its loopback, and from outside.
	wait_for answers 127.0.0.1:8080 'its page'
	expect 0 ip netns exec outside busybox wget -q -O - http://192.0.2.1:8080/
	out_has '^its page$'
	# From another container, by name; and the world, which sees the host's address.
	expect 0 run_rm --net bridge --memory 64M sh -c 'wget -q -O - http://web/ && ping -c1 -W5 192.0.2.2'
	out_has '^its page$'
	out_has ' 0% packet loss'
	same "$(nft list tables)" 'table inet stor'
	end_all
	wait_for nothing_left
}

test_rate() {
	stand_in
	"$STOR" run --rm --net veth,rate=80mbit sleep 1000 &
	has_rate() { ip -o link show | grep -q ' st[0-9a-f]*0@.* qdisc tbf '; }
	wait_for has_rate
	end_all
	wait_for nothing_left
}

run_tests "$@"
