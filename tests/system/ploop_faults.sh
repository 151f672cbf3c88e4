#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Ploop volumes when things go wrong: killed and stopped processes, and others who want the same
# volume.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/ploop_lib.sh
. "$TOP/tests/ploop_lib.sh"
# shellcheck disable=SC2034 # lib.sh reads it
TIME_LIMIT=200

# It says a number once that is durable, and none when the disk is gone.
# shellcheck disable=SC2016 # the container's shell expands it
LOAD='i=0; while :; do i=$((i + 1)); dd if=/dev/urandom of=/f$((i % 7)) bs=64k count=$((i % 40)) 2>/dev/null
	echo $i >/n.new; sync -f /; mv /n.new /n; sync -f /; echo | dd of=/probe conv=fsync 2>/dev/null && echo $i; done'
# A container that writes all the time, and something that it must not lose.
start() {
	rm -f counted
	"$STOR" run --rm --root v -- sh -c "echo kept >/kept; sync -f /; $LOAD" >counted 2>run.log &
	RUN=$!
	wait_for grep -q '^5$' counted
	SERVER=$(server)
}
# What was synced is there, and more: at most the last number is another.
holds_what_was_synced() {
	local last
	last=$(tail -n1 counted)
	expect 0 run_stor run --rm --root v -- cat /kept /n
	same "$(head -n1 "$OUT")" kept
	[ "$(tail -n1 "$OUT")" -ge "$last" ] || fail "$(tail -n1 "$OUT") of $last"
}

test_killed_under_load() {
	local victim
	make_volume v
	for victim in server stor both server; do
		start
		case $victim in
		server) kill -KILL "$SERVER"; sleep 0.2; kill -KILL "$RUN" ;;
		stor) kill -KILL "$RUN" ;;
		both) kill -KILL "$RUN" "$SERVER" ;;
		esac
		wait "$RUN" 2>/dev/null || true
		wait_for gone
		holds_what_was_synced
		sound
	done
}

# The host's filesystem is full: whoever writes into the volume is told so, and not that the disk is
# broken; what was there stays, and all is well once there is room.
test_a_full_disk_below() {
	truncate -s 96M fs.img
	mke2fs -q -F -t ext4 -m 0 fs.img
	mkdir fs
	mount -o loop fs.img fs
	export STOR_STORE=$T/fs/store
	fallocate -l 56M fs/ballast
	expect 0 run_stor volume create --backend ploop --size 512M --image busybox v
	expect 0 run_stor run --rm --root v -- sh -c 'echo kept >/kept; head -c 5000000 /dev/urandom | tee /data | md5sum >/sum; sync
		! dd if=/dev/urandom of=/fill bs=1M count=200 oflag=direct
		echo >/more && ! dd if=/dev/urandom of=/fill2 bs=1M count=50 oflag=direct && cat /kept'
	same "$(cat "$OUT")" kept
	same "$(grep -c 'No space left on device' "$ERR")" 2
	[ "$(df --output=avail -k fs | tail -n 1)" -lt 2048 ] || fail "there is room left"
	rm fs/ballast
	sound
	expect 0 run_stor run --rm --root v -- sh -c 'md5sum </data | cmp - /sum && rm /fill /fill2 && head -c 3000000 /dev/urandom >/again'
	expect 0 run_stor volume compact v
	sound
	expect 0 run_stor volume rm v
	umount fs
}

# It cannot wait for itself: nothing of it lies there, or could be opened by accident.
test_a_server_keeps_off_what_it_serves() {
	local device pid fd
	make_volume v
	start
	device=$(stat -c %Hd:%Ld "/proc/$(pgrep -P "$RUN" -f 'sh -c' | head -n1)/root/")
	[ "$device" != "$(stat -c %Hd:%Ld /)" ] || fail "the container has no root of its own"
	for pid in "$SERVER" "$(awk '/^PPid/ {print $2}' "/proc/$SERVER/status")"; do
		grep -q '^stor-ploop ' "/proc/$pid/cmdline" || fail "it is called $(tr '\0' ' ' <"/proc/$pid/cmdline")"
		! grep -q " $device " "/proc/$pid/mountinfo" || fail "it could reach what it serves"
		for fd in "/proc/$pid/fd"/* "/proc/$pid"/{cwd,root,exe}; do
			[ "$(stat -L -c %Hd:%Ld "$fd" 2>/dev/null)" != "$device" ] || fail "$fd: $(readlink "$fd") lies on what it serves"
		done
		same "$(readlink "/proc/$pid/cwd")" /
	done
	kill -KILL "$RUN"
	end_of_run
	holds_what_was_synced
}

newer() { [ "$(tail -n1 counted)" -gt "$1" ]; }
# at_most SECONDS COMMAND…
at_most() {
	local began=$SECONDS limit=$1
	shift
	"$@"
	[ $((SECONDS - began)) -le "$limit" ] || fail "$* took $((SECONDS - began)) s"
}
end_of_run() { wait "$RUN" 2>/dev/null || true; wait_for gone; }

# A server that somebody stops goes on, also when its user is just ending.
test_a_stopped_server() {
	make_volume v
	start
	kill -STOP "$SERVER"
	wait_for newer "$(tail -n1 counted)"
	kill -STOP "$SERVER"
	kill -KILL "$RUN"
	at_most 10 end_of_run
	holds_what_was_synced
	sound
}

# Stopped together with the process that watches it, it goes on when its volume is let go.
test_a_server_stopped_with_its_watcher() {
	make_volume v
	mkfifo input
	"$STOR" run --rm -i --root v -- sh -c 'echo kept >/kept; sync -f /; echo 1 >/n; read line' <input >counted 2>run.log &
	RUN=$!
	exec 6>input
	wait_for server_is_there
	SERVER=$(server)
	wait_for grep -qs . "/proc/$RUN/task/$RUN/children"
	sleep 0.5
	kill -STOP "$(awk '/^PPid/ {print $2}' "/proc/$SERVER/status")" "$SERVER"
	echo >&6
	exec 6>&-
	at_most 10 end_of_run
	expect 0 run_stor run --rm --root v -- cat /kept
	same "$(cat "$OUT")" kept
	sound
}

test_one_user_alone() {
	mkdir m
	make_volume v
	start
	expect 125 run_stor run --rm --root v -- true
	err_has 'in use'
	expect 4 run_stor volume check --repair v
	expect 4 run_stor volume rm v
	expect 4 run_stor volume convert -o format=v1 v
	# By another name too.
	expect 125 run_stor run --rm --root "$(data v)/DiskDescriptor.xml" -- true
	err_has 'in use'
	refuses_ploop
	kill -KILL "$RUN"
	wait "$RUN" 2>/dev/null || true
	wait_for gone
	# Mounted on the host no stor process is left that could hold a lock.
	expect 0 run_stor volume mount v m
	refuses_ploop
	expect 4 run_stor volume check --repair v
	expect 0 run_stor volume umount v
	# And ploop's lock is respected.
	exec 7<"$(data v)/DiskDescriptor.xml.lck"
	flock -x 7
	expect 125 run_stor run --rm --root v -- true
	err_has 'DiskDescriptor.xml.lck is in use'
	exec 7<&-
	sound
}
# It waits for the lock, a minute long.
refuses_ploop() {
	local got=0
	timeout -s KILL 2 env -i PAD="$(head -c 8192 /dev/zero | tr '\0' x)" /usr/sbin/ploop snapshot "$(data v)/DiskDescriptor.xml" >log 2>&1 || got=$?
	same "$got" 137
	same "$(find "$(data v)" -name 'root.hds*' | wc -l)" 1
}

run_tests "$@"
