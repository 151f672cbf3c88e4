#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor exec: a command joins a container in everything, and may do no more than the container.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

web() { expect 0 run_stor run -d --name web "$@" sleep 1000; }
end_web() { expect 0 run_stor rm -f web; nothing_left; }

test_exit_statuses() {
	web
	expect 0 run_stor exec web true
	expect 0 run_stor exec web -- true
	expect 42 run_stor exec web sh -c 'exit 42'
	expect 127 run_stor exec web no-such-command
	err_has 'command "no-such-command" not found'
	expect 126 run_stor exec web /etc/passwd
	expect 137 run_stor exec web sh -c 'kill -KILL $$'
	expect 125 run_stor exec -u nobody-there web true
	expect 125 run_stor exec -w relative web true
	expect 125 run_stor exec nobody true
	err_has 'no container nobody'
	expect 125 run_stor exec web
	expect 125 run_stor exec -dt web true
	expect 0 run_stor stop -t 0 web
	expect 125 run_stor exec web true
	err_has '^stor: container web does not run$'
	err_has '^  hint: stor start web starts it'
	end_web
}

test_it_joins_everything() {
	local ns pid
	web --hostname inside --pids-limit 50
	pid=$(pid_of web)
	for ns in mnt pid net ipc uts cgroup; do
		same "$(run_stor exec web readlink /proc/self/ns/$ns)" "$(readlink "/proc/$pid/ns/$ns")"
	done
	same "$(run_stor exec web hostname)" inside
	same "$(run_stor exec web sh -c 'echo /proc/[0-9]*' | wc -w)" 2
	same "$(run_stor exec web cat /proc/1/cmdline | tr '\0' ' ')" 'sleep 1000 '
	# The first process and this one are in the same cgroup of each hierarchy.
	same "$(run_stor exec web cat /proc/self/cgroup)" "$(run_stor exec web cat /proc/1/cgroup)"
	end_web
}

# All of it by one descriptor of its first process, whose number may be another's a moment later: the
# namespaces in two calls, since a process is only born into that of the processes.
test_it_joins_by_a_pidfd() {
	local fd all='CLONE_NEWNS|CLONE_NEWCGROUP|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWNET'
	web
	# Sanitizers look for leaks as strace does.
	export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
	strace -f -qq -o trace -e trace=pidfd_open,setns,openat "$STOR" exec web true
	fd=$(sed -n "s/.*pidfd_open($(pid_of web), .*= \([0-9]*\)\$/\1/p" trace | tail -n 1)
	same "$(sed -n "s/.*setns($fd, \([A-Z_|]*\)) *= 0.*/\1/p" trace | tr '|' '\n' | sort | tr '\n' ' ')" \
		"$(printf '%s\n' ${all//|/ } CLONE_NEWPID | sort | tr '\n' ' ')"
	same "$(grep -c "setns($fd, " trace)" 2
	! grep '/proc/[0-9]*/ns/' trace || fail 'it opens namespaces by a number'
	end_web
}

# As a command of the container itself.
test_it_has_the_privileges_of_the_container() {
	local what='CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp:|Uid|Gid|Groups'
	expect 0 run_stor run -d --name web --cap-drop NET_RAW --cap-add SYS_TIME --ulimit nofile=100:200 -u 0:12 --group-add 34 \
		sh -c "grep -E '$what' /proc/self/status; ulimit -n; umask; exec sleep 1000"
	wait_for logged web 0022
	run_stor logs web >first
	expect 0 run_stor exec web sh -c "grep -E '$what' /proc/self/status; ulimit -n; umask"
	diff first "$OUT" || fail "it is not the same"
	# And no more descriptors than its three.
	expect 0 run_stor exec web sh -c 'ls /proc/self/fd | wc -l'
	out_is 4
	expect 0 run_stor exec --cap-drop ALL web grep CapBnd /proc/self/status
	out_has '0000000000000000$'
	expect 0 run_stor exec --cap-add NET_ADMIN web sh -c 'grep CapEff /proc/self/status'
	same "$((0x$(awk '{print $2}' "$OUT") >> 12 & 1))" 1
	end_web
}

test_user_environment_directory() {
	web -e A=container -e B=kept -w /tmp -u 65534:65534
	same "$(run_stor exec web sh -c 'echo $A $B $(pwd) $(id -u):$(id -g) $HOME')" \
		"container kept /tmp 65534:65534 $(run_stor exec web sh -c 'grep :65534: /etc/passwd | cut -d: -f6' | head -n1 | grep . || echo /)"
	printf 'C=file\n' >list
	same "$(D=passed run_stor exec -e A=exec --env-file list -e D -w / -u 0 web sh -c 'echo $A $B $C $D $(pwd) $(id -u) $HOME')" \
		'exec kept file passed / 0 /root'
	end_web
}

# The container's own command has its directory made; one that joins it changes nothing.
test_a_missing_directory() {
	local root
	web -w /made/for/it
	root=/proc/$(pid_of web)/root
	same "$(run_stor exec web pwd)" /made/for/it
	expect 125 run_stor exec -w /not/there web true
	err_has '^stor: working directory /not/there is not in the container$'
	err_has '^  hint: make it there first \(mkdir -p\), or give another one with --workdir$'
	[ ! -e "$root/not" ] || fail 'it was made'
	expect 125 run_stor exec -d -w /not/there web true
	[ ! -e "$root/not" ] || fail 'it was made'
	expect 125 run_stor exec -w /etc/passwd web true
	err_has '^stor: working directory /etc/passwd: Not a directory$'
	# Nor is that of the container made again.
	rmdir "$root/made/for/it"
	expect 125 run_stor exec web true
	err_has '^stor: working directory /made/for/it is not in the container$'
	expect 0 run_stor exec -w / web mkdir /made/for/it
	same "$(run_stor exec web pwd)" /made/for/it
	end_web
}

test_input_and_output() {
	web
	same "$(echo line | run_stor exec -i web sh -c 'read x; echo got $x')" 'got line'
	same "$(echo line | run_stor exec web sh -c 'read x; echo got $x')" got
	expect 0 run_stor exec web sh -c 'echo out; echo err >&2'
	out_is out
	same "$(cat "$ERR")" err
	# The container's log has nothing of it.
	expect 0 run_stor logs web
	out_is ''
	head -c 1000000 /dev/zero | run_stor exec -i web wc -c >"$OUT"
	out_is 1000000
	end_web
}

test_terminal() {
	web
	# shellcheck disable=SC2016 # the container's shell expands it
	script -qec "stty rows 33 cols 99; $STOR exec -it web sh -c 'tty; stty size; echo \$TERM; exit 5'" /dev/null <<<'' >typed || status=$?
	same "${status:-0}" 5
	tr -d '\r' <typed | grep -A2 /dev/pts/ >lines
	same "$(sed -n '2,3p' lines | tr '\n' ' ')" '33 99 xterm '
	# Standard input is not a terminal here.
	expect 125 run_stor exec -it web cat </dev/null
	err_has '^stor: --tty with --interactive: standard input is not a terminal$'
	err_has '^  hint: leave out --tty, or --interactive$'
	expect 0 run_stor exec -t web tty </dev/null
	out_has '^/dev/pts/'
	end_web
}

test_it_ends_with_its_stor() {
	local root
	web
	root=/proc/$(pid_of web)/root
	"$STOR" exec web sh -c 'echo >/begun; sleep 1000' &
	wait_for [ -e "$root/begun" ]
	kill -9 $!
	wait_for no_sleep_but_one
	# Signals are handed on.
	"$STOR" exec web sh -c 'trap "exit 9" TERM; echo >/ready; while :; do sleep 0.05; done' &
	wait_for [ -e "$root/ready" ]
	kill $!
	wait $! || same $? 9
	end_web
}
no_sleep_but_one() { [ "$(run_stor exec web sh -c 'cat /proc/[0-9]*/comm' 2>/dev/null | grep -cx sh)" -le 1 ]; }

test_it_ends_with_the_container() {
	web
	"$STOR" exec web sleep 1000 &
	sleep 0.3
	expect 0 run_stor kill web
	local status=0
	wait $! || status=$?
	same $status 137
	expect 0 run_stor wait web
	end_web
}

test_detached() {
	local root
	web
	root=/proc/$(pid_of web)/root
	same "$(timeout 20 "$STOR" exec -d web sh -c 'echo lost; echo >/begun; while [ ! -e /go ]; do sleep 0.05; done; echo >/ended')" ''
	wait_for [ -e "$root/begun" ]
	touch "$root/go"
	wait_for [ -e "$root/ended" ]
	expect 127 run_stor exec -d web no-such-command
	expect 0 run_stor exec -d web sleep 1000
	end_web
}

# What runs beside the first process is paused, measured and killed with it.
test_it_is_paused_with_the_container() {
	local root before
	web
	trap 'run_stor resume web >/dev/null 2>&1 || true' EXIT
	root=/proc/$(pid_of web)/root
	expect 0 run_stor exec -d web sh -c 'while :; do date +%s%N >/now; sleep 0.02; done'
	wait_for [ -s "$root/now" ]
	expect 0 run_stor pause web
	sleep 0.1
	before=$(cat "$root/now")
	sleep 0.3
	same "$(cat "$root/now")" "$before"
	expect 125 run_stor exec web true
	err_has 'is paused'
	expect 0 run_stor resume web
	expect 0 run_stor exec web true
	same "$(run_stor stats --no-stream --format json web | jq '.[0].payload.pids')" 3
	end_web
}

test_a_foreground_container() {
	"$STOR" run --rm --name web -e A=b sleep 1000 &
	wait_for has_status web running
	same "$(run_stor exec web sh -c 'echo $A')" b
	expect 0 run_stor kill web
	wait || true
	nothing_left
}

# The program that joins is stor's, and seen from inside.
test_its_program_cannot_be_written() {
	local sum
	sum=$(sha256sum <"$STOR")
	expect 0 run_stor run -d --name web --cap-add SYS_PTRACE --security-opt seccomp=unconfined sh -c \
		'while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || (echo x >>$p/exe) 2>/dev/null && [ ! -e $p/nothing ] && [ -w $p/exe ] && readlink $p/exe; done; done'
	for _ in $(seq 30); do run_stor exec web true; done
	same "$(sha256sum <"$STOR")" "$sum"
	expect 126 run_stor exec web /proc/self/exe
	expect 126 run_stor exec -w /proc/self web ./exe
	end_web
}

test_many_at_once() {
	local n pids=()
	web --pids-limit 200
	for n in $(seq 12); do
		run_stor exec web sh -c "echo $n; sleep 0.1; exit $n" >"out$n" &
		pids+=($!)
	done
	for n in $(seq 12); do
		local status=0
		wait "${pids[n - 1]}" || status=$?
		same "$status $(cat "out$n")" "$n $n"
	done
	end_web
}

run_tests "$@"
