#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run --restart: the monitor starts its container again, or leaves it, as the policy and the user
# say.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

# runs NAME: how often its command has begun.
runs() { run_stor logs "$1" 2>/dev/null | grep -c '^begun$' || true; }
has_run() { [ "$(runs "$1")" -ge "$2" ]; }

test_always() {
	expect 0 run_stor run -d --name web --restart always sh -c 'echo begun; echo x >>/file; wc -l </file; exit 0'
	wait_for has_run web 3
	# On the same root.
	logged web '^3$'
	expect 0 run_stor stop web
	local n
	n=$(runs web)
	sleep 1
	same "$(runs web)" "$n"
	same "$(status_of web)" exited
	# Nobody stays with it.
	wait_for is_empty "$STOR_STATE/live"
	expect 0 run_stor start web
	wait_for has_run web $((n + 2))
	expect 0 run_stor rm -f web
	nothing_left
}

test_on_failure() {
	expect 0 run_stor run -d --name good --restart on-failure sh -c 'echo begun'
	expect 0 run_stor run -d --name bad --restart on-failure:2 sh -c 'echo begun; exit 1'
	expect 0 run_stor run -d --name once sh -c 'echo begun; exit 1'
	wait_for has_run bad 3
	sleep 1.5
	same "$(runs good) $(runs bad) $(runs once)" '1 3 1'
	expect 0 run_stor rm good bad once
	nothing_left
}

test_stopped_while_it_runs() {
	for policy in always unless-stopped; do
		expect 0 run_stor run -d --name web --restart $policy sh -c 'echo begun; exec sleep 1000'
		expect 0 run_stor stop -t 0 web
		sleep 0.5
		same "$(status_of web) $(runs web)" 'exited 1'
		# Killed, it is started again.
		expect 0 run_stor start web
		expect 0 run_stor kill web
		wait_for has_run web 3
		wait_for has_status web running
		expect 0 run_stor rm -f web
		sleep 0.3
		nothing_left
	done
}

# Removed while it waits to be started again.
test_removed_while_it_waits() {
	expect 0 run_stor run -d --name web --restart always false
	sleep 1
	wait_for removed web
	sleep 1
	nothing_left
}
removed() { run_stor rm "$1" 2>/dev/null; }

# The monitor that took over keeps the policy, too.
test_after_the_monitor() {
	expect 0 run_stor run -d --name web --restart always sh -c 'echo begun; exec sleep 1000'
	kill -9 "$(monitor_of web)"
	sleep 0.1
	expect 0 run_stor kill web
	wait_for has_run web 2
	wait_for has_status web running
	expect 0 run_stor rm -f web
	sleep 0.3
	nothing_left
}

# Killed while it waits to start its container again: the next command says so, once, and the
# restarts go on from where they were.
test_monitor_killed_while_it_waits() {
	local n
	expect 0 run_stor run -d --name web --restart always sh -c 'echo begun'
	wait_for has_run web 5
	wait_for waits_long web
	n=$(runs web)
	wait_for waits_long web
	kill -9 "$(keeper_of web)"
	sleep 0.1
	expect 0 run_stor ps -a
	err_has "container $(id_of web): its monitor was killed while it waited to start it again; a new one has taken over"
	expect 0 run_stor ps -a
	same "$(cat "$ERR")" ""
	wait_for waits_long web
	wait_for has_run web $((n + 1))
	# One that was stopped is not started again.
	wait_for waits_long web
	kill -9 "$(keeper_of web)"
	sleep 0.1
	echo stopped=yes >>"$STOR_STORE/containers/$(id_of web)/record"
	expect 0 run_stor ps -a
	same "$(cat "$ERR")$(ls "$STOR_STATE/keep")" ""
	expect 0 run_stor rm web
	nothing_left
	# How often it has failed is not forgotten.
	expect 0 run_stor run -d --name bad --restart on-failure:5 sh -c 'echo begun; exit 1'
	wait_for has_run bad 4
	wait_for waits_long bad
	kill -9 "$(keeper_of bad)"
	sleep 0.1
	expect 0 run_stor ps -a
	wait_for has_run bad 6
	wait_for is_empty "$STOR_STATE/keep"
	same "$(runs bad)" 6
	expect 0 run_stor rm bad
	nothing_left
}
keeper_of() { basename "$STOR_STATE"/keep/*."$(id_of "$1")" | cut -d. -f1; }
# Half a second at least.
waits_long() {
	[ "$(readlink "$STOR_STATE"/keep/*."$(id_of "$1")" | cut -d' ' -f2)" -ge 500 ] && has_status "$1" exited &&
		is_empty "$STOR_STATE/live"
}

# Both died, the container first or at once: it is started again.
test_monitor_killed_with_its_container() {
	expect 0 run_stor run -d --name web --restart always sh -c 'echo begun; exec sleep 1000'
	local pid
	pid=$(pid_of web)
	kill -9 "$(monitor_of web)" "$pid"
	sleep 0.2
	expect 0 run_stor ps -a
	err_has 'while it waited to start it again'
	wait_for has_run web 2
	wait_for has_status web running
	expect 0 run_stor rm -f web
	sleep 0.3
	nothing_left
}

test_wrong_policies() {
	expect 125 run_stor run --restart sometimes true
	err_has 'no, on-failure'
	expect 125 run_stor run --restart on-failure:x true
	expect 125 run_stor run -d --rm --restart always true
	err_has 'exclude each other'
}

# As when the machine is shut down: its first life, a later one, and one with a monitor of its second.
test_a_monitor_that_is_told_to_end() {
	runs() { run_stor logs box 2>/dev/null | grep -c '^begun$' || true; }
	has_run() { [ "$(runs)" = "$1" ]; }
	is_dead() { ! kill -0 "$1" 2>/dev/null; }
	tell() {
		local monitor
		monitor=$(monitor_of box)
		kill -TERM "$monitor"
		wait_for is_dead "$monitor"
		sleep 0.5
		# Nobody ran a command: nobody started it.
		same "$(ls "$STOR_STATE/live")" ''
	}
	expect 0 run_stor run -d --name box --restart always sh -c 'trap "exit 0" TERM; echo begun; while :; do sleep 0.05; done'
	wait_for has_run 1
	tell
	expect 0 run_stor ps
	err_has 'its monitor was killed while it waited'
	wait_for has_run 2
	tell
	expect 0 run_stor ps
	wait_for has_run 3
	kill -KILL "$(monitor_of box)"
	expect 0 run_stor ps
	err_has 'its monitor was killed; a new one'
	tell
	expect 0 run_stor ps
	wait_for has_run 4
	expect 0 run_stor rm -f box
	nothing_left
}

run_tests "$@"
