#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Commands that meet, and commands that are killed: one of them wins, and after the next command
# nothing is left of the others.
# shellcheck source=tests/lib.sh
TIME_LIMIT=600
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kill.sh
. "$TOP/tests/kill.sh"

ROOT=$TOOLS/root

# ended PID…: waits for the children; $ended is how many had which exit status: "1x0 9x4".
ended() {
	local pid status all=()
	for pid in "$@"; do
		status=0
		wait "$pid" || status=$?
		all+=("$status")
	done
	ended=$(printf '%s\n' "${all[@]}" | sort -n | uniq -c | awk '{print $1 "x" $2}' | paste -sd' ')
}

test_creates_of_one_name() {
	local b i pids
	for b in dir loop; do
		pids=()
		for i in 1 2 3 4 5 6 7 8 9 10; do
			run_stor volume create --backend $b $b 2>"err$i" &
			pids+=($!)
		done
		ended "${pids[@]}"
		same "$ended" '1x0 9x4'
		grep -hq "volume $b\(: File exists\| exists already\)\|$b.*File exists" err* || fail "$(cat err*)"
		expect 0 run_stor volume rm $b
		same "$(count "$STOR_STORE/tmp")" 0
	done
}

test_removes_of_one_volume() {
	local b i pids
	for b in dir loop; do
		expect 0 run_stor volume create --backend $b $b
		pids=()
		for i in 1 2 3 4 5 6; do
			run_stor volume rm $b 2>"err$i" &
			pids+=($!)
		done
		ended "${pids[@]}"
		same "$ended" '1x0 5x3'
		same "$(count "$STOR_STORE/volumes") $(count "$STOR_STORE/tmp")" '0 0'
	done
}

# Either the volume is mounted, and cannot be removed; or it is removed, and cannot be mounted.
test_remove_while_mounting() {
	local b i pids
	mkdir m
	for b in dir loop; do
		for i in 1 2 3 4 5; do
			expect 0 run_stor volume create --backend $b v
			pids=()
			run_stor volume mount v m 2>err1 &
			pids+=($!)
			run_stor volume rm v 2>err2 &
			pids+=($!)
			ended "${pids[@]}"
			case $ended in
			'1x0 1x4')
				expect 0 run_stor volume umount v
				expect 0 run_stor volume rm v
				;;
			'1x0 1x3') ! grep -qF " $T/m " /proc/self/mountinfo || fail 'removed and mounted' ;;
			*) fail "$b: $(cat err1 err2)" ;;
			esac
			same "$(count "$STOR_STORE/volumes")" 0
		done
	done
}

test_one_golden_volume_is_made() {
	local b i pids
	# Of something that takes its time, so that all of them are there before it is made.
	mkdir -p tree/bin
	cp /bin/busybox tree/bin/true
	head -c 100M /dev/urandom >tree/large
	expect 0 run_stor image import -q tree large
	for b in dir loop; do
		pids=()
		for i in 1 2 3 4 5 6; do
			run_stor run --rm --backend $b --image large true 2>"err$i" &
			pids+=($!)
		done
		ended "${pids[@]}"
		same "$ended: $(grep -hv 'warning: waiting for another stor' err? || true)" '6x0: '
	done
	same "$(count "$STOR_STORE/golden") $(count "$STOR_STORE/tmp")" '2 0'
	expect 0 run_stor image rm large
	for b in dir loop; do
		pids=()
		for i in 1 2 3 4 5 6 7 8; do
			"$ROOT" $b >"out$i" &
			pids+=($!)
		done
		ended "${pids[@]}"
		same "$ended" 8x0
	done
	same "$(count "$STOR_STORE/golden")" 2
	same "$(count "$STOR_STORE/containers") $(count "$STOR_STORE/tmp")" '0 0'
	expect 0 run_stor volume ls -a
	out_has ' +golden '
	expect 0 run_stor image rm busybox
	same "$(count "$STOR_STORE/golden")" 0
}

# A mount takes over from the process that made it. Whoever lists the volume's users meanwhile finds
# one of them: the maker stops before it hands over, the remover after it has listed them.
is_stopped() { grep -q '^State:.T' "/proc/$1/status"; }
test_remove_while_a_mount_takes_over() {
	local b mounter remover
	kill_build
	mkdir m
	for b in dir loop; do
		expect 0 "$KILL/stor" volume create --backend $b v
		STOR_STOP_AT=mount-attached "$KILL/stor" volume mount v m &
		mounter=$!
		wait_for is_stopped $mounter
		STOR_STOP_AT=users-listed "$KILL/stor" volume rm v 2>err &
		remover=$!
		# It waits until the mount is there. Without that, it would stop by now.
		WAIT_SECONDS=1 soon is_stopped $remover || true
		kill -CONT $mounter
		wait $mounter || fail 'mount'
		wait_for is_stopped $remover
		kill -CONT $remover
		ended $remover
		same "$ended: $(cat err)" "1x4: stor: remove volume v: volume v: in use, mounted at $T/m
  hint: stor volume umount $T/m"
		expect 0 "$KILL/stor" volume umount v
		expect 0 "$KILL/stor" volume rm v
	done
}

# Nor does gc forget a mount that is just being made.
test_gc_while_a_mount_is_made() {
	local mounter
	kill_build
	mkdir m
	expect 0 "$KILL/stor" volume create v
	STOR_STOP_AT=mount-recorded "$KILL/stor" volume mount v m &
	mounter=$!
	wait_for is_stopped $mounter
	expect 0 "$KILL/stor" gc
	same "$(cat "$OUT")" ''
	kill -CONT $mounter
	wait $mounter || fail 'mount'
	expect 4 "$KILL/stor" volume rm v
	expect 0 "$KILL/stor" volume umount v
}

test_clone_modes() {
	expect 0 "$ROOT" loop clone=copy
	same "$(cat "$OUT")" copy
	expect 0 "$ROOT" loop clone=overlay
	same "$(cat "$OUT")" overlay
	expect 0 "$ROOT" dir
	same "$(cat "$OUT")" overlay
	expect 2 "$ROOT" dir clone=magic
	same "$(count "$STOR_STORE/containers")" 0
}

test_killed_create() {
	local b
	kill_build
	before() { :; }
	# Whole or not there; and in both cases the name can be had.
	after() {
		if [ -e "$STOR_STORE/volumes/v" ]; then
			expect 0 "$KILL/stor" volume check v
			expect 0 "$KILL/stor" volume rm v
		fi
		expect 0 "$KILL/stor" volume create --backend $b v
	}
	for b in dir loop; do
		AT_LEAST=4 killed_at_each "$KILL/stor" volume create --backend $b v
	done
}

test_killed_clone_and_remove() {
	local b
	kill_build
	before() { expect 0 "$KILL/stor" volume create --backend $b v; }
	after() {
		expect 0 "$KILL/stor" volume check v
		if [ -e "$STOR_STORE/volumes/copy" ]; then expect 0 "$KILL/stor" volume check copy; fi
	}
	for b in dir loop; do
		AT_LEAST=4 killed_at_each "$KILL/stor" volume clone v copy
	done
	after() {
		if [ -e "$STOR_STORE/volumes/v" ]; then expect 0 "$KILL/stor" volume check v; fi
		expect 0 "$KILL/stor" volume ls
	}
	for b in dir loop; do
		AT_LEAST=2 killed_at_each "$KILL/stor" volume rm v
	done
}

# Its backend may keep more of it than the folder.
test_what_a_killed_removal_left_is_its_backends_to_destroy() {
	local b
	kill_build
	for b in dir loop; do
		expect 0 "$KILL/stor" volume create --backend $b v
		expect 137 env STOR_KILL_AT=volume-unnamed "$KILL/stor" volume rm v
		same "$(count "$STOR_STORE/volumes") $(count "$STOR_STORE/tmp")" '0 1'
		STOR_TRACE=1 expect 0 "$KILL/stor" image ls
		err_has "$b.*destroy"
		same "$(count "$STOR_STORE/tmp")" 0
	done
}

test_killed_mount() {
	local b
	kill_build
	mkdir m
	before() { expect 0 "$KILL/stor" volume create --backend $b v; }
	after() {
		"$KILL/stor" volume umount v 2>/dev/null || true
		expect 0 "$KILL/stor" gc
		! grep -qF " $T/m " /proc/self/mountinfo || fail "$1: still mounted"
		expect 0 "$KILL/stor" volume rm v
	}
	for b in dir loop; do
		before
		STOR_KILL_LIST=$T/points "$KILL/stor" volume mount v m
		expect 0 "$KILL/stor" volume umount v
		expect 0 "$KILL/stor" volume rm v
		for point in $(sort -u points); do
			before
			expect 137 env STOR_KILL_AT="$point" "$KILL/stor" volume mount v m
			sleep 0.1
			after "$point"
		done
		rm points
	done
}

# Making the golden volume, cloning it, and removing all of it again.
test_killed_root() {
	local b
	kill_build
	before() { :; }
	after() {
		local key
		for key in "$STOR_STORE"/golden/*/; do
			if [ -d "$key" ] && [ ! -e "$key/record" ]; then fail "$1: half a golden volume: $key"; fi
		done
		expect 0 "$KILL/tests/tools/root" $b
		same "$(count "$STOR_STORE/containers") $(count "$STOR_STORE/golden")" '0 1'
	}
	for b in dir loop; do
		AT_LEAST=15 killed_at_each "$KILL/tests/tools/root" $b
	done
}

run_tests "$@"
