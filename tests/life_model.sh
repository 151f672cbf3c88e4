# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random operations on containers by many processes, and whether what is recorded is the truth when
# they have done. A test file sources this after tests/detached_lib.sh. Every container that is made
# here has TRUTH=$T in its environment, by which its processes are found.

SHARED=(s0 s1 s2 s3 s4)

# pick WORD…: one of them, into PICKED.
pick() { shift $((RANDOM % $#)); PICKED=$1; }

# payload: options and command of a container, into PAYLOAD.
payload() {
	pick dir dir loop ploop
	PAYLOAD=(--backend "$PICKED" -e "TRUTH=$T")
	[ "${1:-}" != temporary ] || PAYLOAD+=(--rm)
	case $((RANDOM % 6)) in
	0 | 1) PAYLOAD+=(sleep 1000) ;;
	2 | 3) PAYLOAD+=(sh -c 'trap "exit 3" TERM; echo begun; while :; do sleep 0.05; done') ;;
	4) PAYLOAD+=(sh -c 'echo begun; exit 5') ;;
	5)
		[ "${1:-}" = temporary ] || PAYLOAD=(--restart always "${PAYLOAD[@]}")
		PAYLOAD+=(sh -c 'echo begun; sleep 0.3')
		;;
	esac
}

# try ALLOWED COMMAND…: runs stor; a status that does not match ALLOWED, or an error that no race
# explains, goes to the file odd. The status is in STATUS.
EXPLAINED='no container |does not run|is running \(stor process|is taken by container|is being freed|was removed before it ended|is the id of another|already paused|is not paused|is paused$|another stor command works on it|its monitor was killed|it has ended|has no log|No such process$|was stopped$|is just starting or ending'
try() {
	local allowed=$1
	shift
	STATUS=0
	timeout -k 5 "${TRY_SECONDS:-60}" "$STOR" "$@" >"out.$WORKER" 2>"err.$WORKER" </dev/null || STATUS=$?
	if ! [[ $STATUS =~ ^($allowed)$ ]] || grep '^stor: ' "err.$WORKER" | grep -vqE "hint:|$EXPLAINED"; then
		{
			echo "worker $WORKER: stor $*: status $STATUS"
			sed 's/^/    /' "err.$WORKER"
		} >>odd
	fi
}

# On containers that others work on too: any of them may win.
shared_operation() {
	local name
	pick "${SHARED[@]}"
	name=$PICKED
	case $((RANDOM % 24)) in
	0 | 1) payload && try '0|125' create --name "$name" "${PAYLOAD[@]}" ;;
	2 | 3) payload && try '0|125' run -d --name "$name" "${PAYLOAD[@]}" ;;
	4) payload temporary && try '0|125' run -d --name "$name" "${PAYLOAD[@]}" ;;
	5 | 6 | 7) try '0|3|4' start "$name" ;;
	8) try '0|3' stop -t 0 "$name" ;;
	9) try '0|3' stop -t 1 "$name" ;;
	10) try '0|1|3' kill "$name" ;;
	11) try '0|1|3' kill -s TERM "$name" ;;
	12) try '0|1|3' pause "$name" ;;
	13) try '0|1|3' resume "$name" ;;
	14 | 15) pick "${SHARED[@]}" && try '0|3|4' rename "$name" "$PICKED" ;;
	# It waits while the container is paused.
	16) TRY_SECONDS=3 try '0|124|125|137' exec "$name" true ;;
	17) try '0|3|4' restart -t 0 "$name" ;;
	18) try '0|3|4' rm "$name" ;;
	19) try 0 rm -f "$name" ;;
	20) try 0 ps -a ;;
	21) try '0|3' inspect "$name" ;;
	22) try '0|3' logs "$name" ;;
	23) try 0 gc ;;
	esac
}

# A container that nobody else works on: it is what MODEL says after each step.
own_is() {
	local now
	now=$(status_of "own$WORKER")
	[ "${now:-none}" = "$MODEL" ] && return 0
	echo "worker $WORKER: own$WORKER is ${now:-none}, not $MODEL, after: $1" >>odd
	MODEL=${now:-none}
}
own_operation() {
	local own=own$WORKER step=$((RANDOM % 9))
	case $MODEL.$step in
	none.[0-3]) pick dir loop ploop && try 0 create --name "$own" --backend "$PICKED" -e "TRUTH=$T" sleep 1000 && MODEL=created ;;
	none.*) pick dir loop ploop && try 0 run -d --name "$own" --backend "$PICKED" -e "TRUTH=$T" sleep 1000 && MODEL=running ;;
	created.[0-5] | exited.[0-5]) try 0 start "$own" && MODEL=running ;;
	created.6 | exited.6) try 0 restart "$own" && MODEL=running ;;
	created.* | exited.*) try 0 rm "$own" && MODEL=none ;;
	running.0) try 0 stop -t 0 "$own" && MODEL=exited ;;
	running.1) try 0 restart -t 0 "$own" ;;
	running.2) try 0 exec "$own" true ;;
	running.3 | running.4) try 0 pause "$own" && MODEL=paused ;;
	running.5) try 4 rm "$own" ;;
	running.6) try 0 rename "$own" "$own-other" && try 0 rename "$own-other" "$own" ;;
	running.7) try 4 start "$own" ;;
	running.8) try 0 kill "$own" && try 0 wait "$own" && MODEL=exited ;;
	paused.0 | paused.1) try 0 resume "$own" && MODEL=running ;;
	paused.2) try 0 stop -t 0 "$own" && MODEL=exited ;;
	paused.3) try 0 rm -f "$own" && MODEL=none ;;
	paused.4) try 1 pause "$own" ;;
	paused.5) try 125 exec "$own" true ;;
	paused.6) try 0 kill "$own" && try 0 wait "$own" && MODEL=exited ;;
	paused.*) try 0 logs "$own" ;;
	esac
	own_is "step $step"
}

# worker NUMBER SEED OPERATIONS: the model of its own container is kept in a file between rounds.
worker() {
	WORKER=$1
	RANDOM=$2
	MODEL=$(cat "model.$1" 2>/dev/null || echo none)
	local i
	for ((i = 0; i < $3; i++)); do
		case $((RANDOM % 3)) in
		0) own_operation ;;
		*) shared_operation ;;
		esac
	done
	echo "$MODEL" >"model.$1"
}

# --- what is recorded, and what is true -----------------------------------------------------

# Processes that have WORD in their environment.
having() { grep -lazE "^$1\$" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3; }

# untruths: one line for each thing that is not as the records say.
untruths() {
	local id status pid name f monitor running=() namespaces
	run_stor ps -a --format json | jq -r '.[] | "\(.id) \(.status) \(.pid) \(.name)"' >listed
	while read -r id status pid name; do
		[ "$name" = "$id" ] || [ "$(readlink "$STOR_STORE/names/$name")" = "$id" ] ||
			echo "$id: its name $name does not lead to it"
		if [ "$status" = running ] || [ "$status" = paused ]; then
			running+=("$id")
			[ -e "/proc/$pid/ns/pid" ] || echo "$id: $status, and its process $pid is dead"
			monitor=$(monitor_of "$name")
			[ -d "/proc/$monitor" ] || echo "$id: $status, and nobody stays with it"
		elif [ "$status" = created ] || [ "$status" = exited ]; then
			! grep -qF "/containers/$id/" /sys/block/loop*/loop/backing_file 2>/dev/null ||
				echo "$id: $status, and has a loop device"
		else
			echo "$id: is $status"
		fi
	done <listed
	for f in "$STOR_STORE"/names/* "$STOR_STORE"/containers/* "$STOR_STATE"/{live,cgroups,io}/*; do
		id=${f##*/}
		case $f in
		*'/*') continue ;;
		*/names/*) id=$(readlink "$f") ;;
		*/live/*) id=${id##*.} ;;
		*/io/*) id=${id%%.*} ;;
		esac
		case $f in
		"$STOR_STORE"/*) grep -q "^$id " listed || echo "$f: its container does not exist" ;;
		*) [[ " ${running[*]} " == *" $id "* ]] || echo "$f: its container does not run" ;;
		esac
	done
	namespaces=$(awk '$2 == "running" || $2 == "paused" {print "/proc/" $3 "/ns/pid"}' listed | xargs -r readlink || true)
	for pid in $(having "TRUTH=$T"); do
		name=$(readlink "/proc/$pid/ns/pid") || continue
		grep -qxF -- "$name" <<<"$namespaces" || echo "process $pid is in no container that runs"
	done
	for pid in $(having "STOR_STATE=$STOR_STATE"); do
		grep -qsa '^stor-monitor' "/proc/$pid/cmdline" || continue
		compgen -G "$STOR_STATE/live/$pid.*" >/dev/null || echo "monitor $pid stays with nothing"
	done
	! grep -F " $T/" /proc/self/mountinfo || echo "is mounted on the host"
	run_stor gc --dry-run | sed 's/^/gc would remove: /'
}

# One that waits to be started again is a monitor without a marker; so they are stopped first. An
# end takes a moment.
is_truth() {
	untruths >untrue 2>&1
	[ ! -s untrue ]
}
becomes_truth() {
	local i
	for ((i = 0; i < 10; i++)); do
		is_truth && return
		sleep 0.5
	done
	return 1
}
quiesce() {
	becomes_truth || fail "records and truth differ: $(cat untrue)"
	[ ! -s odd ] || fail "$(cat odd)"
}

# random_life WORKERS ROUNDS OPERATIONS
random_life() {
	local round i pids seed=${STOR_SEED:-$((RANDOM * 32768 + RANDOM))}
	echo "# STOR_SEED=$seed" >&2
	# A process that is paused would outlive the test.
	trap 'run_stor ps -aq | xargs -r "$STOR" rm -f' EXIT
	for ((round = 0; round < $2; round++)); do
		pids=()
		for ((i = 0; i < $1; i++)); do
			worker $i $(((seed + round * 100 + i) % 32768)) "$3" &
			pids+=($!)
		done
		wait "${pids[@]}"
			stop_restarting
		quiesce
	done
	run_stor ps -aq | xargs -r "$STOR" rm -f
	becomes_truth || fail "$(cat untrue)"
	nothing_left
	same "$(having "TRUTH=$T")" ""
}
stop_restarting() {
	local name
	for name in "${SHARED[@]}"; do
		run_stor inspect "$name" 2>/dev/null | grep -q -- 'restart=' || continue
		expect 0 run_stor stop -t 0 "$name"
	done
}
