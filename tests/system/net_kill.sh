#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A run with networks, killed at each of its steps that are about networks: the next command leaves no
# link, rule, lease or file of it. The steps are those that the program itself names.
# shellcheck source=tests/net_lib.sh
. "$(dirname "$0")/../net_lib.sh"
# shellcheck source=tests/lib.sh
TIME_LIMIT=600
. "$(dirname "$0")/../lib.sh"

# shellcheck source=tests/kill.sh
. "$TOP/tests/kill.sh"
STOR=$KILL/stor

points_of_source() {
	grep -rhoE 'kill_point\("net-[^"]+"' "$TOP"/core "$TOP"/net --include='*.c' | cut -d'"' -f2 | sort -u
}
# A firewall that is told of a bridge, too.
docker_firewall() {
	nft 'table ip filter { chain DOCKER-USER { counter return; }; }'
	nft list ruleset >before
}
# The container's address is told, so that it must be free again at once.
networks=(--net 'bridge=br-k,gateway=10.78.0.1/24,ip=10.78.0.7,firewall=docker-user'
	--net 'veth,host=10.1.1.1/24,guest=10.1.1.2/24' -p 8080:80 --add-host x:10.9.9.9)
no_links() { ! ip -o link show | grep -q ' st[0-9a-f]\{12\}'; }

# killed_at POINT OPTION…
killed_at() {
	local point=$1 status=0
	shift
	STOR_KILL_AT=$point "$STOR" run --rm --name victim "$@" true >"$OUT" 2>"$ERR" || status=$?
	# What removes a bridge is a process of its own.
	case $point:$status in *:137 | net-bridge-removed:*:0) ;; *) fail "$point: status $status: $(cat "$ERR")" ;; esac
	wait_for no_links
	expect 0 "$STOR" ps
	soon no_host_things || fail "$point: left: $(host_things)"
	nft list ruleset >after
	diff before after || fail "$point: rules"
	expect 0 "$STOR" gc
	same "$point: $(cat "$OUT")" "$point: "
	# The same again, whole.
	expect 0 "$STOR" run --rm --name victim "$@" true
	soon no_host_things || fail "$point, after another run: left: $(host_things)"
}

test_killed_at_every_step() {
	local point
	kill_build
	stand_in
	docker_firewall
	expect 0 env STOR_KILL_LIST="$T/points" "$STOR" run --rm --name victim "${networks[@]}" true
	clean_soon
	expect 0 env STOR_KILL_LIST="$T/points.alone" "$STOR" run --rm --net veth true
	clean_soon
	grep -h '^net-' points points.alone | sort -u >reached
	same "in no run: $(points_of_source | comm -23 - reached | paste -sd' ')" 'in no run: '
	grep '^net-' points | awk '{ print $0 ":" ++n[$0] }' >steps
	[ "$(wc -l <steps)" -ge 15 ] || fail "too few steps: $(cat steps)"
	while read -r point; do
		killed_at "$point" "${networks[@]}"
	done <steps
	grep '^net-' points.alone | awk '{ print $0 ":" ++n[$0] }' >steps
	while read -r point; do
		killed_at "$point" --net veth
	done <steps
}

# While the command runs: the container dies with stor, and another container keeps the bridge.
test_killed_while_it_runs() {
	local rules
	kill_build
	stand_in
	docker_firewall
	begin other --net bridge
	rules=$(nft list table inet stor)
	begin victim --net bridge -p 8080:80
	kill -KILL "${RUNNING[victim]}"
	wait "${RUNNING[victim]}" || true
	one_link() { [ "$(ip -o link show master stor0 | wc -l)" = 1 ]; }
	wait_for one_link
	expect 0 "$STOR" ps
	same "$(nft list table inet stor)" "$rules"
	same "$(grep -c victim "/proc/$(pid_of other)/root/etc/hosts" || true)" 0
	begin victim --net bridge -p 8080:80
	finish victim other
	clean_soon
	nft list ruleset >after
	diff before after
}

# What outlives its stor keeps its address.
test_addresses_of_the_escaped_are_kept() {
	local a
	kill_build
	stand_in
	"$STOR" run --rm --name one --net bridge -v "$T/marks:/marks" -- \
		sh -c 'ip -4 -o address show eth0 >/marks/one; exec sleep 1000' &
	RUNNING[one]=$!
	wait_for test -s marks/one
	wait_for pid_of one
	a=$(sed 's/.*inet \([0-9.]*\).*/\1/' marks/one)
	# A process that is no child of stor's, as one that escaped would be.
	nsenter "--net=/proc/$(pid_of one)/ns/net" sh -c 'touch marks/in; exec sleep 1000' &
	wait_for test -e marks/in
	kill -KILL "${RUNNING[one]}"
	wait "${RUNNING[one]}" || true
	expect 0 "$STOR" ps
	expect 0 "$STOR" gc
	expect 125 "$STOR" run --rm --net bridge --ip "$a" true
	err_has "the address $a is in use by container"
	kill %%
	wait %% || true
	wait_for no_links
	expect 0 "$STOR" run --rm --net bridge --ip "$a" true
	clean_soon
}

run_tests "$@"
