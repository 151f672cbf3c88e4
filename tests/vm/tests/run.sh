#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Containers on the oldest kernel that stor supports, where an overlay cannot be made of detached
# mounts, on both backends.
. "$(dirname "$0")/../../lib.sh"

runs_on() {
	expect 0 run_stor run --rm --backend "$1" -- sh -c 'echo hello >/file; cat /file; ps; exit 0'
	out_has '^hello$'
	out_has '^ *1 root .*sh -c'
	expect 7 run_stor run --rm --backend "$1" -- sh -c 'exit 7'
	# A second clone does not see what the first one wrote.
	expect 1 run_stor run --rm --backend "$1" -- test -e /file
	same "$(ls "$STOR_STORE/containers")" ""
}
test_a_container_runs_on_dir() { runs_on dir; }
test_a_container_runs_on_loop() { runs_on loop; }

test_roots_are_overlays() {
	expect 0 run_stor run --rm --backend loop -- sh -c 'grep " / " /proc/self/mounts'
	out_has '^overlay / overlay .*nodev'
}

test_a_volume_keeps_its_files() {
	expect 0 run_stor volume create --backend loop --size 32M v
	expect 0 run_stor run --rm --mount type=volume,src=v,dst=/home -- sh -c 'echo kept >/home/file'
	expect 0 run_stor run --rm --mount type=volume,src=v,dst=/home -- cat /home/file
	out_has '^kept$'
	[ ! -e /home/file ] || fail "the file is in the host's tree"
}

test_a_killed_stor_leaves_nothing() {
	local pid
	"$STOR" run --rm --backend loop -- sh -c 'echo up; sleep 1000' >up 2>&1 &
	pid=$!
	wait_for grep -q up up
	kill -9 $pid
	wait $pid || true
	# Whatever is left of processes, mounts and devices, the harness finds; the rest goes now.
	expect 0 run_stor run --rm -- true
	same "$(ls "$STOR_STORE/containers" "$STOR_STATE/live" | grep -v :)" ""
}

run_tests "$@"
