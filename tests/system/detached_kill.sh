#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The monitor of a detached container, killed at each step of its start, of its end, and of taking
# over: the container is either gone, or runs on and is known; and after the next commands nothing
# is left.
# shellcheck source=tests/lib.sh
TIME_LIMIT=600
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kill.sh
. "$TOP/tests/kill.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

# Steps of one whole life, each with how often it was reached by then.
learn_steps() {
	expect 0 env STOR_KILL_LIST="$T/points" "$KILL/stor" run -d --name victim sh -c 'sleep 0.2'
	expect 0 "$KILL/stor" wait victim
	wait_for is_empty "$STOR_STATE/live"
	expect 0 "$KILL/stor" rm victim
	awk '{ print $0 ":" ++n[$0] }' points >steps
	[ "$(wc -l <steps)" -ge 25 ] || fail "too few steps: $(cat steps)"
	grep -q monitor-begin steps || fail "no monitor"
	grep -q container-ended steps || fail "no end"
}

# Processes whose command is the container's.
sleepers() { pgrep -x -f 'sleep 98765' || true; }
no_sleepers() { [ -z "$(sleepers)" ]; }

# One that was killed before it had its name is found by its id.
remove_all() {
	local ids
	ids=$(run_stor ps -aq)
	# shellcheck disable=SC2086 # words
	[ -z "$ids" ] || expect 0 run_stor rm -f $ids
}

test_killed_at_each_step() {
	local point status
	STOR=$KILL/stor
	kill_build
	learn_steps
	for point in $(cat steps); do
		status=0
		STOR_KILL_AT=$point timeout 60 "$STOR" run -d --name victim sleep 98765 >"$OUT" 2>"$ERR" </dev/null || status=$?
		case $status in
		0)
			# Its monitor is alive, or was killed after the start: it runs, and is known.
			expect 0 run_stor ps
			out_has victim || fail "$point: it is not known"
			[ -n "$(sleepers)" ] || fail "$point: it does not run" ;;
		*)
			expect 0 run_stor ps -a
			# Killed between the two: it runs, and its monitor had not said so yet.
			;;
		esac
		remove_all
		wait_for no_sleepers
		expect 0 run_stor gc
		nothing_left
	done
}

# The new monitor is killed, too, and so on.
test_killed_while_it_takes_over() {
	STOR=$KILL/stor
	kill_build
	expect 0 run_stor run -d --name web sh -c 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done'
	for _ in 1 2 3; do
		kill -9 "$(monitor_of web)"
		sleep 0.1
		expect 0 env STOR_KILL_AT=adopt-marked:1 "$STOR" ps
		expect 0 run_stor ps
		out_has web
		same "$(find "$STOR_STATE/live" -type f | wc -l)" 1
	done
	expect 0 run_stor stop -t 0 web
	run_stor logs web >log
	seq 0 $(($(wc -l <log) - 1)) | cmp - log || fail 'lines are lost'
	expect 0 run_stor rm web
	nothing_left
}

# Nobody is told of an update that is not recorded whole; and the next one is.
test_update_killed_between_its_files() {
	kill_build
	STOR=$KILL/stor
	expect 0 run_stor create --name one -m 64M sleep 9
	expect 137 env STOR_KILL_AT=container-updates:1 "$STOR" update -m 96M one
	expect 0 run_stor inspect one
	expect 0 run_stor update -m 128M one
	expect 0 run_stor start one
	same "$(cat "$(find /sys/fs/cgroup -path "*/stor-$(id_of one)/payload/memory.limit_in_bytes" -o -path "*/stor-$(id_of one)/payload/memory.max" | head -n 1)")" 134217728
	expect 0 run_stor rm -f one
	nothing_left
}

run_tests "$@"
