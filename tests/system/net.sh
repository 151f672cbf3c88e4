#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Networks of containers, in a stand-in for a host: what reaches whom, by which address and name.
# shellcheck source=tests/net_lib.sh
. "$(dirname "$0")/../net_lib.sh"
[ -z "${STOR_LONG:-}" ] || TIME_LIMIT=1000
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

run_rm() { run_stor run --rm "$@"; }

test_pair() {
	stand_in
	begin one --net veth
	local host guest
	# Not even the addresses that the kernel gives have to wait until nobody objects.
	same "$(ip -6 -o address show tentative | grep -v up0)" ''
	guest=$(address_of one)
	host=$(inside one ip route show default | sed 's/default via \([0-9.]*\) .*/\1/')
	[ "${guest%.*.*}" = 10.203 ] || fail "address $guest"
	inside one ping -qc1 -W2 "$host" >/dev/null
	ping -qc1 -W2 "$guest" >/dev/null
	ping -qc1 -W2 "$(address6_of one)" >/dev/null
	same "$(ip -o link show | grep -c ' st[0-9a-f]\{12\}0@')" 1
	serving inside one "$ECHO" serve tcp "$guest" 80
	same "$("$ECHO" ask tcp "$guest" 80)" "$host"
	serving "$ECHO" serve udp "$host" 53
	same "$(inside one "$ECHO" ask udp "$host" 53)" "$guest"
	stop_serving
	# Its own name is its address; lo is up.
	expect 0 run_rm --net veth --hostname me sh -c 'ping -c1 -W2 me && ping -c1 -W2 localhost && hostname -i'
	out_has '^PING me \(10\.203\.'
	finish one
	clean_soon
}

test_pair_as_told() {
	stand_in
	begin one --net veth,host=10.1.1.1/24,guest=10.1.1.2/24,host=fd00:1::1/64,guest=fd00:1::2/64,mtu=1400,mac=02:00:00:00:00:07,name=wan0 \
		--net veth
	same "$(address_of one wan0) $(address6_of one wan0)" '10.1.1.2 fd00:1::2'
	inside one ip link show wan0 >"$OUT"
	out_has 'mtu 1400 '
	out_has 'link/ether 02:00:00:00:00:07 '
	ip -o link show | grep 'st[0-9a-f]*0@' >"$OUT"
	out_has 'mtu 1400 '
	inside one ping -qc1 -W2 10.1.1.1 >/dev/null
	inside one ping -qc1 -W2 fd00:1::1 >/dev/null
	# The second one is eth1, with a network of its own; the first has the default routes.
	[[ $(address_of one eth1) == 10.203.* ]] || fail "eth1: $(address_of one eth1)"
	same "$(inside one ip route show default | cut -d' ' -f3,5)" '10.1.1.1 wan0'
	same "$(inside one ip -6 route show default | cut -d' ' -f3,5)" 'fd00:1::1 wan0'
	same "$(run_stor inspect one | jq -c '.[0].network.addresses')" \
		"[\"wan0 10.1.1.2/24\",\"wan0 fd00:1::2/64\",\"eth1 $(address_of one eth1)/30\",\"eth1 $(address6_of one eth1)/126\"]"
	# Nobody else gets that network.
	expect 125 run_rm --net veth,host=10.1.1.1/24,guest=10.1.1.3/24 true
	err_has '^stor: the address 10.1.1.1 is in use by container [0-9a-f]{12}$'
	expect 125 run_rm --net veth,host=10.1.1.9/24,guest=10.1.1.3/24 true
	err_has 'the host has an interface in the network 10.1.1.9/24'
	err_has '^  hint: .*choose another network'
	finish one
	clean_soon
}

test_bridge() {
	local a b
	stand_in
	begin one --net bridge --hostname first.example
	same "$(ip -6 -o address show tentative dev stor0)" ''
	begin two --net bridge
	a=$(address_of one) b=$(address_of two)
	[ "$a" != "$b" ] || fail "both have $a"
	inside one ping -qc1 -W2 "$b" >/dev/null
	inside one ping -qc1 -W2 "$(address6_of two)" >/dev/null
	ping -qc1 -W2 "$a" >/dev/null
	serving inside one "$ECHO" serve tcp "$a" 80
	serving inside one "$ECHO" serve udp "$a" 53
	same "$(inside two "$ECHO" ask tcp "$a" 80) $(inside two "$ECHO" ask udp "$a" 53)" "$b $b"
	stop_serving
	# By name, id and host name, from one that came later.
	expect 0 run_rm --net bridge sh -c 'ping -c1 -W2 one && ping -c1 -W2 two && ping -c1 -W2 first.example'
	out_has "^PING one \\($a\\)"
	out_has "^PING two \\($b\\)"
	out_has "^PING first.example \\($a\\)"
	# And one that was there before knows who came, and who is gone.
	same "$(grep -c "^$b.* two" "/proc/$(pid_of one)/root/etc/hosts")" 1
	finish two
	same "$(grep -c two "/proc/$(pid_of one)/root/etc/hosts" || true)" 0
	# Another bridge is another network, with other names.
	begin three --net bridge=br-x
	[ "${a%.*}" != "$(address_of three | sed 's/\.[0-9]*$//')" ] || fail 'two bridges, one network'
	same "$(grep -c one "/proc/$(pid_of three)/root/etc/hosts" || true)" 0
	# One on both, with names of both, of its own, and of the user's.
	begin both --net bridge --net bridge=br-x --add-host db:10.9.9.9
	expect 0 cat "/proc/$(pid_of both)/root/etc/hosts"
	out_has "^10.9.9.9	db$"
	out_has " one "
	out_has " three$"
	inside both ping -qc1 -W2 "$(address_of three)" >/dev/null
	inside both ping -qc1 -W2 "$a" >/dev/null
	finish three
	same "$(grep -c three "/proc/$(pid_of both)/root/etc/hosts" || true)" 0
	finish one both
	clean_soon
}

test_addresses_as_told() {
	stand_in
	begin one --net bridge=br-a,gateway=10.7.0.1/16,gateway=fd07::1/64,ip=10.7.3.4,ip=fd07::3:4
	same "$(address_of one) $(address6_of one)" '10.7.3.4 fd07::3:4'
	ping -qc1 -W2 10.7.3.4 >/dev/null
	begin two --net bridge=br-a --ip 10.7.0.9 --ip fd07::9
	same "$(address_of two) $(address6_of two)" '10.7.0.9 fd07::9'
	expect 125 run_rm --net bridge=br-a --ip 10.7.0.9 true
	err_has '^stor: the address 10.7.0.9 is in use by container [0-9a-f]{12}$'
	expect 125 run_rm --net bridge=br-a --ip 10.7.0.1 true
	err_has "the address 10.7.0.1 is the bridge's own"
	expect 125 run_rm --net bridge=br-a --ip 10.8.0.1 true
	err_has "10.8.0.1 is not in the bridge br-a's network 10.7.0.1/16"
	expect 125 run_rm --net bridge=br-a,gateway=10.8.0.1/24 true
	err_has 'the bridge br-a has the address 10.7.0.1/16, not 10.8.0.1/24'
	finish two
	# At once again.
	begin three --net bridge=br-a --ip 10.7.0.9
	inside three ping -qc1 -W2 10.7.3.4 >/dev/null
	# Killed, and at once again.
	kill -KILL "${RUNNING[three]}"
	wait "${RUNNING[three]}" || true
	begin four --net bridge=br-a --ip 10.7.0.9
	inside four ping -qc1 -W2 10.7.3.4 >/dev/null
	finish one four
	clean_soon
}

test_foreign_bridge() {
	stand_in
	ip link add br-own type bridge
	ip address add 10.8.0.1/24 dev br-own
	ip link set br-own up
	expect 125 run_rm --net bridge=br-own true
	err_has 'stor did not make this bridge'
	err_has '^  hint: --net bridge=br-own,ip=ADDRESS'
	begin one --net bridge=br-own,ip=10.8.0.5
	ping -qc1 -W2 10.8.0.5 >/dev/null
	same "$(inside one ip route show default | cut -d' ' -f3)" 10.8.0.1
	same "$(nft list tables)" ''
	finish one
	expect 0 ip link show br-own
	expect 125 run_rm --net bridge=up0 true
	err_has 'the interface up0 is no bridge'
}

test_way_out() {
	local table
	stand_in
	nft add table inet other
	nft add chain inet other c '{ type filter hook input priority 0; policy accept; }'
	nft list ruleset >before
	begin one --net bridge
	# The answer goes to the host's address: outside has no route to containers.
	serving outside "$ECHO" serve tcp 192.0.2.2 80
	serving outside "$ECHO" serve udp 192.0.2.2 53
	serving outside "$ECHO" serve tcp 2001:db8::2 80
	same "$(inside one "$ECHO" ask tcp 192.0.2.2 80)" 192.0.2.1
	same "$(inside one "$ECHO" ask udp 192.0.2.2 53)" 192.0.2.1
	same "$(inside one "$ECHO" ask tcp 2001:db8::2 80)" 2001:db8::1
	inside one ping -qc1 -W2 192.0.2.2 >/dev/null
	table=$(nft list table inet stor)
	# A second container on it changes no rule; without address translation there is no way out.
	begin two --net bridge
	same "$(nft list table inet stor)" "$table"
	begin apart --net bridge=br-apart,nat=no
	! inside apart "$ECHO" ask tcp 192.0.2.2 80 2>/dev/null || fail 'nat=no has a way out'
	same "$(inside apart ip route show default)" ''
	stop_serving
	finish one two apart
	clean_soon
	nft list ruleset >after
	cmp before after
}

test_published_ports() {
	local a
	stand_in
	serving "$ECHO" serve tcp 127.0.0.1 22
	begin web --net bridge -p 8080:80 -p 5300:53/udp -p 192.0.2.1:8081:81 -p '[2001:db8::1]:8082:80'
	a=$(address_of web)
	serving inside web "$ECHO" serve tcp 0.0.0.0 80
	serving inside web "$ECHO" serve udp 0.0.0.0 53
	serving inside web "$ECHO" serve tcp 0.0.0.0 81
	serving inside web "$ECHO" serve tcp "$(address6_of web)" 80
	same "$(outside "$ECHO" ask tcp 192.0.2.1 8080)" 192.0.2.2
	same "$(outside "$ECHO" ask udp 192.0.2.1 5300)" 192.0.2.2
	same "$(outside "$ECHO" ask tcp 2001:db8::1 8080)" 2001:db8::2
	same "$(outside "$ECHO" ask tcp 2001:db8::1 8082)" 2001:db8::2
	# From the host, by its loopback and by its own address.
	same "$("$ECHO" ask tcp 127.0.0.1 8080)" 10.204.0.1
	same "$("$ECHO" ask udp 127.0.0.1 5300)" 10.204.0.1
	"$ECHO" ask tcp 192.0.2.1 8080 >/dev/null
	same "$("$ECHO" ask tcp 192.0.2.1 8081)" 192.0.2.1
	# Only at the address that was told.
	! "$ECHO" ask tcp 127.0.0.1 8081 2>/dev/null || fail 'published on 127.0.0.1, too'
	! outside "$ECHO" ask tcp 192.0.2.1 8082 2>/dev/null || fail 'published with IPv4, too'
	# From another container of the bridge, and from itself.
	begin two --net bridge
	same "$(inside two "$ECHO" ask tcp 192.0.2.1 8080)" 10.204.0.1
	same "$(inside web "$ECHO" ask tcp 192.0.2.1 8080)" 10.204.0.1
	# What the host has on its loopback stays its own.
	same "$("$ECHO" ask tcp 127.0.0.1 22)" 127.0.0.1
	inside two ip route add 127.0.0.1/32 via 10.204.0.1 2>/dev/null || true
	inside two ip address del 127.0.0.1/8 dev lo
	inside two ip route add 127.0.0.0/8 via 10.204.0.1
	echo 1 | inside two tee /proc/sys/net/ipv4/conf/eth0/route_localnet >/dev/null
	! inside two "$ECHO" ask tcp 127.0.0.1 22 2>/dev/null || fail "a container reached the host's loopback"
	stop_serving
	# The ports are free again.
	finish web two
	clean_soon
	begin again --net veth -p 8080:80
	serving inside again "$ECHO" serve tcp 0.0.0.0 80
	same "$(outside "$ECHO" ask tcp 192.0.2.1 8080)" 192.0.2.2
	[[ $("$ECHO" ask tcp 127.0.0.1 8080) == 10.203.* ]] || fail 'no answer on 127.0.0.1'
	stop_serving
	finish again
	clean_soon
}

test_resolver() {
	stand_in
	serving outside "$ECHO" dns 192.0.2.2 known.example 198.51.100.7
	expect 0 run_rm --net bridge --dns 192.0.2.2 nslookup known.example
	out_has 'Address.*: *198.51.100.7'
	expect 1 run_rm --net bridge --dns 192.0.2.2 --dns-search example ping -c1 -W1 -q known
	out_has '^PING known \(198.51.100.7\)'
	expect 0 run_rm --net bridge --dns 192.0.2.2 --dns 192.0.2.3 --dns-search example --dns-search x.org cat /etc/resolv.conf
	same "$(cat "$OUT")" 'nameserver 192.0.2.2
nameserver 192.0.2.3
search example x.org'
	stop_serving
}

# host_resolv TEXT: what the host has, for this test alone.
host_resolv() {
	umount /etc/resolv.conf 2>/dev/null || true
	printf '%s\n' "$@" >host-resolv
	mount --bind host-resolv /etc/resolv.conf
}

test_resolver_of_the_host() {
	stand_in
	host_resolv 'nameserver 192.0.2.2' 'search lan'
	expect 0 run_rm --net veth cat /etc/resolv.conf
	same "$(cat "$OUT")" "$(cat host-resolv)"
	# On the loopback: where that one asks.
	host_resolv 'nameserver 127.0.0.53' 'options edns0 trust-ad' 'search lan'
	mkdir -p /run/systemd/resolve
	printf 'nameserver 192.0.2.9\nnameserver fe80::1%%up0\nsearch up\n' >/run/systemd/resolve/resolv.conf
	expect 0 run_rm --net veth cat /etc/resolv.conf
	same "$(cat "$OUT")" 'nameserver 192.0.2.9
search up
options edns0 trust-ad'
	rm /run/systemd/resolve/resolv.conf
	expect 0 run_rm --net veth cat /etc/resolv.conf
	err_has "warning: names: the host's resolver 127.0.0.53 is on its loopback.*--dns"
	# One on the host's network has the host's.
	expect 0 run_rm --net host cat /etc/resolv.conf
	same "$(cat "$OUT")" "$(cat host-resolv)"
	umount /etc/resolv.conf
}

test_joining() {
	local a
	stand_in
	begin one --net bridge
	a=$(address_of one)
	expect 0 run_rm --net container:one sh -c 'ip -4 -o address show eth0; cat /etc/hosts'
	out_has "inet $a/"
	out_has "^$a.* one\$"
	# It outlives its owner, whose address nobody gets meanwhile.
	begin two --net container:one
	finish one
	same "$(address_of two)" "$a"
	expect 125 run_rm --net bridge --ip "$a" true
	err_has "the address $a is in use by container"
	expect 125 run_rm --net container:one true
	finish two
	expect 0 run_stor ps
	wait_for run_stor run --rm --net bridge --ip "$a" true
	expect 0 run_rm --net ns:/run/netns/outside ip -4 -o address show eth0
	out_has 'inet 192.0.2.2/24'
	expect 125 run_rm --net ns:/run/netns/none true
	err_has 'ns:/run/netns/none: No such file'
	expect 125 run_rm --net ns:/etc/passwd true
	err_has 'it is no network namespace'
	err_has '^  hint: ip netns add'
	expect 125 run_rm --net container:nobody true
	err_has 'no container nobody'
	clean_soon
}

test_parallel_starts() {
	local i pids=()
	stand_in
	for i in {1..20}; do
		run_stor run --rm --net bridge -v "$T/marks:/marks" sh -c "ip -4 -o address show eth0 >/marks/$i
			ip -6 -o address show eth0 scope global >>/marks/$i; while [ ! -e /marks/go ]; do sleep 0.1; done" 2>"err.$i" &
		pids+=($!)
	done
	all_up() { [ "$(cat marks/* | wc -l)" = 40 ]; }
	wait_for all_up
	same "$(grep -ho 'inet6\? [^ ]*' marks/* | sort | uniq -d)" ''
	same "$(ip -o link show master stor0 | wc -l)" 20
	touch marks/go
	for i in "${pids[@]}"; do wait "$i" || fail "a run ended with $?: $(cat err.*)"; done
	clean_soon
}

# Both directions, within a tenth.
test_rate() {
	local bits a where
	stand_in
	begin one --net bridge,rate=80mbit
	a=$(address_of one)
	for where in 'inside one' ''; do
		if [ -n "$where" ]; then
			$where "$ECHO" sink "$a" 5000 >rate &
		else
			"$ECHO" sink 10.204.0.1 5000 >rate &
		fi
		wait_for grep -q up rate
		if [ -n "$where" ]; then
			"$ECHO" flood "$a" 5000 20000000
		else
			inside one "$ECHO" flood 10.204.0.1 5000 20000000
		fi
		wait $!
		bits=$(sed -n 2p rate)
		echo "# ${where:-from one}: $bits bits a second"
		[ "$bits" -gt 70000000 ] && [ "$bits" -lt 88000000 ] || fail "rate $bits"
	done
	finish one
}

# Counts of everything are what they were: links, addresses, rules, cgroups, namespaces and records,
# after many runs with networks and limits. A thousand of them in make check-long.
test_many_runs_leave_nothing() {
	local i before kernel_before runs=40
	[ -z "${STOR_LONG:-}" ] || runs=1000
	stand_in
	things() {
		ip -o link show | wc -l
		ip -o address show | wc -l
		ip -4 route show table all | wc -l
		nft list ruleset | wc -l
		find /sys/fs/cgroup -type d -path '*/net-of-test-*' | wc -l
		find "$STOR_STATE" "$STOR_STORE" | wc -l
	}
	are_as_before() { [ "$(things)" = "$before" ]; }
	# A name that no other test takes for something left: it is there, and empty, for long.
	one_run() {
		expect 0 run_rm --net bridge --net veth -p 80:80 --memory 64M --pids-limit 50 --cpus 1 \
			--cgroup-parent "net-of-test-$$" true
	}
	# Namespaces that somebody holds are found as a left process; others by the kernel's memory alone,
	# of which the count is rough, and the whole machine's.
	in_kernel() { awk '$1 ~ /^(net|uts|pid)_namespace$/ { n += $2 } END { print n + 0 }' /proc/slabinfo; }
	no_growth() { [ $(($(in_kernel) - kernel_before)) -lt 500 ]; }
	one_run
	clean_soon
	before=$(things) kernel_before=$(in_kernel)
	for ((i = 0; i < runs; i++)); do one_run; done
	clean_soon
	soon are_as_before || same "$(things)" "$before"
	soon no_growth || fail "namespaces in the kernel: $(in_kernel), before $kernel_before"
}

# The monitor is killed: the network of its container, its address and its ports are the new one's.
test_network_of_an_adopted_container() {
	local a mark
	stand_in
	expect 0 run_stor run -d --name web --net bridge -p 8080:80 nc -ll -p 80 -e echo hello
	a=$(address_of web)
	wait_for says_hello
	kill -9 "$(basename "$STOR_STATE"/live/* | cut -d. -f1)"
	sleep 0.1
	expect 0 run_stor ps
	err_has 'a new one has taken over'
	mark=$(basename "$STOR_STATE"/live/*)
	same "$(ls "$STOR_STATE"/net/*/users)" "$mark"
	same "$(readlink "$STOR_STATE"/net/*/leases/*@"$a")" "$mark"
	# Nobody takes it for a dead one's.
	expect 0 run_stor gc
	same "$(cat "$OUT")" ""
	says_hello || fail 'its port is not published any more'
	expect 0 run_stor rm -f web
	wait_for is_swept
	! says_hello || fail 'published after its end'
}
says_hello() { [ "$(outside timeout 2 bash -c 'exec 3<>/dev/tcp/192.0.2.1/8080; cat <&3' 2>/dev/null)" = hello ]; }
is_swept() {
	run_stor gc
	[ -z "$(ls "$STOR_STATE"/net/*/users "$STOR_STATE"/net/*/leases 2>/dev/null | grep -v ':$')" ]
}

run_tests "$@"
