#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What version 2 of cgroups alone has: limits of buffered writes, a device filter in BPF, birth in
# the cgroup, cgroup.kill, pressure, and what a parent may not be.
# shellcheck disable=SC2016 # scripts for the shell inside
. "$(dirname "$0")/../../lib.sh"

CGROUPS=/sys/fs/cgroup
run_rm() { run_stor run --rm "$@"; }
our_id() { ls "$STOR_STATE/cgroups"; }
end_all() {
	local pid
	for pid in $(jobs -p); do kill -KILL "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	# One that writes slowly is slow to die.
	wait_for run_stor gc
}

# written ID: seconds of the clock, and bytes that its limited device was given so far.
written() {
	local bytes leaf=$CGROUPS/stor-$1/payload
	bytes=$(sed -n "s/^$(cut -d' ' -f1 "$leaf/io.max") .*wbytes=\([0-9]*\) .*/\1/p" "$leaf/io.stat")
	echo "$(cut -d' ' -f1 /proc/uptime) ${bytes:-0}"
}
# has_written ID BYTES
has_written() { [ "$(written "$1" | cut -d' ' -f2)" -ge "$2" ]; }

test_write_limit_holds_buffered_writes() {
	local id first second sysctl_before
	# Else the kernel keeps all of it in memory for half a minute.
	sysctl_before=$(cat /proc/sys/vm/dirty_background_ratio)
	echo 4194304 >/proc/sys/vm/dirty_background_bytes
	"$STOR" run --rm --backend loop --size 256M --device-write-bps root:5M \
		sh -c 'while :; do dd if=/dev/zero of=/file bs=1M count=100 conv=notrunc; done' >log 2>&1 &
	wait_for is_running
	id=$(our_id)
	# Once it is under way, for as long as 40 MB take.
	wait_for has_written "$id" 8000000
	first=$(written "$id")
	wait_for has_written "$id" $((${first#* } + 40000000))
	second=$(written "$id")
	echo "$first $second" | awk '{ rate = ($4 - $2) / ($3 - $1) / 1048576; print rate
		exit !(rate >= 4.5 && rate <= 5.5) }' >rate || fail "a limit of 5 MB/s lets $(cat rate) through"
	! grep -q warning log || fail 'it warns'
	end_all
	echo "$sysctl_before" >/proc/sys/vm/dirty_background_ratio
}

# reads NAME: how often the disk that the test shares out was read from by this container.
reads() { sed -n "s/^$NUMBER .*rios=\([0-9]*\) .*/\1/p" "$CGROUPS/stor-$(id_of "$1")/payload/io.stat"; }
id_of() { run_stor ps -a --no-trunc | awk -v name="$1" '$2 == name { print $1 }'; }
has_read() { [ "$(reads "$1")" -gt "$2" ]; }
# both_read COUNT: each so often from now on; how often they had before is in $a and $b.
both_read() {
	a=$(reads a) b=$(reads b)
	wait_for has_read b $((b + $1))
	wait_for has_read a $((a + $1))
}
# shares LEAST MOST: how many times as often as b, a reads; both want all that the disk gives, unless the
# machine is too busy for their processes: so the bounds are wide. A scheduler gives turns of up to some
# 120 reads, and one begun is ended with the weights of before.
shares() {
	local a b
	both_read 150
	both_read 400
	echo "$(($(reads a) - a)) $(($(reads b) - b))" | awk -v least="$1" -v most="$2" '{ print $1 / $2, $1, $2
		exit !($1 / $2 >= least && $1 / $2 <= most) }' >shares || fail "a reads $(cat shares) times as often as b, not $1 to $2"
}
read_both() {
	local script="for i in 1 2 3 4; do while :; do dd if=$DISK of=/dev/null bs=4k count=20000 iflag=direct; done & done; wait"
	expect 0 run_stor run -d --name a --io-weight "$1" --device "$DISK" sh -c "$script"
	expect 0 run_stor run -d --name b --io-weight "$2" --device "$DISK" sh -c "$script"
}

weights_share() {
	read_both 8000 1000
	shares 3 20
	expect 0 run_stor update --io-weight 500 a
	expect 0 run_stor update --io-weight 4000 b
	shares 0.05 0.33
	expect 0 run_stor rm -f a b
}

# A disk that takes a millisecond for each request, one at a time.
test_weights_share_a_busy_disk() {
	local queue=/sys/block/nullb0/queue
	DISK=/dev/nullb0
	modprobe null_blk nr_devices=1 gb=1 submit_queues=1 hw_queue_depth=1 irqmode=2 completion_nsec=1000000
	NUMBER=$(cat /sys/block/nullb0/dev)
	expect 125 run_rm --io-weight 8000 true
	err_has '^stor: --io-weight would have no effect'
	modprobe bfq
	echo bfq >$queue/scheduler
	# Else what is new goes first.
	echo 0 >$queue/iosched/low_latency
	# A turn is over when its process asks for nothing for so many milliseconds, and here it is slow.
	echo 100 >$queue/iosched/slice_idle
	weights_share
	rmmod null_blk
}

test_weights_share_a_disk_by_iocost() {
	DISK=/dev/nullb0
	modprobe null_blk nr_devices=1 gb=1 submit_queues=1 irqmode=2 completion_nsec=100000
	NUMBER=$(cat /sys/block/nullb0/dev)
	echo "$NUMBER ctrl=user model=linear rbps=2048000 rseqiops=500 rrandiops=500 wbps=2048000 wseqiops=500 wrandiops=500" >$CGROUPS/io.cost.model
	echo "$NUMBER enable=1 ctrl=user min=100 max=100" >$CGROUPS/io.cost.qos
	weights_share
	echo "$NUMBER enable=0" >$CGROUPS/io.cost.qos
	rmmod null_blk
}

# A service manager divides what it was given: controllers are its own, limits are above it.
test_an_init_has_controllers_below_its_limits() {
	local id
	expect 0 run_stor run -d --name box --init-system --memory 64M --pids-limit 50
	id=$(our_id)
	expect 0 run_stor exec box sh -euc 'cd /sys/fs/cgroup; cat cgroup.controllers memory.max; mkdir init.scope
		while read -r pid; do echo "$pid" >init.scope/cgroup.procs || :; done <cgroup.procs
		echo "+memory +pids" >cgroup.subtree_control; mkdir own; echo 32M >own/memory.max; cat own/memory.max own/pids.max'
	out_has '(^| )memory .*pids'
	same "$(tail -n 3 "$OUT" | paste -sd' ')" 'max 33554432 max'
	same "$(cat "$CGROUPS/stor-$id/payload/memory.max" "$CGROUPS/stor-$id/payload/pids.max" | paste -sd' ')" '67108864 50'
	# Where the first process has gone, others follow; and the limits above hold for all of them.
	expect 0 run_stor exec box cat /proc/self/cgroup
	out_has '^0::/init.scope$'
	expect 137 run_stor exec box sh -c 'head -c 100000000 /dev/zero | tail >/dev/null'
	[ "$(sed -n 's/^oom_kill //p' "$CGROUPS/stor-$id/payload/memory.events")" -gt 0 ] || fail 'nothing was killed for its memory'
	expect 0 run_stor rm -f box
	[ ! -e "$CGROUPS/stor-$id" ] || fail 'its cgroup is left'
}

test_the_device_filter_is_a_program() {
	local id
	"$STOR" run --rm --cap-add MKNOD sleep 1000 &
	wait_for is_running
	id=$(our_id)
	[ -d "$CGROUPS/stor-$id/payload" ] || fail 'there is no leaf'
	# Another program beside it would allow what it does; it alone refuses.
	expect 0 run_rm --cap-add MKNOD sh -c 'mknod /dev/memory c 1 1; head -c 1 /dev/memory 2>&1; mknod /dev/z c 1 5; head -c 1 /dev/z | wc -c'
	out_has "/dev/memory: Operation not permitted"
	out_has '^1$'
	expect 0 run_rm --device /dev/vda:/dev/memory:r sh -c 'head -c 1 /dev/memory | wc -c'
	same "$(cat "$OUT")" 1
	end_all
}

# With version 2 alone nobody writes to cgroup.procs of the payload: the process begins there.
test_the_process_is_born_in_its_cgroup() {
	expect 0 run_rm --pids-limit 20 sh -c 'cat /proc/self/cgroup'
	same "$(cat "$OUT")" '0::/'
	expect 0 strace -e trace=clone,clone3,openat -o calls "$STOR" run --rm --pids-limit 20 true
	grep -q 'clone3({flags=.*CLONE_INTO_CGROUP.*cgroup=[0-9]' calls || fail "it is born elsewhere: $(grep clone calls)"
	! grep -q '"cgroup.procs", O_WRONLY' calls || fail 'a process is moved'
	# Where a controller of version 2 is missing in the parent, it is named.
	mkdir "$CGROUPS/stor-none"
	expect 125 run_rm --cgroup-parent stor-none/../x true
	err_has "without \"..\""
	rmdir "$CGROUPS/stor-none"
}

test_a_parent_with_processes_is_refused() {
	mkdir "$CGROUPS/stor-full"
	sleep 1000 &
	echo $! >"$CGROUPS/stor-full/cgroup.procs"
	expect 125 run_rm --cgroup-parent stor-full --memory 64M true
	err_has 'hand the controller memory on in .*/stor-full/cgroup.subtree_control: Device or resource busy'
	err_has 'hint: .*--cgroup-parent'
	kill $!
	wait 2>/dev/null || true
	rmdir "$CGROUPS/stor-full"
}

test_no_process_is_between_the_leaves() {
	local id
	"$STOR" run --rm --memory 64M --backend ploop sleep 1000 &
	wait_for is_running
	id=$(our_id)
	same "$(cat "$CGROUPS/stor-$id/cgroup.procs")" ''
	[ -n "$(cat "$CGROUPS/stor-$id/payload/cgroup.procs")" ] || fail 'the payload is empty'
	[ -n "$(cat "$CGROUPS/stor-$id/server/cgroup.procs")" ] || fail 'the server is not in its leaf'
	same "$(cat "$CGROUPS/stor-$id/payload/memory.max")" 67108864
	same "$(cat "$CGROUPS/stor-$id/server/memory.max")" 536870912
	expect 0 run_stor stats --no-stream --format json "$id"
	out_has '"some_avg10": [0-9]'
	end_all
}

test_a_killed_stor_and_a_paused_payload() {
	local id
	"$STOR" run --rm --memory 64M sh -c 'trap "" TERM; while :; do sleep 1; done' &
	wait_for is_running
	id=$(our_id)
	expect 0 run_stor pause "$id"
	grep -q 'frozen 1' "$CGROUPS/stor-$id/payload/cgroup.events" || fail 'it is not frozen'
	kill -KILL $!
	wait 2>/dev/null || true
	expect 0 run_stor gc
	[ ! -e "$CGROUPS/stor-$id" ] || fail 'its cgroup is left'
}

run_tests "$@"
