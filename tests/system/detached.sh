#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Containers that run on when stor has returned: run -d, create, start, wait, kill, stop, restart,
# rm -f.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

test_run_returns_when_it_runs() {
	for b in dir loop; do
		expect 0 run_stor run -d --backend $b --name web sleep 1000
		out_is "$(id_of web)"
		same "$(status_of web)" running
		[ -d "/proc/$(pid_of web)" ] || fail "no process"
		expect 0 run_stor rm -f web
		nothing_left
	done
}

test_start_that_fails_leaves_nothing() {
	expect 127 run_stor run -d no-such-command
	err_has 'command "no-such-command" not found'
	expect 126 run_stor run -d /etc
	expect 125 run_stor run -d --image none true
	expect 125 run_stor run -d --workdir relative true
	nothing_left
}

# What holds a terminal or a pipe of the starter would keep it open.
test_it_is_free_of_its_starter() {
	local monitor
	same "$(timeout 20 "$STOR" run -d --name web sleep 1000 2>&1)" "$(id_of web)"
	monitor=$(monitor_of web)
	same "$(ps -o sid= -p "$monitor" | tr -d ' ')" "$monitor"
	same "$(readlink "/proc/$monitor/cwd")" /
	for fd in 0 1 2; do same "$(readlink "/proc/$monitor/fd/$fd")" /dev/null; done
	# Over a terminal that goes away.
	timeout 20 script -qec "$STOR run -d --name tty sleep 1000" /dev/null >/dev/null
	sleep 0.2
	same "$(status_of tty)" running
	expect 0 run_stor rm -f web tty
	nothing_left
}

test_the_monitor_is_small() {
	local b bytes
	for b in dir loop ploop; do
		expect 0 run_stor run -d --backend $b --name "on-$b" sleep 1000
		bytes=$(awk '/^Private_(Clean|Dirty)/ { n += $2 } END { print n }' \
			"/proc/$(monitor_of "on-$b")/smaps_rollup")
		echo "# $b: $bytes KiB"
		# A sanitizer's shadow is another matter.
		[ -n "${SAN:-}" ] || [ "$bytes" -lt 1024 ] || fail "$b: $bytes KiB of its own"
	done
	expect 0 run_stor rm -f on-dir on-loop on-ploop
	nothing_left
}

test_wait_tells_the_exit_code() {
	expect 0 run_stor run -d --name seven sh -c 'sleep 0.3; exit 7'
	expect 0 run_stor wait seven
	out_is 7
	expect 0 run_stor wait seven
	out_is 7
	same "$(status_of seven)" exited
	expect 0 run_stor run -d --name other true
	expect 0 run_stor wait seven other
	out_is "7
0"
	expect 3 run_stor wait nobody
	# One that goes away with its end.
	expect 0 run_stor run -d --rm --name gone sh -c 'sleep 0.5; exit 9'
	expect 0 run_stor wait gone
	out_is 9
	wait_for [ ! -e "$STOR_STORE/names/gone" ]
	expect 0 run_stor rm seven other
	nothing_left
}

test_signals() {
	expect 0 run_stor run -d --name trap sh -c 'trap "echo got it" USR1; trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done'
	wait_for logged trap ready
	expect 0 run_stor kill -s SIGUSR1 trap
	wait_for logged trap 'got it'
	expect 0 run_stor kill --signal 15 trap
	expect 0 run_stor wait trap
	out_is 5
	expect 1 run_stor kill trap
	err_has 'does not run'
	expect 2 run_stor kill -s NONSENSE trap
	expect 0 run_stor start trap
	expect 0 run_stor kill trap
	expect 0 run_stor wait trap
	out_is 137
	# As from outside.
	expect 0 run_stor start trap
	kill -9 "$(pid_of trap)"
	expect 0 run_stor wait trap
	out_is 137
	expect 0 run_stor rm trap
	nothing_left
}

test_stop() {
	local from
	expect 0 run_stor run -d --name kind sh -c 'trap "echo bye; exit 3" TERM; echo ready; while :; do sleep 0.05; done'
	expect 0 run_stor run -d --name deaf --stop-timeout 1 sleep 1000
	expect 0 run_stor run -d --name int --stop-signal INT sh -c 'trap "exit 4" INT; echo ready; while :; do sleep 0.05; done'
	wait_for logged kind ready
	wait_for logged int ready
	from=$SECONDS
	expect 0 run_stor stop kind int deaf
	[ $((SECONDS - from)) -lt 8 ] || fail "the time to stop is not its own"
	expect 0 run_stor wait kind int deaf
	out_is "3
4
137"
	# It was asked before it was killed.
	logged kind bye
	# What does not run is stopped.
	expect 0 run_stor stop kind
	expect 0 run_stor start kind
	wait_for logged kind ready
	expect 0 run_stor stop -s KILL -t 100 kind
	expect 0 run_stor wait kind
	out_is 137
	expect 2 run_stor stop -t x kind
	expect 0 run_stor rm kind int deaf
	nothing_left
}

test_the_stop_signal_of_an_image() {
	mkdir -p rootfs/bin
	cp "$(command -v busybox)" rootfs/bin/busybox
	ln -s busybox rootfs/bin/sh
	ln -s busybox rootfs/bin/sleep
	expect 0 run_stor image import rootfs plain
	expect 0 run_stor run -d --image plain --name one --stop-signal SIGQUIT sh -c 'trap "exit 6" QUIT; echo ready; while :; do sleep 0.05; done'
	wait_for logged one ready
	expect 0 run_stor stop one
	expect 0 run_stor wait one
	out_is 6
	expect 0 run_stor rm one
}

test_create_and_start() {
	for b in dir loop; do
		expect 0 run_stor create --backend $b --name later -e A=b -w /tmp -u 65534:65534 --hostname h \
			--tmpfs /scratch sh -c 'echo $A $(pwd) $(id -u) $(hostname); grep -q " /scratch " /proc/mounts || exit 1; echo x >>/tmp/x; exit 4'
		out_is "$(id_of later)"
		same "$(status_of later)" created
		expect 0 run_stor gc
		out_is ""
		expect 0 run_stor start later
		out_is later
		expect 0 run_stor wait later
		out_is 4
		expect 0 run_stor logs later
		out_is 'b /tmp 65534 h'
		# The same root once more, and the log goes on.
		expect 0 run_stor start later
		expect 0 run_stor wait later
		expect 0 run_stor logs later
		out_is 'b /tmp 65534 h
b /tmp 65534 h'
		expect 0 run_stor rm later
		nothing_left
	done
	expect 3 run_stor start nobody
	expect 125 run_stor create --image none
	nothing_left
}

# Everything that was asked for is asked for again.
test_start_has_all_options() {
	mkdir shared
	expect 0 run_stor volume create data
	expect 0 run_stor create --name all --pids-limit 77 --cap-drop ALL --cap-add CHOWN --read-only \
		-v "$T/shared:/shared" --mount type=volume,src=data,dst=/data --ulimit nofile=100:200 \
		--label a=b --shm-size 1M --security-opt seccomp=unconfined --init \
		sh -c 'cat /proc/self/limits | grep files; grep -E "CapBnd|Seccomp:" /proc/self/status; df -k /dev/shm | tail -n1
			echo "$(readlink /proc/1/exe)"; echo from >/shared/file; echo one >>/data/file; cat /data/file; touch /x || echo read-only'
	for i in 1 2; do
		expect 0 run_stor start all
		expect 0 run_stor wait all
		out_is 0
	done
	expect 0 run_stor logs all
	same "$(grep -c 'files  *100  *200' "$OUT")" 2
	same "$(grep -c 'CapBnd:.*0000000000000001$' "$OUT")" 2
	same "$(grep -c 'Seccomp:.*0$' "$OUT")" 2
	same "$(grep -c 'shm  *1024 ' "$OUT")" 2
	same "$(grep -c '^one$' "$OUT")" 3
	same "$(grep -c '^read-only$' "$OUT")" 2
	same "$(cat shared/file)" from
	same "$(run_stor ps -a --format json | jq -r '.[0].labels.a')" b
	expect 0 run_stor rm all
	expect 0 run_stor volume rm data
	nothing_left
}

# What ran in the foreground runs again, too.
test_start_after_a_foreground_run() {
	expect 3 run_stor run --name once sh -c 'echo $0; echo x >>/file; wc -l </file; exit 3'
	expect 3 run_stor logs once
	err_has 'no log'
	expect 0 run_stor start once
	expect 0 run_stor wait once
	out_is 3
	expect 0 run_stor logs once
	out_is "sh
2"
	expect 0 run_stor rm once
	nothing_left
}

test_start_on_a_volume_in_place() {
	expect 0 run_stor volume create --image busybox root
	expect 0 run_stor create --name on --root root sh -c 'echo x >>/file; wc -l </file'
	expect 0 run_stor start on
	expect 0 run_stor wait on
	expect 0 run_stor start on
	expect 0 run_stor wait on
	expect 0 run_stor logs on
	out_is "1
2"
	expect 0 run_stor rm on
	expect 0 run_stor volume rm root
}

test_restart() {
	local first
	expect 0 run_stor run -d --name web --stop-timeout 0 sleep 1000
	first=$(pid_of web)
	expect 0 run_stor restart web
	same "$(status_of web)" running
	[ "$(pid_of web)" != "$first" ] || fail "it is the same process"
	expect 0 run_stor stop web
	expect 0 run_stor restart web
	same "$(status_of web)" running
	expect 4 run_stor start web
	err_has 'is running'
	expect 0 run_stor rm -f web
	nothing_left
}

test_rm() {
	local id
	expect 0 run_stor run -d --name web sleep 1000
	expect 4 run_stor rm web
	err_has 'is running'
	expect 0 run_stor rm -f web
	expect 0 run_stor rm -f web
	expect 3 run_stor rm web
	expect 0 run_stor run -d --rm sleep 1000
	id=$(cat "$OUT")
	expect 0 run_stor rm -f -v "${id:0:7}"
	nothing_left
}

test_rm_takes_itself_away() {
	for b in dir loop; do
		expect 0 run_stor run -d --rm --backend $b --name gone true
		wait_for is_empty "$STOR_STORE/containers"
		wait_for is_empty "$STOR_STATE/live"
		nothing_left
	done
}

test_names_and_prefixes() {
	local id
	expect 0 run_stor run -d --name web sleep 1000
	id=$(id_of web)
	expect 0 run_stor kill -s URG "${id:0:6}" web "$id"
	# Those that can be are killed.
	expect 3 run_stor kill nobody web
	expect 0 run_stor wait web
	out_is 137
	expect 0 run_stor rm "${id:0:6}"
	nothing_left
}

# A paused one dies, too.
test_a_paused_one_is_stopped() {
	# A frozen process would outlive the test.
	trap 'run_stor resume still >/dev/null 2>&1 || true' EXIT
	expect 0 run_stor run -d --name still sleep 1000
	expect 0 run_stor pause still
	same "$(status_of still)" paused
	expect 0 run_stor stop -t 1 still
	expect 0 run_stor wait still
	out_is 137
	expect 0 run_stor start still
	expect 0 run_stor pause still
	expect 0 run_stor kill still
	expect 0 run_stor wait still
	out_is 137
	expect 0 run_stor start still
	expect 0 run_stor pause still
	expect 0 run_stor rm -f still
	nothing_left
}

# Of several operands each that fails is named, the others are handled, and the exit status is that
# of the first failure.
test_every_failing_operand_is_named() {
	expect 0 run_stor run -d --name up sleep 1000
	expect 0 run_stor create --name down true
	expect 3 run_stor rm nobody up down nothing
	same "$(grep '^stor: ' "$ERR")" "stor: no container nobody
stor: container $(id_of up) is running (stor process $(monitor_of up))
stor: no container nothing"
	same "$(status_of down)" ""
	expect 4 run_stor rm up nobody
	expect 0 run_stor rm -f up
	nothing_left
}

run_tests "$@"
