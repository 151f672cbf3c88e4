#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Commands on one container that meet, and thousands of random ones by many processes: afterwards
# what is recorded is true, and nothing is lost, left or stuck.
# shellcheck source=tests/lib.sh
TIME_LIMIT=1800
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"
# shellcheck source=tests/life_model.sh
. "$TOP/tests/life_model.sh"

test_random_operations() {
	if [ -n "${STOR_LONG:-}" ]; then
		random_life 6 20 50
	else
		random_life 4 3 25
	fi
}

# The stop looks again only when there is another run already: what it was to end has ended.
test_a_start_while_a_stop_waits() {
	expect 0 run_stor run -d --name one sh -c 'trap "" TERM; while :; do sleep 1; done'
	"$STOR" stop -t 1000 one >stopped 2>&1 &
	local job=$! status=0
	wait_for grep -q 'kill.*signal=15' "$STOR_STATE/events"
	kill -STOP $job
	expect 0 run_stor kill one
	expect 0 run_stor wait one
	expect 0 run_stor start one
	kill -CONT $job
	wait_for eval "! kill -0 $job"
	wait $job || status=$?
	same "$status $(cat stopped)" '0 '
	expect 0 run_stor ps
	out_has running
	expect 0 run_stor rm -f one
}

# both COMMAND AND COMMAND: at the same time; their statuses are in $ended, the smaller one first.
both() {
	local first=() pid one=0 two=0
	while [ "$1" != AND ]; do first+=("$1") && shift; done
	shift
	run_stor "${first[@]}" >out1 2>err1 &
	pid=$!
	run_stor "$@" >out2 2>err2 || two=$?
	wait $pid || one=$?
	ended=$(printf '%s\n' $one $two | sort -n | paste -sd' ')
}
# at_once N COMMAND: so many times at the same time; their statuses, sorted, are in $ended.
at_once() {
	local i count=$1 pids=() statuses='' status
	shift
	for ((i = 0; i < count; i++)); do
		run_stor "$@" >"out$i" 2>"err$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		status=0
		wait "$i" || status=$?
		statuses+="$status"$'\n'
	done
	ended=$(sort -n <<<"${statuses%?}" | paste -sd' ')
}
ROUNDS=${STOR_LONG:+100}
ROUNDS=${ROUNDS:-8}

test_two_starts() {
	local i
	expect 0 run_stor create --name web sleep 1000
	for ((i = 0; i < ROUNDS; i++)); do
		both start web AND start web
		same "$ended" '0 4'
		grep -hq 'is running\|another stor' err1 err2 || fail "$(cat err1 err2)"
		has_status web running || fail "started, it does not run"
		expect 0 run_stor stop -t 0 web
		at_once 8 start web
		same "$ended" '0 4 4 4 4 4 4 4'
		# None came as far as its root.
		! grep -h '^stor: ' err[0-7] | grep -v 'is running\|another stor' || fail 'two of them had it'
		has_status web running || fail "started, it does not run"
		expect 0 run_stor stop -t 0 web
	done
	expect 0 run_stor rm web
	nothing_left
}

# It is removed before it starts, or it runs and is not removed.
test_rm_while_starting() {
	local i
	for ((i = 0; i < ROUNDS; i++)); do
		expect 0 run_stor create --name web sleep 1000
		both start web AND rm web
		case $ended in
		'0 4') has_status web running || fail "neither started nor removed" ;;
		'0 3') same "$(status_of web)" "" ;;
		*) fail "start and rm: $ended: $(cat err1 err2)" ;;
		esac
		# The start that wins is removed by force; so is one that is only just starting.
		run_stor create --name other sleep 1000 >/dev/null
		both start other AND rm -f other
		[[ $ended =~ ^0\ [03]$ ]] || fail "start and rm -f: $ended: $(cat err1 err2)"
		same "$(status_of other)" ""
		expect 0 run_stor rm -f web other
	done
	nothing_left
}

test_exec_while_stopping() {
	local i
	expect 0 run_stor create --name web sleep 1000
	for ((i = 0; i < ROUNDS; i++)); do
		expect 0 run_stor start web
		both stop -t 0 web AND exec web sleep 1000
		[[ $ended =~ ^0\ (125|137)$ ]] || fail "stop and exec: $ended: $(cat err1 err2)"
		has_status web exited || fail "stopped, it is $(status_of web)"
		is_empty "$STOR_STATE/cgroups" || fail "a cgroup is left"
	done
	expect 0 run_stor rm web
	nothing_left
}

# Under the old name or the new one, but listed once.
test_ps_while_renaming() {
	local i
	expect 0 run_stor run -d --name one sleep 1000
	for ((i = 0; i < ROUNDS; i++)); do
		both rename one two AND ps --format '{{.name}}'
		same "$ended" '0 0'
		grep -qx 'one\|two' out2 || fail "listed: $(cat out2)"
		same "$(wc -l <out2)" 1
		both rename two one AND exec two true
		[[ $ended =~ ^0\ (0|125)$ ]] || fail "rename and exec: $ended: $(cat err1 err2)"
	done
	expect 0 run_stor rm -f one
	nothing_left
}

# However often its record is written while it is read: it is there, whole, and says one or the other.
test_no_reader_sees_half_a_record() {
	local id i reader readers=()
	trap 'touch end; run_stor rm -f web tin >/dev/null 2>&1 || true' EXIT
	expect 0 run_stor create --name web --label "long=$(printf '%04000d' 0)" sleep 1000
	id=$(cat "$OUT")
	for reader in 1 2; do
		while [ ! -e end ]; do
			run_stor ps -a --format '{{.ID}} {{.Name}} {{.Status}}' 2>&1 || echo "ps: $?"
			run_stor inspect "$id" 2>&1 | jq -r '.[0] | "\(.id) \(.name) \(.status) \(.labels.long | length)"' || echo "inspect: $?"
		done >"seen$reader" 2>&1 &
		readers+=($!)
	done
	for ((i = 0; i < 2 * ROUNDS; i++)); do
		expect 0 run_stor start web
		expect 0 run_stor update --label "n=$i" web
		expect 0 run_stor rename web tin
		expect 0 run_stor stop -t 0 tin
		expect 0 run_stor rename tin web
	done
	touch end
	wait "${readers[@]}"
	! grep -vhE "^$id (web|tin) (created|running|exited)( 4000| \\([a-z0-9]+\\))?\$" seen1 seen2 || fail 'a reader saw something else'
	[ "$(cat seen1 seen2 | wc -l)" -gt $((4 * ROUNDS)) ] || fail "only $(cat seen1 seen2 | wc -l) readings"
	expect 0 run_stor rm web
	nothing_left
}

test_create_and_rm_of_one_name() {
	local i
	for ((i = 0; i < ROUNDS; i++)); do
		both create --name web sleep 1000 AND rm -f web
		[ "$ended" = '0 0' ] || fail "create and rm -f: $ended: $(cat err1 err2)"
		expect 0 run_stor rm -f web
		both run -d --rm --name web sleep 1000 AND rm -f web
		[ "$ended" = '0 0' ] || fail "run --rm and rm -f: $ended: $(cat err1 err2)"
		expect 0 run_stor rm -f web
	done
	nothing_left
}

# What a collector takes for dead may have been started since it looked.
test_gc_while_starting() {
	local i
	expect 0 run_stor create --name web true
	for ((i = 0; i < 5 * ROUNDS; i++)); do
		both start web AND gc
		same "$ended" '0 0'
		same "$(cat out2 err2)" ""
		expect 0 run_stor wait web
		out_is 0
	done
	expect 0 run_stor rm web
	nothing_left
}

# It and its monitor were killed: whoever notices first has nothing to say about the next life.
test_gc_while_starting_what_was_killed() {
	local i pid monitor
	is_dead() { [[ $(cat "/proc/$1/stat" 2>/dev/null) != *") "[^ZX]* ]]; }
	expect 0 run_stor run -d --name web sleep 1000
	for ((i = 0; i < 2 * ROUNDS; i++)); do
		pid=$(pid_of web)
		monitor=$(run_stor inspect web | jq ".[0].monitor_pid")
		kill -STOP "$monitor"
		kill -9 "$pid"
		wait_for is_dead "$pid"
		kill -9 "$monitor"
		wait_for is_dead "$monitor"
		at_once 6 gc &
		expect 0 run_stor start web
		wait
		has_status web running || fail "started, it is $(status_of web)"
		expect 0 run_stor exec web true
		[ "$(pid_of web)" != "$pid" ] || fail 'it is as it was'
	done
	expect 0 run_stor rm -f web
	nothing_left
}

run_tests "$@"
