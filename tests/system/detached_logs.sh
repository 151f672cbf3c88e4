#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor logs: what a detached container wrote, while it writes, and when the log is cut.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

# made NAME SCRIPT [OPTION…]: a container that ran it, and has ended.
made() {
	local name=$1 script=$2
	shift 2
	expect 0 run_stor run -d --name "$name" "$@" sh -c "$script"
	expect 0 run_stor wait "$name"
}

test_streams_are_told_apart() {
	made two 'echo out 1; echo err 1 >&2; printf "out 2"; printf "err 2" >&2'
	expect 0 run_stor logs two
	out_is 'out 1
out 2'
	same "$(cat "$ERR")" 'err 1
err 2'
	expect 0 run_stor logs --stream stderr two
	out_is ''
	expect 0 run_stor logs --stream stdout two
	same "$(cat "$ERR")" ''
	expect 2 run_stor logs --stream both two
}

# Bytes, long lines, lines without an end, empty ones: all as it was.
test_bytes_are_those_that_were_written() {
	expect 0 run_stor volume create data
	made bytes 'head -c 300000 /dev/urandom >/data/b; printf "\n\n\nx" >>/data/b; cat /data/b' --mount type=volume,src=data,dst=/data
	run_stor logs bytes >read-back
	cmp read-back "$(find "$STOR_STORE/volumes/data" -name b)" ||
		fail 'the log is not what was written'
}

test_tail() {
	made lines 'i=1; while [ $i -le 9 ]; do echo $i; i=$((i+1)); done; printf 10'
	expect 0 run_stor logs --tail 3 lines
	out_is '8
9
10'
	expect 0 run_stor logs -n 0 lines
	out_is ''
	expect 0 run_stor logs -n 100 lines
	same "$(wc -l <"$OUT")" 9
	expect 0 run_stor logs -n all lines
	same "$(wc -l <"$OUT")" 9
	expect 2 run_stor logs -n x lines
}

test_times() {
	local middle
	expect 0 run_stor run -d --name times sh -c 'echo before; while [ ! -e /go ]; do sleep 0.05; done; echo after'
	wait_for logged times before
	sleep 1.1
	middle=$(date -u +%FT%T.%NZ)
	sleep 1.1
	touch "/proc/$(pid_of times)/root/go"
	expect 0 run_stor wait times
	expect 0 run_stor logs --since "$middle" times
	out_is after
	expect 0 run_stor logs --until "$middle" times
	out_is before
	expect 0 run_stor logs --since "$(date -u -d "$middle" +%s)" times
	out_is after
	expect 0 run_stor logs --since 1d times
	out_is 'before
after'
	expect 0 run_stor logs --since "${middle%.*}" times
	out_is after
	expect 0 run_stor logs --since 2030-01-01 times
	out_is ''
	expect 2 run_stor logs --since yesterday times
	expect 0 run_stor logs -t times
	out_has '^20[0-9][0-9]-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z before$'
	same "$(wc -l <"$OUT")" 2
}

test_follow() {
	expect 0 run_stor run -d --name long sh -c 'i=0; while [ ! -e /stop ]; do echo $i; i=$((i+1)); sleep 0.02; done; printf end'
	timeout 60 "$STOR" logs -f long >followed &
	timeout 60 "$STOR" logs -f -n 1 long >last &
	sleep 0.5
	[ "$(wc -l <followed)" -gt 5 ] || fail "nothing followed"
	touch "/proc/$(pid_of long)/root/stop"
	wait %1 %2
	run_stor logs long | cmp - followed || fail "not all was followed"
	same "$(tail -n1 followed)" end
	same "$(tail -n1 last)" end
	# Of one that has ended: to its end.
	expect 0 timeout 20 "$STOR" logs -f long
	cmp "$OUT" followed
}

test_the_log_is_cut() {
	local id
	expect 0 run_stor run -d --name cut --log-opt max-size=20K --log-opt max-file=3 sh -c 'while [ ! -e /go ]; do sleep 0.02; done; i=0; while [ $i -lt 5000 ]; do echo "line $i"; i=$((i+1)); done; while [ ! -e /end ]; do sleep 0.02; done'
	id=$(id_of cut)
	timeout 60 "$STOR" logs -f cut >followed &
	sleep 0.2
	touch "/proc/$(pid_of cut)/root/go"
	wait_for logged cut 'line 4999'
	same "$(cd "$STOR_STORE/containers/$id" && echo log*)" 'log log.1 log.2'
	# What came at once is not torn apart.
	for part in "$STOR_STORE/containers/$id"/log*; do
		[ "$(stat -c %s "$part")" -lt 1200000 ] || fail "$part is too long"
	done
	expect 0 run_stor logs cut
	# The oldest line that is left may have lost its beginning.
	tail -n +2 "$OUT" >whole
	diff <(seq -f 'line %.0f' $((5000 - $(wc -l <whole))) 4999) whole >difference || fail "$(head difference)"
	touch "/proc/$(pid_of cut)/root/end"
	wait
	same "$(tail -n1 followed)" 'line 4999'
	expect 0 run_stor rm cut
	[ ! -e "$STOR_STORE/containers/$id" ] || fail 'the log is left'
	expect 125 run_stor run --log-opt max-size=x true
	expect 125 run_stor run --log-opt color=red true
	nothing_left
}

test_a_terminal_has_one_stream() {
	expect 0 run_stor run -dt --name tty sh -c 'echo out; echo err >&2; tty'
	expect 0 run_stor wait tty
	expect 0 run_stor logs tty
	same "$(tr -d '\r' <"$OUT" | head -n 2)" 'out
err'
	out_has /dev/pts/
}

run_tests "$@"
