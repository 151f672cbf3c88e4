#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The monitor of a detached container is killed: the container runs on, the next command gives it a
# new one, and nothing of its output or of its end is lost.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

kill_monitor() {
	kill -9 "$(monitor_of "$1")"
	sleep 0.1
}
has_lines_above() { [ "$(run_stor logs --stream stdout "$1" | wc -l)" -gt "$2" ]; }
# Linux 6.15 tells how a process ended that is nobody's child.
has_exit_info() {
	local release
	release=$(uname -r)
	[ "$(printf '%s\n' 6.15 "$release" | sort -V | head -n1)" = 6.15 ]
}

test_the_container_goes_on_writing() {
	local n
	expect 0 run_stor run -d --name writer sh -c \
		'i=0; while [ ! -e /stop ]; do echo "out $i"; echo "err $i" >&2; i=$((i+1)); [ $((i % 50)) != 0 ] || sleep 0.05; done; echo end; exit 11'
	wait_for logged writer 'out 60'
	for n in 1 2 3; do
		kill_monitor writer
		[ -d "/proc/$(grep -a '^!pid=' "$STOR_STORE/containers/$(id_of writer)/record" | tail -n1 | cut -d= -f2)" ] ||
			fail "the container died with its monitor"
		expect 0 run_stor ps
		err_has "container $(id_of writer): its monitor was killed; a new one has taken over"
		out_has running
		# Only once.
		expect 0 run_stor ps
		same "$(cat "$ERR")" ""
		n=$(run_stor logs --stream stdout writer | wc -l)
		wait_for has_lines_above writer "$n"
	done
	touch "/proc/$(pid_of writer)/root/stop"
	expect 0 run_stor wait writer
	out_is 11
	# All lines, each once, in order, of both streams.
	for stream in out err; do
		run_stor logs --stream std$stream writer 2>&1 | grep -v '^end$' >"$stream"
		n=$(wc -l <"$stream")
		seq -f "$stream %.0f" 0 $((n - 1)) | cmp - "$stream" || fail "$stream: lines are lost"
	done
	same "$(wc -l <out)" "$(wc -l <err)"
	expect 0 run_stor rm writer
	nothing_left
}

# A start does so once its own container runs; the new monitor lives on after it.
test_a_run_gives_a_new_one_too() {
	expect 0 run_stor run -d --name one sleep 1000
	kill_monitor one
	expect 0 run_stor run --rm -v "$PWD:/here" sh -c 'sleep 0.3; echo went on'
	out_is 'went on'
	err_has "container $(id_of one): its monitor was killed; a new one has taken over"
	expect 0 run_stor ps
	same "$(cat "$ERR")" ""
	kill_monitor one
	expect 0 run_stor run -d --name two sleep 1000
	err_has "container $(id_of one): its monitor was killed; a new one has taken over"
	expect 0 run_stor rm -f one two
	nothing_left
}

# It has filled its pipe, waits, and goes on.
test_a_full_pipe_waits() {
	expect 0 run_stor run -d --name full sh -c 'while [ ! -e /go ]; do sleep 0.05; done; seq 1 40000; echo >/done; exec sleep 1000'
	local root
	root=/proc/$(pid_of full)/root
	kill_monitor full
	touch "$root/go"
	sleep 0.5
	[ ! -e "$root/done" ] || fail "nobody read, and it did not wait"
	expect 0 run_stor ps
	wait_for [ -e "$root/done" ]
	wait_for has_lines_above full 39999
	run_stor logs full | cmp - <(seq 1 40000) || fail "lines are lost"
	expect 0 run_stor rm -f full
	nothing_left
}

test_the_end_is_known() {
	local want
	want=unknown
	! has_exit_info || want=137
	for b in dir loop ploop; do
		expect 0 run_stor run -d --backend $b --name web sleep 1000
		kill_monitor web
		expect 0 run_stor kill web
		expect 0 run_stor wait web
		out_has "^($want|137)\$"
		same "$(status_of web)" exited
		# And once more.
		expect 0 run_stor start web
		kill_monitor web
		expect 0 run_stor stop -t 0 web
		expect 0 run_stor rm web
		nothing_left
	done
}

# Both died, and nobody was there to see it.
test_an_unseen_end_is_unknown() {
	local pid
	expect 0 run_stor run -d --name web sleep 1000
	pid=$(pid_of web)
	kill_monitor web
	kill -9 "$pid"
	sleep 0.2
	expect 0 run_stor wait web
	out_is unknown
	expect 0 run_stor start web
	expect 0 run_stor rm -f web
	nothing_left
}

test_waiting_goes_on() {
	expect 0 run_stor run -d --name web sh -c 'while [ ! -e /stop ]; do sleep 0.05; done; exit 8'
	run_stor wait web >waited 2>/dev/null &
	sleep 0.2
	kill_monitor web
	sleep 0.3
	touch "/proc/$(pid_of web)/root/stop"
	wait $!
	grep -qxE '8|unknown' waited || fail "waited for: $(cat waited)"
	! has_exit_info || same "$(cat waited)" 8
	expect 0 run_stor rm web
	nothing_left
}

test_rm_after_the_monitor() {
	for b in dir loop ploop; do
		expect 0 run_stor run -d --rm --backend $b --name gone sh -c 'while [ ! -e /stop ]; do sleep 0.05; done'
		kill_monitor gone
		expect 0 run_stor ps
		touch "/proc/$(pid_of gone)/root/stop"
		wait_for is_empty "$STOR_STORE/containers"
		wait_for is_empty "$STOR_STATE/live"
		nothing_left
	done
}

# The volumes of a container whose monitor died are still its own.
test_its_volumes_stay_in_use() {
	expect 0 run_stor volume create --backend loop --size 32M data
	expect 0 run_stor run -d --name web --mount type=volume,src=data,dst=/data sleep 1000
	kill_monitor web
	expect 4 run_stor volume rm data
	expect 0 run_stor rm -f web
	expect 0 run_stor volume rm data
	nothing_left
}

# Many at once; each command finds all of them.
test_many_commands_at_once() {
	local n pids=()
	for n in 1 2 3 4; do expect 0 run_stor run -d --name "c$n" sleep 1000; done
	for n in 1 2 3 4; do kill -9 "$(monitor_of "c$n")"; done
	sleep 0.1
	for n in 1 2 3 4 5 6; do
		run_stor ps >"ps$n" 2>"err$n" &
		pids+=($!)
	done
	wait "${pids[@]}"
	for n in 1 2 3 4 5 6; do same "$(grep -c running "ps$n")" 4; done
	same "$(cat err* | grep -c 'has taken over')" 4
	same "$(find "$STOR_STATE/live" -type f | wc -l)" 4
	expect 0 run_stor rm -f c1 c2 c3 c4
	nothing_left
}

# What a terminal shows ends with the monitor; the container notices.
test_a_terminal_ends_with_it() {
	expect 0 run_stor run -dt --name tty sh -c 'trap "exit 0" HUP; tty; while :; do sleep 0.05; done'
	wait_for logged tty /dev/
	kill_monitor tty
	expect 0 run_stor wait tty
	expect 0 run_stor rm tty
	nothing_left
}

run_tests "$@"
