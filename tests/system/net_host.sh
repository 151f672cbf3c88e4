#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Networks and their host: what a start finds there, asks for, and leaves when it fails.
# shellcheck source=tests/net_lib.sh
. "$(dirname "$0")/../net_lib.sh"
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

run_rm() { run_stor run --rm "$@"; }

# --- what others have there -------------------------------------------------------------------

# A free network is one of which the host has no route.
test_networks_of_others_are_left_alone() {
	stand_in
	ip -n outside address add 10.204.0.9/24 dev eth0
	ip route add 10.204.0.0/24 via 192.0.2.2
	begin one --net bridge
	[[ $(address_of one) == 10.204.1.* ]] || fail "a network that the host knows: $(address_of one)"
	finish one
	clean_soon
	# Of the pairs' networks all but one quarter of them is somebody's.
	for net in 10.203.0.0/17 10.203.128.0/18; do ip route add $net via 192.0.2.2; done
	for _ in 1 2 3 4 5 6; do
		expect 0 run_rm --net veth ip -4 -o address show eth0
		out_has 'inet 10\.203\.(19[2-9]|2[0-9]{2})\.'
	done
	ip route add 10.203.192.0/18 via 192.0.2.2
	expect 125 run_rm --net veth true
	err_has 'no address of 10.203.0.0/16 is free'
	err_has '^  hint: choose one: --net veth,host=ADDRESS/LENGTH,guest=ADDRESS/LENGTH'
	# So for bridges.
	ip route add 10.204.0.0/16 via 192.0.2.2
	expect 125 run_rm --net bridge true
	err_has 'no network of 10.204.0.0/16 is unused'
	err_has '^  hint: choose one: --net bridge=stor0,gateway=ADDRESS/LENGTH'
	clean_soon
}

# A firewall that forwards only what it knows, as Docker's.
test_firewall_of_docker() {
	stand_in
	nft -f - <<-'RULES'
		table ip filter {
			chain FORWARD { type filter hook forward priority filter; policy drop; jump DOCKER-USER; }
			chain DOCKER-USER { counter return; }
		}
	RULES
	nft list ruleset >before
	serving outside "$ECHO" serve tcp 192.0.2.2 80
	begin one --net bridge
	grep -q 'warning: network: chain FORWARD of table ip filter drops' one.err || fail "$(cat one.err)"
	grep -q 'firewall=docker-user' one.err
	grep -q 'iptables -I DOCKER-USER -i stor0 -j ACCEPT' one.err
	! inside one "$ECHO" ask tcp 192.0.2.2 80 2>/dev/null || fail 'it passes already'
	# A later one can ask for it.
	begin two --net bridge,firewall=docker-user
	same "$(inside one "$ECHO" ask tcp 192.0.2.2 80)" 192.0.2.1
	same "$(cat two.err)" ''
	stop_serving
	finish one
	nft list chain ip filter DOCKER-USER >"$OUT"
	out_has 'iifname "stor0" .*accept'
	finish two
	clean_soon
	nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*/packets 0 bytes 0/' >after
	diff before after
	nft flush ruleset
	expect 125 run_rm --net bridge,firewall=docker-user true
	err_has 'no chain DOCKER-USER'
	clean_soon
}

# warned_of TABLE CHAIN RULES: a start names the chain, and the rule that helps, which does.
warned_of() {
	nft -f - <<<"$3"
	begin one --net bridge
	grep -q "warning: network: chain $2 of table $1 drops forwarded packets" one.err || fail "$3: $(cat one.err)"
	! inside one "$ECHO" ask tcp 192.0.2.2 80 2>/dev/null || fail "$3: it passes already"
	for way in iifname oifname; do
		grep -q "nft insert rule $1 $2 iifname stor0 accept" one.err
		nft insert rule $1 $2 $way stor0 accept
	done
	same "$(inside one "$ECHO" ask tcp 192.0.2.2 80)" 192.0.2.1
	finish one
	clean_soon
	nft delete table $1
}

test_firewalls_of_others() {
	stand_in
	serving outside "$ECHO" serve tcp 192.0.2.2 80
	warned_of 'ip mine' pass 'table ip mine { chain pass { type filter hook forward priority filter; policy drop; }; }'
	# As that of firewalld.
	warned_of 'inet firewalld' filter_FORWARD 'table inet firewalld { chain filter_FORWARD {
		type filter hook forward priority filter + 10; policy accept
		iifname "lo" accept
		ct state invalid drop
		reject with icmpx admin-prohibited; }; }'
	warned_of 'inet mine' pass 'table inet mine { chain pass { type filter hook forward priority filter; counter drop; }; }'
	# What drops nothing, or only some packets, or is no forwarding, is not worth a word.
	nft -f - <<<'table inet mine { chain pass { type filter hook forward priority filter; policy accept; tcp dport 9 drop; }
		chain in { type filter hook input priority filter; policy accept; counter drop; }
		chain other { drop; }; }'
	begin one --net bridge
	same "$(cat one.err)" ''
	finish one
	stop_serving
	clean_soon
}

# --- what it has to have -----------------------------------------------------------------------

test_forwarding() {
	stand_in
	echo 0 >/proc/sys/net/ipv4/ip_forward
	echo 0 >/proc/sys/net/ipv6/conf/all/forwarding
	echo 1 >/proc/sys/net/ipv6/conf/up0/accept_ra
	expect 125 run_rm --net bridge true
	err_has '^stor: the host does not forward packets: net.ipv4.ip_forward is off$'
	err_has '^  hint: sysctl -w net.ipv4.ip_forward=1, or --net bridge,forward=enable'
	clean_soon
	expect 125 run_rm --net veth -p 8080:80 true
	err_has 'net.ipv4.ip_forward is off'
	clean_soon
	# No way out with IPv6, no route there.
	expect 0 run_rm --net bridge,nat=no ip -6 route show default
	same "$(cat "$OUT")" ''
	expect 0 run_rm --net bridge,forward=enable sh -c 'ping -c1 -W2 192.0.2.2 && ping -6 -c1 -W2 2001:db8::2'
	same "$(cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/ipv6/conf/up0/accept_ra | paste -sd' ')" '1 1 2'
}

test_ports_in_use() {
	stand_in
	serving "$ECHO" serve tcp 192.0.2.1 8080
	expect 125 run_rm --net bridge -p 8080:80 true
	err_has '^stor: publish port 8080/tcp of the host: Address already in use$'
	err_has '^  hint: .*choose another port'
	stop_serving
	begin one --net bridge -p 8080:80 -p 127.0.0.1:53:53/udp
	expect 125 run_rm --net bridge -p 192.0.2.1:8080:80 true
	err_has '^stor: publish port 8080/tcp of 192.0.2.1 of the host: Address already in use$'
	expect 0 run_rm --net bridge -p 8080:80/udp true
	expect 125 run_rm --net bridge -p 9.9.9.9:8080:80 true
	err_has 'Cannot assign requested address'
	err_has '^  hint: the host has no such address'
	finish one
	clean_soon
}

# Neither a bridge, nor an address, nor a volume that nobody could remove yet.
test_a_failed_start_leaves_nothing() {
	local i
	stand_in
	# The kernel needs some time for a bridge, which a start does not wait for.
	WAIT_SECONDS=1
	expect 125 run_rm --net bridge --ip 10.1.2.3 true
	clean_soon
	for ((i = 0; i < 20; i++)); do
		expect 125 run_rm --net bridge -p 9.9.9.9:8080:80 true
		same "$(grep -c warning "$ERR" || true)" 0
		same "$(ls "$STOR_STORE/containers" "$STOR_STATE/live" | grep -v :)" ''
	done
	clean_soon
}

# IPv6 has no interface with less than 1280; a bridge takes on the least MTU of its ports.
test_small_mtu() {
	stand_in
	expect 0 run_rm --net veth,mtu=1000 sh -c 'ip -o link show eth0; ip -6 -o address show eth0; ping -c1 -W2 $(ip route | sed -n "s/default via \([^ ]*\) .*/\1/p")'
	out_has 'mtu 1000 '
	out_lacks inet6
	expect 125 run_rm --net veth,mtu=1000,host=fd00::1/64,guest=fd00::2/64 true
	err_has '^stor: --net: IPv6 needs an MTU of at least 1280, not 1000$'
	begin one --net bridge
	expect 125 run_rm --net bridge,mtu=1279 true
	err_has '^stor: --net bridge=stor0,mtu=1279: the bridge has IPv6, which needs an MTU of at least 1280$'
	err_has '^  hint: .*gateway='
	expect 0 run_rm --net bridge,mtu=1280 true
	inside one ping -qc1 -W2 fd73:746f:7200::1 >/dev/null
	expect 0 run_rm --net bridge=br-small,mtu=1000,gateway=10.9.9.1/24 ping -c1 -W2 192.0.2.2
	finish one
	clean_soon
}

test_missing_library() {
	local dir
	stand_in
	dir=$(dirname "$(ldconfig -p | sed -n 's/.* => \(.*libnl-route-3.so.200\)$/\1/p' | head -n1)")
	mkdir upper work
	mount -t tmpfs tmpfs upper
	mkdir upper/u upper/w
	mount -t overlay -o "lowerdir=$dir,upperdir=upper/u,workdir=upper/w" overlay "$dir"
	rm "$dir/libnl-route-3.so.200"
	expect 125 run_rm --net veth true
	err_has 'needs the library libnl-route-3.so.200, which is missing'
	err_has '^  hint: install the package that has libnl-route-3.so.200'
	expect 0 run_rm --net none true
	no_host_things
}

# Modules of networks and of cgroups are of the very version of the program.
test_modules_of_another_version() {
	local version module others
	stand_in
	version=$(run_stor --version | sed -n 's/^stor \([0-9.]*\)$/\1/p')
	others=$(tr 0-9 1-90 <<<"$version")
	cp -a "$B/modules" modules
	export STOR_MODULES=$T/modules
	expect 0 run_rm --net bridge --memory 64M true
	for module in net/veth net/nft cgroup/v1 cgroup/v2; do
		sed "s/${version//./\\.}/$others/g" "$B/modules/$module.so" >modules/$module.so
	done
	expect 125 run_rm --net veth true
	err_has "^stor: load $T/modules/net/veth.so: it belongs to stor $others, this is $version$"
	err_has '^  hint: install the program and its modules together'
	cp "$B/modules/net/veth.so" modules/net/
	expect 125 run_rm --net bridge true
	err_has 'modules/net/nft.so: it belongs to'
	expect 125 run_rm --memory 64M true
	err_has 'modules/cgroup/v[12].so: it belongs to'
	# Who asks for none of them loads none.
	expect 0 run_rm --cgroups disabled true
	clean_soon
}

# --- what it asks of the kernel ----------------------------------------------------------------

# Who asks for no network loads nothing, and looks at nothing, of it.
test_no_network_costs_nothing() {
	stand_in
	# The leak detector cannot be traced.
	export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
	expect 0 run_rm true
	expect 0 strace -f -o trace "$STOR" run --rm true
	! grep -E 'libnl|libnft|modules/net|"net/|stat.*ns/net' trace || fail 'it looked at networks'
	expect 0 strace -f -o trace "$STOR" run --rm --net veth true
	! grep -E 'libnft' trace || fail 'it loaded rules'
	expect 0 run_rm --net bridge true
	clean_soon
}

# What unmounts an overlay syncs the whole filesystem below it; for one that is thrown away the kernel does
# that when stor has ended. The files of a network are mounted in it, too.
test_a_network_lets_no_end_wait_for_a_sync() {
	local opens=0 options
	stand_in
	expect 0 run_rm true
	export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
	mkdir folder
	: >file
	# Only where nobody unmounts what the store lies on.
	[ "$(stat -c %d "$STOR_STORE")" != "$(stat -c %d /)" ] || opens=1
	for options in '' '--net veth' '--net bridge' "-v $PWD/file:/file"; do
		# shellcheck disable=SC2086 # words
		expect 0 strace -f -o trace -e trace=openat "$STOR" run --rm $options true
		same "$options $(grep -c '/proc/self/ns/mnt' trace || true)" "$options $opens"
	done
	# There may be a disk of the user's.
	expect 0 strace -f -o trace -e trace=openat "$STOR" run --rm -v "$PWD/folder:/folder" true
	same "$(grep -c '/proc/self/ns/mnt' trace || true)" 0
	clean_soon
}

# One request makes both ends and puts the guest's where it belongs; none removes a link, which would take
# tens of milliseconds: a pair goes with its namespace, a bridge by a process for which nobody waits.
test_links_come_by_one_request_and_go_by_none() {
	local first
	stand_in
	export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
	expect 0 strace -ff -e trace=network -e verbose=all -s 512 -o veth "$STOR" run --rm --net veth true
	cat veth.* >all
	# Within its data, which strace does not decode, is the name of the guest's end, and the namespace.
	same "$(grep -c 'sendmsg.*type=RTM_NEWLINK' all)" 1
	grep 'sendmsg.*type=RTM_NEWLINK' all | grep -qF '\x65\x74\x68\x30\x00\x00\x00\x00\x08\x00\x1c\x00' || fail "$(grep RTM_NEWLINK all)"
	! grep -E 'RTM_(DEL|SET)LINK' all || fail 'a link is removed, or changed'
	expect 0 strace -ff -e trace=network -e verbose=all -s 512 -o bridge "$STOR" run --rm --net bridge true
	first=$(ls bridge.* | sort -t. -k2n | head -n 1)
	same "$(grep -c 'sendmsg.*type=RTM_NEWLINK.*IFLA_MASTER' "$first")" 1
	! grep RTM_DELLINK "$first" || fail 'a link is removed by who runs the container'
	grep -l RTM_DELLINK bridge.* >removers
	same "$(wc -l <removers)" 1
	clean_soon
}

test_no_network_and_the_hosts() {
	stand_in
	expect 0 run_rm --net none ip -o link
	same "$(cut -d' ' -f2 "$OUT")" lo:
	expect 0 run_rm --net none ping -c1 -W2 127.0.0.1
	expect 1 run_rm --net none ping -c1 -W2 192.0.2.1
	expect 0 run_rm --net host sh -c 'readlink /proc/self/ns/net; ping -c1 -W2 192.0.2.2'
	same "$(head -n 1 "$OUT")" "$(readlink /proc/self/ns/net)"
}

run_tests "$@"
