#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor update where cgroup version 2 is alone: what is changed of a running container takes effect, up and down.
# shellcheck disable=SC2016 # scripts for the shell inside
. "$(dirname "$0")/../../lib.sh"

leaf() { echo "/sys/fs/cgroup/stor-$(ls "$STOR_STATE/cgroups")/payload"; }
# Seconds of the clock, and of processor time that the container had.
used() { echo "$(cut -d' ' -f1 /proc/uptime) $(awk '/^usage_usec/ { print $2 / 1e6 }' "$(leaf)/cpu.stat")"; }
# uses LEAST MOST: it gets such a share of a processor.
uses() {
	local before
	before=$(used)
	sleep 5
	echo "$before $(used)" | awk -v least="$1" -v most="$2" '{ share = ($4 - $2) / ($3 - $1); print share
		exit !(share >= least && share <= most) }' >share || fail "it has $(cat share) processors, not $1 to $2"
}

test_processors() {
	expect 0 run_stor run -d --name box --cpus 0.2 sh -c 'while :; do :; done'
	uses 0.1 0.35
	expect 0 run_stor update --cpus 0.8 box
	same "$(cat "$(leaf)/cpu.max")" '80000 100000'
	uses 0.4 0.95
	expect 0 run_stor update --cpus 0.1 box
	uses 0.04 0.25
	expect 0 run_stor rm -f box
}

test_memory() {
	# One that never had a limit gets the controller now.
	expect 0 run_stor run -d --name box sleep 1000
	expect 0 run_stor exec box dd if=/dev/zero of=/dev/null bs=40M count=1
	expect 0 run_stor update -m 24M --memory-swap 24M box
	same "$(cat "$(leaf)/memory.max") $(cat "$(leaf)/memory.swap.max" 2>/dev/null || echo 0)" "$((24 << 20)) 0"
	expect 137 run_stor exec box dd if=/dev/zero of=/dev/null bs=40M count=1
	grep -q '^oom_kill 1$' "$(leaf)/memory.events" || fail "$(cat "$(leaf)/memory.events")"
	expect 0 run_stor update -m 96M --memory-swap 96M box
	expect 0 run_stor exec box dd if=/dev/zero of=/dev/null bs=40M count=1
	expect 0 run_stor update -m 24M --memory-swap 24M box
	expect 137 run_stor exec box dd if=/dev/zero of=/dev/null bs=40M count=1
	# Told when it ends.
	expect 0 run_stor stop -t 0 box
	same "$(run_stor events --filter event=oom --format '{{.Name}}')" box
	expect 0 run_stor rm box
}

ten_processes() { run_stor exec box sh -c 'i=0; while [ $i -lt 10 ]; do sleep 1 & i=$((i + 1)); done; echo $i'; }

test_processes() {
	expect 0 run_stor run -d --name box --init --pids-limit 50 sleep 1000
	expect 0 ten_processes
	same "$(cat "$OUT")" 10
	expect 0 run_stor update --pids-limit 6 box
	is_alone() { [ "$(cat "$(leaf)/pids.current")" = 2 ]; }
	wait_for is_alone
	! ten_processes >"$OUT" 2>"$ERR" || fail "a limit of 6 lets $(cat "$OUT")"
	err_has "can't fork"
	wait_for is_alone
	expect 0 run_stor update --pids-limit -1 box
	expect 0 ten_processes
	wait_for is_alone
	expect 0 run_stor rm -f box
}

test_all_or_nothing() {
	expect 0 run_stor run -d --name box --pids-limit 50 -m 64M --cpus 0.5 sleep 1000
	expect 1 run_stor update --pids-limit 20 --memory 32M --cpus 0.7 --cpuset-cpus 4000 box
	err_has 'update box: --cpuset-cpus: '
	same "$(cd "$(leaf)" && cat pids.max memory.max cpu.max | paste -sd' ')" "50 $((64 << 20)) 50000 100000"
	expect 0 run_stor rm -f box
}

run_tests "$@"
