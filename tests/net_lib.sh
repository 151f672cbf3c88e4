# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What network tests share. A test runs in a network namespace of its own, the stand-in for a host,
# which reaches another, `outside`, by the interface up0: 192.0.2.1 and 2001:db8::1 here, .2 and ::2
# there. Outside has no route back to any network of containers. Both end with the test. A file sources
# this before tests/lib.sh.
if [ "${1:-}" = --one ] && [ -z "${STAND_IN:-}" ]; then
	STAND_IN=yes exec unshare -m -n bash "$0" "$@"
fi

ECHO=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/tools/netecho

stand_in() {
	mount -t tmpfs tmpfs /run
	mkdir /run/netns
	ip link set lo up
	ip netns add outside
	ip link add up0 type veth peer name eth0 netns outside
	ip address add 192.0.2.1/24 dev up0
	ip address add 2001:db8::1/64 dev up0 nodad
	ip -n outside address add 192.0.2.2/24 dev eth0
	ip -n outside address add 2001:db8::2/64 dev eth0 nodad
	ip link set up0 up
	ip -n outside link set eth0 up
	ip -n outside link set lo up
	echo 1 >/proc/sys/net/ipv4/ip_forward
	echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
	mkdir -p marks
	declare -gA RUNNING=()
}
# In the background, nothing stands between $! and the program.
outside() { ${EXEC:-} ip netns exec outside "$@"; }

# begin NAME OPTION…: a container that stays until `finish NAME`, once it runs.
begin() {
	local name=$1
	shift
	rm -f "marks/$name"
	"$STOR" run --rm --init --name "$name" -v "$T/marks:/marks" "$@" -- \
		sh -c "touch /marks/$name; exec sleep 1000" 2>"$name.err" &
	RUNNING[$name]=$!
	wait_for test -e "marks/$name"
	# The command runs a moment before it is noted that it does.
	wait_for is_noted "$name"
}
finish() {
	local name
	for name; do
		kill -TERM "${RUNNING[$name]}"
		wait "${RUNNING[$name]}" || true
		unset "RUNNING[$name]"
	done
}
# First process of a container, for the host.
pid_of() {
	run_stor ps --format json | python3 -c 'import json, sys
print([c["pid"] for c in json.load(sys.stdin) if c["name"] == sys.argv[1]][0])' "$1"
}
is_noted() { [ "$(pid_of "$1")" != None ]; }
# inside NAME COMMAND…: a program of this machine's in the container's network.
inside() {
	local pid
	pid=$(pid_of "$1")
	shift
	${EXEC:-} nsenter "--net=/proc/$pid/ns/net" "$@"
}
address_of() { inside "$1" ip -4 -o address show "${2:-eth0}" | sed 's/.*inet \([0-9.]*\).*/\1/'; }
address6_of() { inside "$1" ip -6 -o address show "${2:-eth0}" scope global | sed 's/.*inet6 \([0-9a-f:]*\).*/\1/'; }

# serving COMMAND…: a server of tests/tools/netecho, by $ECHO, in the background, once it is up.
serving() {
	rm -f up
	(
		EXEC='exec'
		[ "$(type -t "$1")" = function ] || exec "$@"
		"$@"
	) >up 2>&1 &
	SERVERS="${SERVERS:-} $!"
	wait_for grep -q up up
}
stop_serving() {
	local pid
	for pid in ${SERVERS:-}; do kill "$pid" && wait "$pid" 2>/dev/null || true; done
	SERVERS=
}

# What stor put into the host: links, addresses, rules, files of STATE.
host_things() {
	ip -o link show | grep -E ' (st[0-9a-f]{12}|stor|br-)' | sed 's/^/link: /'
	nft list tables | grep ' stor$'
	find "$STOR_STATE"/net/*/ -mindepth 1 ! -type d 2>/dev/null
	true
}
no_host_things() { [ -z "$(host_things)" ]; }
WAIT_SECONDS=5
clean_soon() { soon no_host_things || fail "left: $(host_things)"; }
