#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine that is short of memory, which alone may protect the process that serves a volume: what a
# container writes gets to the image, nothing hangs, and the server is not what is killed.
# shellcheck disable=SC2016 # scripts for the shell inside
. "$(dirname "$0")/../../lib.sh"

MIB=1048576
available() { awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo; }
# fill_memory_until MIB: with what cannot be given back, as there is no swap.
fill_memory_until() {
	local take=$(($(available) - $1))
	mount -t tmpfs -o size=90% none "$T/full"
	head -c $((take * MIB)) /dev/zero >"$T/full/memory"
}
begin() {
	mkdir "$T/full"
	"$STOR" volume create --backend ploop --size 700M box >/dev/null
	"$STOR" run -d --name box --rm --mount type=volume,src=box,dst=/data sleep 1000 >/dev/null
	wait_for is_running
}
# The server and its watcher may not be killed, and what the server needs is not paged out.
is_protected() {
	local pid locked=0
	for pid in $(pgrep -f '^stor-ploop'); do
		same "$(cat "/proc/$pid/oom_score_adj")" -1000
		locked=$((locked + $(sed -n 's/^VmLck:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status")))
	done
	[ $locked -gt 0 ] || fail 'no memory of a server is locked'
}
end() {
	umount "$T/full"
	expect 0 run_stor stop -t 1 box
	wait_for run_stor volume check box
	run_stor volume rm box >/dev/null
}

test_more_is_written_than_fits() {
	begin
	fill_memory_until 80
	expect 0 run_stor exec box sh -c 'cd /data
		for i in 1 2 3; do
			head -c 60000000 /dev/urandom | tee file$i | md5sum | sed "s/-/file$i/" >>sums || exit 1
		done
		sync; echo 3 >/proc/sys/vm/drop_caches 2>/dev/null; md5sum -c sums'
	end
}

test_who_takes_all_memory_is_killed() {
	local before
	begin
	before=$(pgrep -f '^stor-ploop')
	is_protected
	"$STOR" exec box sh -c 'cd /data; i=0; while :; do i=$((i + 1)); head -c 20000000 /dev/urandom >file$((i % 9)); sync; echo $i >count; done' &
	fill_memory_until 200
	for _ in 1 2 3; do
		# Reads into memory that it keeps.
		expect 137 sh -c 'echo 500 >/proc/self/oom_score_adj; exec tail /dev/zero'
	done
	same "$(pgrep -f '^stor-ploop')" "$before"
	is_protected
	went_on() { [ "$(run_stor exec box cat /data/count)" -gt "$count" ]; }
	count=$(run_stor exec box cat /data/count)
	wait_for went_on
	end
	wait
}

run_tests "$@"
