#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Commands on one container that meet at a certain step: one of them stands still there, and the other
# comes between. Who holds a lock keeps the other waiting; who looks while something is just being
# made, renamed or removed finds it, or waits for its end.
# shellcheck source=tests/lib.sh
TIME_LIMIT=600
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kill.sh
. "$TOP/tests/kill.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

is_stopped() { grep -qs '^State:.T' "/proc/$1/status"; }
has_ended() { [[ $(cat "/proc/$1/stat" 2>/dev/null) != *") "[^ZX]* ]]; }
monitor_below() { pgrep -P "$1" | head -n 1; }
monitor_is_stopped() { is_stopped "$(monitor_below "$1")"; }
# It has the file open in which all locks are: it waits for one, when somebody else holds it.
waits_for_lock() { readlink "/proc/$1/fd/"* 2>/dev/null | grep -qxF "$STOR_STATE/locks"; }
# A command has come to a lock, to the step at which it is to stop, or to its end.
has_come() {
	local pid
	for pid in "$1" $(monitor_below "$1"); do
		if is_stopped "$pid" || waits_for_lock "$pid" || has_ended "$1"; then return 0; fi
	done
	return 1
}
# goes_on PID: it and its monitor.
goes_on() { kill -CONT "$1" "$(monitor_below "$1")"; }
# ended PID: its exit status is in $status.
ended() { status=0 && wait "$1" || status=$?; }

steps() {
	kill_build
	STOR=$KILL/stor
	# What stands still at a step would outlive the test.
	trap 'kill -KILL $(jobs -p) 2>/dev/null || true' EXIT
}

# Between the look that it does not run and the mark that it does, no other start, no removal, no
# collector and no rename comes.
test_a_claim_is_made_alone() {
	local first second status
	steps
	expect 0 run_stor create --name web sleep 1000
	STOR_STOP_AT=container-claiming "$STOR" start web >out1 2>err1 &
	first=$!
	wait_for monitor_is_stopped $first
	STOR_STOP_AT=container-claiming "$STOR" start web >out2 2>err2 &
	second=$!
	wait_for has_come $second
	! monitor_is_stopped $second || fail 'both claim it at once'
	goes_on $first
	ended $first
	same "$status $(cat out1 err1)" '0 web'
	# It looks again when it has the lock.
	is_decided() { has_ended $second || monitor_is_stopped $second; }
	wait_for is_decided
	! monitor_is_stopped $second || fail 'it claims what runs'
	ended $second
	same "$status" 4
	grep -q "^stor: container $(id_of web) is running" err2 || fail "$(cat err2)"
	same "$(find "$STOR_STATE/live" -type f | wc -l)" 1
	has_status web running
	expect 0 run_stor rm -f web
	nothing_left
}

# comes_between COMMAND…: while a start claims, it waits; its status and words are in $status and err2.
comes_between() {
	local first second
	STOR_STOP_AT=container-claiming "$STOR" start web >out1 2>err1 &
	first=$!
	wait_for monitor_is_stopped $first
	"$STOR" "$@" >out2 2>err2 &
	second=$!
	wait_for has_come $second
	! has_ended $second || fail "$*: it did not wait: $(cat out2 err2)"
	goes_on $first
	ended $first
	same "$status $(cat out1 err1)" '0 web'
	ended $second
}

test_others_wait_for_a_claim() {
	local status
	steps
	expect 0 run_stor create --name web sleep 1000
	comes_between rm web
	same "$status" 4
	grep -q 'is running' err2 || fail "$(cat err2)"
	has_status web running
	expect 0 run_stor stop -t 0 web
	comes_between update --label seen=yes web
	same "$status $(cat err2)" '0 '
	same "$(run_stor inspect web | jq -r '.[0].labels.seen')" yes
	has_status web running
	expect 0 run_stor stop -t 0 web
	comes_between rename web other
	same "$status $(cat err2)" '0 '
	has_status other running
	expect 0 run_stor rm -f other
	nothing_left
}

# Nor does a start claim what is just being removed, or forgotten by a collector.
test_a_claim_waits_for_a_removal() {
	local id remover starter status
	steps
	expect 0 run_stor create --name web sleep 1000
	id=$(id_of web)
	STOR_STOP_AT=container-remove-name "$STOR" rm web 2>err1 &
	remover=$!
	wait_for is_stopped $remover
	"$STOR" start "$id" >out2 2>err2 &
	starter=$!
	wait_for has_come $starter
	! has_ended $starter || fail "it did not wait: $(cat out2 err2)"
	kill -CONT $remover
	ended $remover
	same "$status $(cat err1)" '0 '
	ended $starter
	same "$status $(cat err2)" "3 stor: no container $id
  hint: stor ps -a lists them"
	nothing_left
}

# Two find that the holder of a name is gone: it is freed once, and not from who has it by then.
test_a_name_is_freed_once() {
	local first second status
	steps
	expect 0 run_stor create --name other true
	ln -s aaaaaaaaaaaa "$STOR_STORE/names/web"
	STOR_STOP_AT=name-stale "$STOR" create --name web true >out1 2>err1 &
	first=$!
	wait_for is_stopped $first
	"$STOR" create --name web true >out2 2>err2 &
	second=$!
	wait_for has_come $second
	! has_ended $second || fail "it did not wait: $(cat out2 err2)"
	kill -CONT $first
	local statuses=''
	ended $first
	statuses+=$status
	ended $second
	statuses+=" $status"
	[[ $statuses =~ ^(0\ 125|125\ 0)$ ]] || fail "create and create: $statuses: $(cat err1 err2)"
	grep -hq 'the name web is taken by container' err1 err2 || fail "$(cat err1 err2)"
	# Whoever was told that it has the name has it.
	same "$(id_of web)" "$(cat out1 out2)"
	same "$(run_stor ps -a --format '{{.name}}' | sort | tr '\n' ' ')" 'other web '
	expect 0 run_stor rm web other
	nothing_left
}

# Under its old name, its new one and its id it is found at each step, and listed once.
test_a_rename_hides_nothing() {
	local id step renamer name status
	steps
	expect 0 run_stor run -d --name one sleep 1000
	id=$(id_of one)
	for step in container-named container-renamed; do
		STOR_STOP_AT=$step "$STOR" rename one two 2>err &
		renamer=$!
		wait_for is_stopped $renamer
		for name in one two "$id" "${id:0:6}"; do
			expect 0 run_stor inspect "$name"
			same "$(jq -r '.[0].id' "$OUT")" "$id"
			expect 0 run_stor exec "$name" true
		done
		expect 0 run_stor ps -q
		same "$(cat "$OUT")" "$id"
		# Neither name can be had.
		for name in one two; do
			expect 125 run_stor create --name $name true
			err_has "the name $name is taken by container $id"
		done
		expect 0 run_stor gc
		same "$(cat "$OUT")" ''
		kill -CONT $renamer
		ended $renamer
		same "$status $(cat err)" '0 '
		expect 3 run_stor inspect one
		expect 0 run_stor rename two one
	done
	expect 0 run_stor rm -f one
	nothing_left
}

# Killed at such a step, it has one name or the other, and the next command goes on from there.
test_killed_at_a_step() {
	local id step
	steps
	for step in container-named container-renamed; do
		expect 0 run_stor run -d --name one sleep 1000
		id=$(id_of one)
		expect 137 env STOR_KILL_AT=$step "$STOR" rename one two
		expect 0 run_stor ps --format '{{.ID}} {{.Name}}'
		[[ $(cat "$OUT") =~ ^$id\ (one|two)$ ]] || fail "$step: $(cat "$OUT")"
		expect 0 run_stor rename "$id" three
		expect 0 run_stor exec three true
		expect 0 run_stor rm -f three
		# What it left of names is nobody's.
		expect 0 run_stor create --name one true
		expect 0 run_stor create --name two true
		expect 0 run_stor rm one two
		nothing_left
	done
	expect 0 run_stor create --name web sleep 1000
	# Its monitor dies there, and it has not been started.
	expect 1 env STOR_KILL_AT=container-claiming "$STOR" start web
	err_has 'monitor died before it had started'
	has_status web created
	expect 0 run_stor start web
	expect 0 run_stor rm -f web
	ln -s aaaaaaaaaaaa "$STOR_STORE/names/web"
	expect 137 env STOR_KILL_AT=name-stale "$STOR" create --name web true
	expect 0 run_stor create --name web true
	# The one that was killed has no name, and is found by its id.
	expect 0 run_stor rm $(run_stor ps -aq)
	nothing_left
}

# named NAME: it leads to the container, which says that this is its name; and it has no other.
named() {
	same "$(run_stor ps -a --format '{{.ID}} {{.Name}}')" "$(id_of "$1") $1"
	same "$(ls "$STOR_STORE/names")" "$1"
}

# renamed_at STEP COMMAND…: its monitor stands still there while the container is renamed. Its status
# is in $status.
renamed_at() {
	local first renamer
	STOR_STOP_AT=$1 "$STOR" "${@:2}" >out1 2>err1 &
	first=$!
	wait_for monitor_is_stopped $first
	"$STOR" rename one two 2>err2 &
	renamer=$!
	sleep 0.5
	goes_on $first
	ended $renamer
	same "$status $(cat err2)" '0 '
	ended $first
}

# What begins writes what it has become; a new name that it was given meanwhile stays.
test_a_rename_while_it_begins() {
	local status
	steps
	renamed_at root-prepared run -d --name one sleep 1000
	same "$status $(cat err1)" '0 '
	named two
	expect 0 run_stor rm -f two
	# Nor does a start that fails give it the old name back.
	expect 0 run_stor create --name one /missing
	renamed_at container-begun start one
	same "$status $(cat err1)" '3 stor: command "/missing" not found in the container'
	named two
	expect 0 run_stor rm two
	nothing_left
}

# With --rm, its name goes with it, and not that of another, which has its old one.
test_a_rename_while_it_ends() {
	local id monitor renamer status step
	steps
	STOR_STOP_AT=container-ending "$STOR" run -d --rm --name one sleep 1000 >"$OUT"
	monitor=$(monitor_of one)
	expect 0 run_stor kill one
	wait_for is_stopped "$monitor"
	"$STOR" rename one two 2>err &
	renamer=$!
	sleep 0.5
	expect 125 run_stor create --name one true
	kill -CONT "$monitor"
	ended $renamer
	same "$status $(grep -c 'no container' err)" '3 1'
	same "$(ls "$STOR_STORE/names")" ''
	# One that has begun before finds that it is gone.
	is_gone() { [ ! -e "$STOR_STORE/containers/$id/record" ]; }
	for step in container-named container-renamed; do
		expect 0 run_stor run -d --rm --name one sleep 1000
		STOR_STOP_AT=$step "$STOR" rename one two 2>err &
		renamer=$!
		wait_for is_stopped $renamer
		id=$(id_of one)
		expect 0 run_stor kill "$id"
		wait_for is_gone
		kill -CONT $renamer
		ended $renamer
		same "$step: $status $(grep -c 'no container' err)" "$step: 3 1"
		same "$(ls "$STOR_STORE/names")" ''
	done
	nothing_left
}

# Nobody starts it again: that was said before its record was written.
test_a_stop_while_it_begins() {
	local first stopper status
	steps
	STOR_STOP_AT=root-prepared "$STOR" run -d --restart always --name one sleep 1000 >out1 2>err1 &
	first=$!
	wait_for monitor_is_stopped $first
	"$STOR" stop -t 0 one 2>err2 &
	stopper=$!
	wait_for grep -q stopped "$STOR_STORE/containers/$(id_of one)/record"
	goes_on $first
	ended $first
	same "$status $(cat err1)" '0 '
	ended $stopper
	same "$status $(cat err2)" '0 '
	grep -q 'stopped=yes' "$STOR_STORE/containers/$(id_of one)/record" || fail 'it is forgotten'
	sleep 1
	has_status one exited
	expect 0 run_stor rm one
	nothing_left
}

# Its record is gone, its monitor not yet: who waited for it gets its exit code, and only then is a
# stop over.
test_an_end_is_awaited_beyond_the_record() {
	local step id monitor waiter stopper status
	steps
	for step in container-remove-name container-spare container-ended; do
		STOR_STOP_AT=$step "$STOR" run -d --rm --name gone -v "$T:/host" sh -c \
			'trap "exit 7" TERM; echo >/host/ready; while :; do sleep 0.05; done' >"$OUT"
		id=$(cat "$OUT")
		monitor=$(monitor_of gone)
		wait_for [ -e ready ]
		"$STOR" wait gone >waited 2>err1 &
		waiter=$!
		watches() { readlink "/proc/$1/fd/"* 2>/dev/null | grep -q "/containers/$id/record"; }
		wait_for watches $waiter
		"$STOR" stop -t 1 gone 2>err2 &
		stopper=$!
		wait_for is_stopped "$monitor"
		# They look again when something in its folder changes, and after a second; so let them.
		looks_again() { [ "$(awk '/^voluntary/ { print $2 }' "/proc/$1/status" 2>/dev/null || echo 999999)" -gt "$2" ]; }
		for pid in $waiter $stopper; do
			wait_for looks_again "$pid" $(($(awk '/^voluntary/ { print $2 }' "/proc/$pid/status" 2>/dev/null || echo 0) + 2))
			! has_ended "$pid" || fail "$step: it did not wait: $(cat waited err1 err2)"
		done
		kill -CONT "$monitor"
		ended $waiter
		same "$step: $status $(cat waited err1)" "$step: 0 7"
		ended $stopper
		same "$step: $status $(cat err2)" "$step: 0 "
		! compgen -G "$STOR_STATE/live/*.$id" >/dev/null || fail "$step: it was not over"
		rm ready
	done
	nothing_left
}

# A volume that is not there is made; unless somebody else has just done so, and then that one is it.
test_a_volume_that_somebody_else_makes_is_found() {
	local first status
	steps
	STOR_STOP_AT=volume-missing "$STOR" run --rm -v data:/data sh -c 'cat /data/word' >out1 2>err1 &
	first=$!
	wait_for is_stopped $first
	expect 0 run_stor run --rm -v data:/data sh -c 'echo other >/data/word'
	kill -CONT $first
	ended $first
	same "$status $(cat out1 err1)" '0 other'
	expect 0 run_stor volume rm data
	nothing_left
}

run_tests "$@"
