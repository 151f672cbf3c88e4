#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor attach and start -a: output, input, terminals, the keys to detach, and several watchers.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

test_output_and_exit_code() {
	local n
	expect 0 run_stor run -d --name web sh -c 'echo before; while [ ! -e /go ]; do sleep 0.02; done; i=0; while [ $i -lt 500 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done; exit 6'
	wait_for logged web before
	# Several watch at once, and each sees all of it.
	for n in 1 2 3; do
		timeout 60 "$STOR" attach web >"out$n" 2>"err$n" </dev/null &
	done
	sleep 0.5
	touch "/proc/$(pid_of web)/root/go"
	for n in 1 2 3; do
		local status=0
		wait "%$n" || status=$?
		same $status 6
		cmp "out$n" <(seq -f 'out %.0f' 0 499) || fail "output $n"
		cmp "err$n" <(seq -f 'err %.0f' 0 499) || fail "errors $n"
	done
	expect 125 run_stor attach web
	err_has 'does not run'
	expect 125 run_stor attach nobody
	expect 0 run_stor rm web
	nothing_left
}

test_a_watcher_that_stands_still_holds_nobody_up() {
	expect 0 run_stor run -d --name web sh -c 'while [ ! -e /go ]; do sleep 0.02; done; seq 1 100000; echo >/done; sleep 1000'
	mkfifo pipe
	# shellcheck disable=SC2217 # it keeps the pipe open, and reads nothing
	sleep 1000 <pipe &
	"$STOR" attach web >pipe </dev/null &
	sleep 0.3
	touch "/proc/$(pid_of web)/root/go"
	wait_for [ -e "/proc/$(pid_of web)/root/done" ]
	kill -9 %1 %2
	expect 0 run_stor rm -f web
	nothing_left
}

test_input() {
	expect 0 run_stor run -di --name web sh -c 'while read x; do echo "got $x"; [ "$x" != end ] || exit 3; done'
	# The end of one's input is not the end of the container's.
	(echo one; sleep 0.3) | timeout -s KILL 1 "$STOR" attach web >first || true
	same "$(cat first)" 'got one'
	local status=0
	printf 'two\nend\n' | timeout 60 "$STOR" attach web >second || status=$?
	same $status 3
	same "$(cat second)" 'got two
got end'
	expect 0 run_stor start web
	(echo end; sleep 5) | timeout -s KILL 2 "$STOR" attach --no-stdin web >third && fail 'it read' || true
	same "$(cat third)" ''
	expect 0 run_stor rm -f web
	nothing_left
}

test_signals_are_handed_on() {
	expect 0 run_stor run -d --name web sh -c 'trap "echo bye; exit 9" TERM; echo ready; while :; do sleep 0.02; done'
	wait_for logged web ready
	"$STOR" attach web >out </dev/null &
	sleep 0.3
	kill -TERM $!
	local status=0
	wait $! || status=$?
	same "$status $(cat out)" '9 bye'
	expect 0 run_stor start web
	wait_for has_status web running
	"$STOR" attach --sig-proxy=no web </dev/null 2>err &
	sleep 0.3
	kill -TERM $!
	wait $!
	grep -q 'detached from' err || fail 'no word'
	same "$(status_of web)" running
	expect 0 run_stor rm -f web
}

test_start_attached() {
	expect 0 run_stor create --name web sh -c 'echo out; echo err >&2; exit 4'
	expect 4 run_stor start -a web
	out_is out
	same "$(cat "$ERR")" err
	# Only what it writes this time.
	expect 4 run_stor start -a web
	out_is out
	expect 0 run_stor create -i --name in sh -c 'read x; echo got $x'
	same "$(echo line | run_stor start -ai in)" 'got line'
	expect 0 run_stor create --rm --name gone sh -c 'exit 5'
	expect 5 run_stor start -a gone
	expect 2 run_stor start -a web in
	expect 0 run_stor rm web in
	nothing_left
}

# typed COMMAND…: runs it in a terminal of 33 x 99, typing what its standard input says.
typed() { script -qec "stty rows 33 cols 99; $*" /dev/null; }

test_terminal() {
	expect 0 run_stor run -dit --name box sh
	{ sleep 0.5; printf 'stty size; echo $((40 + 2)); exit 7\r'; sleep 2; } | typed "$STOR attach box; echo status \$?" >seen
	tr -d '\r' <seen >text
	grep -qx '33 99' text || { cat text >&2; fail 'the size does not follow'; }
	grep -qx 42 text || fail 'it has not run'
	grep -qx 'status 7' text || fail "$(tail -n 2 text)"
	expect 0 run_stor rm box
	nothing_left
}

test_keys_detach() {
	expect 0 run_stor run -dit --name box sh
	{ sleep 0.5; printf 'echo begun\r'; sleep 0.3; printf '\020\021'; sleep 1; } | typed "$STOR attach box; echo status \$?" >seen
	grep -q 'detached from' seen || { cat seen >&2; fail 'it has not detached'; }
	tr -d '\r' <seen | grep -qx 'status 0' || fail 'status'
	same "$(status_of box)" running
	{ sleep 0.5; printf 'x'; sleep 1; } | typed "$STOR attach --detach-keys x box; echo status \$?" >seen
	tr -d '\r' <seen | grep -qx 'status 0' || fail 'own keys'
	same "$(status_of box)" running
	expect 125 run_stor attach --detach-keys ctrl-ä box
	err_has 'a list like'
	expect 0 run_stor rm -f box
}

test_a_terminal_that_is_gone() {
	expect 0 run_stor run -dit --name box sh -c 'trap "" HUP; while :; do sleep 0.05; done'
	kill -9 "$(monitor_of box)"
	sleep 0.1
	expect 125 run_stor attach box
	err_has 'its terminal is gone'
	expect 0 run_stor rm -f box
	nothing_left
}

run_tests "$@"
