#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A container is found by its name, its id and the beginning of its id, by every command that takes
# one; and those that take several do all of them.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

# Commands whose operand is a container, by their own help; "+" behind those that take several.
takers() {
	local command
	for command in $(run_stor --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p'); do
		run_stor "$command" --help | sed -n "s/^Usage: stor $command .*NAME|ID\(\.\.\.\)\?.*/$command\1/p"
	done | sed 's/\.\.\.$/+/'
}
# used COMMAND: it has been tried. What was not is a command that this file does not know yet.
TRIED=()
used() { TRIED+=("$1") && expect 0 run_stor "$@"; }

test_by_the_beginning_of_an_id() {
	local id short taken
	echo text >file
	expect 0 run_stor run -d --name web --pids-limit 50 sh -c 'echo begun; echo x >/etc/new; exec sleep 1000'
	id=$(id_of web)
	# Not so short that it could be a word of another kind.
	short=${id:0:5}
	wait_for logged web begun
	used exec "$short" true
	used logs "$short"
	out_is begun
	used inspect "$short"
	same "$(jq -r '.[0].name' "$OUT")" web
	used top "$short"
	used stats --no-stream "$short"
	used update --pids-limit 60 "$short"
	used pause "$short"
	trap 'run_stor resume web >/dev/null 2>&1 || true' EXIT
	used resume "$short"
	used cp file "$short:/tmp/"
	used cp "$short:/tmp/file" back
	same "$(cat back)" text
	used diff "$short"
	out_has '^A /etc/new$'
	used export "$short" root.tar
	used commit -q "$short" image
	used kill -s URG "$short"
	used restart -t 0 "$short"
	used stop -t 0 "$short"
	used wait "$short"
	out_is 137
	used start "$short"
	"$STOR" attach "$short" >attached </dev/null &
	TRIED+=(attach)
	watches() { readlink /proc/$!/fd/* 2>/dev/null | grep -q "/containers/$id/"; }
	wait_for watches
	expect 0 run_stor run --rm --net "container:$short" true
	expect 0 run_stor ps -q --filter "id=$short"
	out_is "$id"
	expect 0 run_stor events --filter "container=$short" --filter event=rename
	used rename "$short" tin
	expect 0 run_stor events --filter "container=$short" --filter event=rename --format '{{.ID}}'
	out_is "$id"
	used rm -f "$short"
	wait $! || same $? 137
	taken=$(takers | tr -d + | sort)
	same "$(printf '%s\n' "${TRIED[@]}" | sort -u)" "$taken"
	nothing_left
}

# One of two that begin alike is not guessed.
test_a_beginning_of_two() {
	local i first
	# Of 17 ids two begin with the same digit.
	for i in $(seq 17); do expect 0 run_stor create true; done
	first=$(run_stor ps -aq | cut -c 1 | sort | uniq -d | head -n 1)
	for i in exec start stop inspect rm 'rm -f' logs; do
		case $i in exec) set -- 125 exec "$first" true ;; *) set -- 2 $i "$first" ;; esac
		expect "$1" run_stor "${@:2}"
		err_has "^stor: (inspect |logs )?$first is the beginning of more than one container's id \\("
		err_has '^  hint: give more of its digits, or its name'
	done
	same "$(run_stor ps -aq | wc -l)" 17
	# A name that is such a beginning is that container's.
	expect 0 run_stor create --name "$first" true
	expect 0 run_stor inspect "$first"
	same "$(jq -r '.[0].name' "$OUT")" "$first"
	expect 0 run_stor rm $(run_stor ps -aq)
	nothing_left
}

# By a name and a beginning of another's id, in that order; one that is not there keeps nobody from it.
test_several_at_once() {
	local two command states
	expect 0 run_stor create --name one --pids-limit 50 sleep 1000
	expect 0 run_stor create --pids-limit 50 sleep 1000
	two=$(head -c 6 "$OUT")
	for command in start 'kill -s URG' pause resume 'update --pids-limit 60' 'stats --no-stream' inspect 'restart -t 0' 'stop -t 0' wait rm; do
		# shellcheck disable=SC2086 # words
		expect 3 run_stor $command one nobody "$two"
		err_has '^stor: no container nobody'
		states=$(run_stor ps -a --format '{{.Status}}' | sort -u | tr '\n' ,)
		case $command in
		pause) same "$states" paused, ;;
		stop* | wait) same "$states" 'exited (137),' ;;
		rm) same "$states" '' ;;
		*) same "$states" running, ;;
		esac
		case $command in
		start) same "$(cat "$OUT")" "one"$'\n'"$two" ;;
		wait) same "$(cat "$OUT")" $'137\n137' ;;
		inspect) same "$(jq length "$OUT")" 2 ;;
		update*) same "$(run_stor inspect one "$two" | jq -c 'map(.options)')" '[["pids-limit=60"],["pids-limit=60"]]' ;;
		esac
	done
	same "$(takers | sed -n 's/+$//p' | sort | tr '\n' ' ')" 'inspect kill pause restart resume rm start stats stop update wait '
	nothing_left
}

run_tests "$@"
