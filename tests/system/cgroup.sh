#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run: alone
# Limits by their measured effect, the device filter, pause and stats; on either version of cgroups.
# shellcheck disable=SC2016 # scripts for the shell inside
. "$(dirname "$0")/../lib.sh"

is_v2() { [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; }
run_rm() { run_stor run --rm "$@"; }
within() { awk -v x="$1" -v low="$2" -v high="$3" 'BEGIN { exit !(x >= low && x <= high) }' ||
	fail "$4: $1 is not from $2 to $3"; }
# reading NAME LEAF KEY: of `stor stats`.
reading() {
	run_stor stats --no-stream --format json "$1" 2>/dev/null |
		sed -n "/^    \"$2\": {/,/^    }/s/^      \"$3\": \([^,]*\),*/\1/p"
}
# Ends the containers that run in the background, and waits for their stor.
end_all() {
	local pid
	for pid in $(jobs -p); do kill -KILL "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	run_stor gc >/dev/null
}
our_cgroups() { find "$STOR_STATE/cgroups" -type f 2>/dev/null | wc -l; }
# The leaf of a container's cgroup that has this file.
leaf_of() { find /sys/fs/cgroup -path "*/stor-$1/$2/$3" | head -n 1; }
id_of() { run_stor ps -a --no-trunc | awk -v name="$1" '$2 == name { print $1 }'; }

# Prints the seconds of processor time, to the nanosecond, and of the clock, that work of half a second takes.
WORK='used() { read -r ns rest </proc/$$/schedstat; }; clock() { cut -d" " -f1 /proc/uptime; }
	used; from=$ns a=$(clock)
	while used; [ $((ns - from)) -lt 500000000 ]; do i=0; while [ $i -lt 100 ]; do i=$((i+1)); done; done
	echo "$ns $from $a $(clock)" | awk "{ print (\$1 - \$2) / 1e9, \$4 - \$3 }"'

test_half_a_processor_takes_twice_the_time() {
	local used clock limit
	# Before all others, so that nothing but the limit holds it back.
	expect 0 run_rm --cpu-weight 10000 sh -c "$WORK"
	read -r used clock <"$OUT"
	within "$used" 0.05 100 'the work is long enough to be measured'
	for limit in 0.5 0.2; do
		expect 0 run_rm --cpu-weight 10000 --cpus $limit sh -c "$WORK"
		read -r used clock <"$OUT"
		# The share of one period of 0.1 s may be had before the first, and that of the last at once.
		within "$(awk -v u="$used" -v c="$clock" -v limit=$limit 'BEGIN { print u / (c + 0.2) / limit }')" \
			0.1 1.1 "share of $limit processors"
	done
	expect 0 run_rm --cpuset-cpus 0 grep Cpus_allowed_list /proc/self/status
	out_has ':[[:space:]]0$'
}

# shares LEAST MOST: for a second, a has so many times as much of the processor as b; soon, as after a change
# the kernel first makes up for what was.
shares() {
	local a b count
	for count in 1 2 3 4 5 6 7 8; do
		a=$(reading a payload cpu_us) b=$(reading b payload cpu_us)
		sleep 1
		echo "$(reading a payload cpu_us) $a $(reading b payload cpu_us) $b $count" >had
		! awk -v least="$1" -v most="$2" '{ a = $1 - $2; b = $3 - $4; exit !(a >= least * b && a <= most * b) }' had ||
			return 0
	done
	fail "a has not $1 to $2 times what b has: $(cat had)"
}

test_weights_share_a_processor() {
	local name
	for name in a b; do
		expect 0 run_stor run -d --name $name --cpuset-cpus 0 --cpu-weight 4000 sh -c 'while :; do :; done'
	done
	expect 0 run_stor update --cpu-weight 500 b
	shares 5 12
	expect 0 run_stor update --cpu-weight 62 a
	shares 0.08 0.2
	expect 0 run_stor rm -f a b
}

test_memory_limit_kills_within_the_container_alone() {
	"$STOR" run --rm --name other --memory 16M sleep 1000 &
	"$STOR" run --rm --name small --memory 16M --memory-swap 16M \
		sh -c 'head -c 100000000 /dev/zero | tail >/dev/null; echo $? >/status; sleep 1000' &
	wait_for is_running 2
	killed() { [ "$(reading small payload oom_kills)" -ge 1 ]; }
	wait_for killed
	# Neither the container's first process, nor another container, nor stor.
	same "$(run_stor ps -q | wc -l)" 2
	within "$(reading small payload memory_peak_bytes)" 8000000 16777216 'peak of memory'
	same "$(reading small payload memory_limit_bytes)" 16777216
	same "$(reading other payload oom_kills)" 0
	expect 137 run_rm --memory 16M --memory-swap 16M sh -c 'exec tail /dev/zero'
	end_all
}

test_pids_limit_stops_a_fork_bomb() {
	expect 2 run_rm --pids-limit 10 sh -c 'for i in $(seq 60); do sleep 100 & done; echo all'
	err_has "can't fork"
	out_lacks all
	"$STOR" run --rm --name bomb --pids-limit 10 sh -c '(for i in $(seq 60); do sleep 100 & done); sleep 1000' &
	wait_for is_running
	full() { [ "$(reading bomb payload pids)" -ge 9 ]; }
	wait_for full
	within "$(reading bomb payload pids)" 9 10 'processes'
	end_all
}

# timed_write OPTIONS…: seconds that dd takes for 20 MB in a root of its own disk.
timed_write() {
	local more=$1
	shift
	expect 0 run_rm --backend loop --size 128M "$@" sh -c "
		r() { cut -d' ' -f1 /proc/uptime; }; dd if=/dev/zero of=/file bs=1M count=40 $more 2>/dev/null; sync
		a=\$(r); dd if=/dev/zero of=/file bs=1M count=20 $more 2>/dev/null; b=\$(r); echo \$a \$b | awk '{ print \$2 - \$1 }'"
	cat "$OUT"
}

test_write_limit_holds_direct_writes() {
	local seconds
	seconds=$(timed_write 'conv=notrunc oflag=direct' --device-write-bps root:10M)
	within "$seconds" 1.82 2.22 'seconds for 20 MB at 10 MB/s'
	timed_write 'conv=notrunc oflag=direct' --device-write-bps root:10M >/dev/null
	if is_v2; then
		same "$(cat "$ERR")" ''
	else
		err_has 'warning: limits of writes hold direct writes alone'
	fi
}

# kernel_has ID FILE TEXT: the payload's file of a limit says that, of $disk and of the root's.
kernel_has() {
	same "$2: $(sed "s/^$disk /DISK /; s/^[0-9]*:[0-9]* /ROOT /" "$(leaf_of "$1" payload "$2")" | sort)" "$2: $3"
}
# whole_has ID FILE TEXT: that of the container's whole cgroup does, and the payload's does not.
whole_has() {
	same "$2: $(cat "$(find /sys/fs/cgroup -path "*/stor-$1/$2")")" "$2: $3"
	[ "$(cat "$(leaf_of "$1" payload "$2")")" != "$3" ] || fail "the payload's $2 is $3, too"
}

# weight_is ID NUMBER: in the files of all that may heed it, each in its scale.
weight_is() {
	if is_v2; then
		whole_has "$1" io.weight "default $2"
		whole_has "$1" io.bfq.weight "default $((1 + ($2 - 1) * 999 / 9999))"
	else
		whole_has "$1" blkio.bfq.weight $((10 + ($2 - 1) * 990 / 9999))
	fi
}
# schedule DISK NAME
schedule() { echo "$2" >"/sys/block/${1#/dev/}/queue/scheduler"; }

test_every_limit_reaches_the_kernel() {
	local id disk huge=hugetlb.2MB.max
	truncate -s 8M file
	disk=$(losetup -f --show file)
	schedule "$disk" bfq
	"$STOR" run --rm --name all --backend loop --size 128M --cpus 0.5 --cpu-weight 50 --cpuset-cpus 0 --cpuset-mems 0 \
		--memory 64M --memory-reservation 32M --memory-swap 96M --pids-limit 44 --hugetlb 2M:64M \
		--device-read-bps root:10M --device-write-bps root:11M --device-read-iops "$disk:100" --device-write-iops "$disk:200" \
		--io-weight 5000 sleep 1000 2>log &
	wait_for is_running
	id=$(id_of all)
	disk=$((0x$(stat -c %t "$disk"))):$((0x$(stat -c %T "$disk")))
	kernel_has "$id" pids.max 44
	kernel_has "$id" cpuset.cpus 0
	kernel_has "$id" cpuset.mems 0
	[ -n "$(leaf_of "$id" payload $huge)" ] || huge=hugetlb.2MB.limit_in_bytes
	kernel_has "$id" $huge 67108864
	weight_is "$id" 5000
	if is_v2; then
		kernel_has "$id" cpu.max '50000 100000'
		whole_has "$id" cpu.weight 50
		kernel_has "$id" memory.max 67108864
		kernel_has "$id" memory.low 33554432
		same "$(cat "/sys/fs/cgroup/stor-$id/memory.low")" 33554432
		kernel_has "$id" memory.swap.max 33554432
		kernel_has "$id" io.max "$(printf '%s\n' 'DISK rbps=max wbps=max riops=100 wiops=200' 'ROOT rbps=10485760 wbps=11534336 riops=max wiops=max')"
	else
		kernel_has "$id" cpu.cfs_quota_us 50000
		kernel_has "$id" cpu.cfs_period_us 100000
		whole_has "$id" cpu.shares 1286
		kernel_has "$id" memory.limit_in_bytes 67108864
		kernel_has "$id" memory.soft_limit_in_bytes 33554432
		kernel_has "$id" memory.memsw.limit_in_bytes 100663296
		kernel_has "$id" blkio.throttle.read_bps_device 'ROOT 10485760'
		kernel_has "$id" blkio.throttle.write_bps_device 'ROOT 11534336'
		kernel_has "$id" blkio.throttle.read_iops_device 'DISK 100'
		kernel_has "$id" blkio.throttle.write_iops_device 'DISK 200'
	fi
	end_all
	disk=$(losetup -j file | cut -d: -f1)
	schedule "$disk" none
	losetup -d "$disk"
}

# with_scheduler WORDS STATUS COMMAND…: stor, where a disk has these schedulers, and no other has any.
with_scheduler() {
	local words=$1 status=$2
	shift 2
	expect "$status" unshare -m sh -c 'mount -t tmpfs none /sys/block && mkdir -p /sys/block/disk/queue &&
		echo "$1" >/sys/block/disk/queue/scheduler && shift && exec "$@"' sh "$words" "$STOR" "$@"
}
NO_BFQ='none [mq-deadline] bfq' BFQ='none mq-deadline [bfq]'
no_weight() {
	err_has "(^stor: |: )$1 would have no effect: no disk of this machine has the I/O scheduler BFQ"
	err_has 'hint: modprobe bfq; echo bfq >/sys/block/DISK/queue/scheduler; .*/io.cost.qos$'
}

test_a_weight_that_no_disk_heeds_is_refused() {
	with_scheduler "$NO_BFQ" 125 run --name box --io-weight 50 --mount type=volume,src=data,dst=/data true
	no_weight --io-weight
	with_scheduler "$NO_BFQ" 125 run -d --name box --blkio-weight 50 sleep 1000
	no_weight --blkio-weight
	# Nothing was begun.
	same "$(our_cgroups)$(ls "$STOR_STORE/containers")$(run_stor volume ls -q)" 0
	with_scheduler "$BFQ" 0 run --rm --name box --io-weight 50 true
	same "$(cat "$ERR")" ''
	# One that is only made needs no disk that heeds it; each start does.
	with_scheduler "$NO_BFQ" 0 create --name box --io-weight 50 true
	with_scheduler "$NO_BFQ" 5 start -a box
	no_weight --io-weight
	with_scheduler "$NO_BFQ" 5 start box
	no_weight --io-weight
	same "$(our_cgroups) $(run_stor ps -a --format '{{.status}}')" '0 created'
	with_scheduler "$BFQ" 0 start -a box
	with_scheduler "$NO_BFQ" 5 start box
	same "$(our_cgroups) $(run_stor ps -a --format '{{.status}}')" '0 exited (0)'
	expect 0 run_stor rm box
}

test_a_weight_that_no_disk_heeds_changes_nothing() {
	local id disk=- before
	expect 0 run_stor run -d --name box --pids-limit 50 sleep 1000
	id=$(id_of box)
	before=$(run_stor inspect box)
	with_scheduler "$NO_BFQ" 5 update --pids-limit 20 --io-weight 5000 box
	no_weight --io-weight
	kernel_has "$id" pids.max 50
	same "$(run_stor inspect box)" "$before"
	with_scheduler "$BFQ" 0 update --pids-limit 20 --blkio-weight 500 box
	kernel_has "$id" pids.max 20
	weight_is "$id" 4950
	expect 0 run_stor rm -f box
	# One without limits is given no cgroup either.
	expect 0 run_stor run -d --name plain sleep 1000
	before=$(find /sys/fs/cgroup -name "stor-$(id_of plain)*" | sort)
	with_scheduler "$NO_BFQ" 5 update --io-weight 5000 plain
	same "$(find /sys/fs/cgroup -name "stor-$(id_of plain)*" | sort)" "$before"
	expect 0 run_stor rm -f plain
}

# Seconds for what takes one at the limit's rate, less the kernel's first slice of time.
test_reads_and_operations_are_held() {
	local script='r() { cut -d" " -f1 /proc/uptime; }; timed() { a=$(r); dd "$@" 2>/dev/null; echo "$a $(r)" | awk "{ print \$2 - \$1 }"; }
		dd if=/dev/zero of=/file bs=1M count=10 oflag=direct 2>/dev/null; '
	expect 0 run_rm --backend loop --size 128M --device-read-bps root:10M --device-write-iops root:100 \
		sh -c "$script timed if=/file of=/dev/null bs=1M iflag=direct; timed if=/dev/zero of=/file bs=4k count=100 oflag=direct conv=notrunc"
	within "$(sed -n 1p "$OUT")" 0.85 100 'seconds to read 10 MB at 10 MB a second'
	within "$(sed -n 2p "$OUT")" 0.85 100 'seconds for 100 writes at 100 a second'
	expect 0 run_rm --backend loop --size 128M --device-read-iops root:100 \
		sh -c "$script timed if=/file of=/dev/null bs=4k count=100 iflag=direct"
	within "$(sed -n 1p "$OUT")" 0.85 100 'seconds for 100 reads at 100 a second'
}

test_readings() {
	local key
	"$STOR" run --rm --name busy --backend loop --size 128M --cpus 0.2 --memory 64M --device-write-bps root:1G \
		sh -c 'dd if=/dev/zero of=/file bs=64k count=80 oflag=direct; dd if=/file of=/dev/null bs=64k iflag=direct; while :; do :; done' 2>log &
	wait_for is_running
	is_throttled() { [ "$(reading busy payload throttled_us)" -gt 100000 ]; }
	wait_for is_throttled
	for key in cpu_us periods throttled_periods memory_bytes memory_peak_bytes pids; do
		[ "$(reading busy payload $key)" -gt 0 ] || fail "$key: $(reading busy payload $key)"
	done
	within "$(reading busy payload write_bytes)" 5242880 10000000 'bytes written'
	within "$(reading busy payload write_ops)" 80 1000 'writes'
	within "$(reading busy payload read_bytes)" 5242880 20000000 'bytes read'
	within "$(reading busy payload read_ops)" 80 1000 'reads'
	same "$(reading busy payload oom_kills)" 0
	end_all
}

test_disks_are_checked_before_the_start() {
	expect 125 run_rm --device-write-bps /dev/no-such-disk:1M true
	err_has 'no-such-disk: No such file'
	expect 125 run_rm --device-write-bps /dev/null:1M true
	err_has '/dev/null: it is no block device'
	expect 125 run_rm --device-write-bps root true
	err_has 'DEVICE:SIZE'
	expect 125 run_rm --cpuset-cpus 4000 true
	err_has -- '--cpuset-cpus: write "4000" to .*/payload/cpuset.cpus'
	same "$(our_cgroups)" 0
	same "$(ls "$STOR_STORE/containers")" ''
}

test_a_missing_controller_is_named() {
	local gone='umount -l /sys/fs/cgroup/pids'
	! is_v2 || gone='umount -l /sys/fs/cgroup'
	expect 125 unshare -m sh -c "$gone && exec \"\$@\"" sh "$STOR" run --rm --pids-limit 5 true
	err_has '^stor: --pids-limit: this machine has no cgroup controller "pids"'
	err_has '^  hint: .*mount'
	expect 0 unshare -m sh -c "$gone && exec \"\$@\"" sh "$STOR" run --rm true
	is_v2 || same "$(cat "$ERR")" ''
}

# without HOW OPTIONS…: a run on a machine whose cgroups are like that.
without() {
	local how=$1
	shift
	unshare -m sh -c "$how && exec \"\$@\"" sh "$STOR" run --rm "$@"
}

test_a_machine_without_cgroups_runs_containers() {
	local none='umount -l /sys/fs/cgroup' read_only='mount -o bind,remount,ro /sys/fs/cgroup/devices'
	! is_v2 || read_only='mount -o bind,remount,ro /sys/fs/cgroup'
	expect 0 without "$none" --cgroups disabled true
	same "$(cat "$ERR")" ''
	expect 0 without "$none" echo ran
	same "$(cat "$OUT")" ran
	err_has '^stor: warning: containers run without a device filter: the device filter: this machine has no cgroup controller "devices"'
	err_has 'mount -t cgroup2.*--cgroups=disabled'
	# Said once.
	expect 0 without "$none" echo ran
	same "$(cat "$ERR")" ''
	rm "$STOR_STATE/unfiltered"
	expect 0 without "$read_only" true
	err_has 'warning: .*make cgroup .*: Read-only file system; cgroups are mounted read-only here'
	# What was asked for is not left out.
	expect 125 without "$none" --device /dev/null:/dev/other true
	err_has '^stor: --device: this machine has no cgroup controller "devices"'
	expect 125 without "$none" --cap-add MKNOD true
	err_has '^stor: --cap-add MKNOD: this machine has no'
	expect 125 without "$read_only" --cap-add SYS_ADMIN true
	same "$(our_cgroups)" 0
}

test_cgroups_can_be_disabled() {
	"$STOR" run --rm --name bare --cgroups=disabled sleep 1000 &
	wait_for is_running
	same "$(find /sys/fs/cgroup -name "stor-$(id_of bare)")" ''
	end_all
	expect 125 run_rm --cgroups=some true
	err_has 'enabled or disabled'
	expect 125 run_rm --cgroups=disabled --memory 16M true
	err_has '^stor: --cgroups disabled and --memory exclude each other'
	expect 125 run_rm --cgroups=disabled --cap-add MKNOD true
	err_has '^stor: --cgroups disabled and --cap-add MKNOD exclude'
	expect 125 run_rm --cgroups=disabled --device /dev/null:/dev/other true
	err_has '^stor: --cgroups disabled and --device exclude'
	expect 125 run_rm --cgroups=disabled --cgroup-parent here true
	err_has '^stor: --cgroups disabled and --cgroup-parent exclude'
}

test_systemd_owns_the_cgroups() {
	local option=--hugetlb=2M:64M
	! is_v2 || option=--memory=64M
	expect 125 unshare -m sh -c 'mount -t tmpfs run /run && mkdir -p /run/systemd/system && exec "$@"' sh \
		"$STOR" run --rm $option true
	err_has 'systemd owns the cgroups, and there is no .*/stor.slice'
	err_has 'hint: .*systemctl start stor.slice.*--cgroup-parent'
	same "$(our_cgroups)" 0
}

test_a_place_of_ones_own() {
	local id
	"$STOR" run --rm --name here --cgroup-parent "stor-test-$$/inner" sleep 1000 &
	wait_for is_running
	id=$(id_of here)
	[ -n "$(find /sys/fs/cgroup -path "*/stor-test-$$/inner/stor-$id/payload")" ] || fail 'it is not there'
	end_all
	[ -z "$(find /sys/fs/cgroup -name "stor-test-$$")" ] || fail 'what was made above is left'
}

test_the_container_sees_its_own_part() {
	expect 0 run_rm --pids-limit 33 sh -c 'cut -d: -f3 /proc/self/cgroup | sort -u; cat /sys/fs/cgroup/pids.max \
		/sys/fs/cgroup/pids/pids.max 2>/dev/null; ls -d /sys/fs/cgroup/*/stor-* /sys/fs/cgroup/stor-* 2>/dev/null; true'
	same "$(cat "$OUT")" '/
33'
	expect 1 run_rm --pids-limit 33 sh -c 'f=$(ls -d /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null)
		echo 99 >$f'
	err_has 'Read-only file system'
	expect 0 run_rm --pids-limit 33 --cgroup-ns host sh -c 'cat /proc/self/cgroup; ls -A /sys/fs/cgroup'
	out_has '/stor-[0-9a-f]*/payload$'
	# Without a limit, too, nothing of the host's is shown.
	expect 0 run_rm sh -c 'cut -d: -f3 /proc/self/cgroup | sort -u; ls -A /sys/fs/cgroup'
	if is_v2; then out_lacks 'stor-'; else same "$(cat "$OUT")" /; fi
	expect 0 run_rm --cgroups=disabled ls -A /sys/fs/cgroup
	same "$(cat "$OUT")" ''
}

# In the cgroup of a container that asked for nothing.
test_the_device_filter_is_there_by_default() {
	local id procs loop
	truncate -s 1M disk
	loop=$(losetup -f --show disk)
	"$STOR" run --rm --name plain sleep 1000 &
	wait_for is_running
	id=$(id_of plain)
	procs=$(find /sys/fs/cgroup -path "*/stor-$id*" -name cgroup.procs -size -1 | sort | tail -n 1)
	[ "$(wc -w <"$procs")" = 1 ] || fail "the payload is not in $procs"
	# A process of the host, where no mount is nodev.
	expect 1 sh -c "echo \$\$ >$procs && head -c 1 /dev/null && head -c 1 /dev/zero >/dev/null && exec head -c 1 $loop"
	err_has "$loop.*: Operation not permitted"
	# No more than it takes: one directory, or with version 2 that and its leaf.
	same "$(find /sys/fs/cgroup -name "stor-$id" | wc -l)" 1
	is_v2 || same "$(sort "${procs%/*}/devices.list")" "$(printf '%s\n' 'b *:* m' 'c *:* m' 'c 136:* rwm' \
		'c 1:3 rwm' 'c 1:5 rwm' 'c 1:7 rwm' 'c 1:8 rwm' 'c 1:9 rwm' 'c 5:0 rwm' 'c 5:1 rwm' 'c 5:2 rwm' | sort)"
	# Readings make it a whole one, in which it stays.
	expect 0 run_stor stats --no-stream plain
	err_has 'its readings begin now'
	expect 0 run_stor stats --no-stream plain
	same "$(cat "$ERR")" ''
	expect 1 sh -c "echo \$\$ >$procs && exec head -c 1 $loop"
	end_all
	same "$(find /sys/fs/cgroup -name "stor-$id")" ''
	losetup -d "$loop"
}

test_devices_are_filtered() {
	local loop
	truncate -s 1M disk
	printf 'the content' | dd of=disk conv=notrunc 2>/dev/null
	loop=$(losetup -f --show disk)
	set -- $((0x$(stat -c %t "$loop"))) $((0x$(stat -c %T "$loop")))
	expect 0 run_rm --cap-add MKNOD sh -c "mknod /dev/mine b $1 $2 && mknod /dev/null2 c 1 3 && echo >/dev/null2
		head -c 3 /dev/mine 2>&1; echo; mknod /dead c 1 3; cat /dead 2>&1; true"
	out_has '/dev/mine: Operation not permitted'
	out_has "'/dead': Permission denied"
	expect 0 run_rm --device "$loop" --cap-add MKNOD sh -c "head -c 11 $loop; mknod /dev/again b $1 $2 && head -c 3 /dev/again"
	same "$(cat "$OUT")" 'the contentthe'
	expect 1 run_rm --device "$loop:/dev/some/disk:r" sh -c 'head -c 11 /dev/some/disk; echo x >/dev/some/disk'
	same "$(cat "$OUT")" 'the content'
	err_has 'disk: Operation not permitted'
	# What SYS_ADMIN could mount has devices, too.
	expect 1 run_rm --cap-add SYS_ADMIN sh -c "mount -t devtmpfs dev /mnt && exec head -c 1 /mnt/${loop#/dev/}"
	err_has 'Operation not permitted'
	losetup -d "$loop"
}

counter() { cat "$T/shared/count" 2>/dev/null || true; }
has_moved() { [ "$(counter)" != "$1" ]; }

test_pause_stops_progress() {
	local before used option
	mkdir shared
	# With a whole cgroup from the start, with the device filter alone, and with none.
	for option in --pids-limit=50 --read-only --cgroups=disabled; do
		"$STOR" run --rm --name counting $option -v "$T/shared:/shared" \
			sh -c 'i=0; while :; do i=$((i+1)); echo $i >/shared/new; mv /shared/new /shared/count; done' &
		wait_for has_moved ''
		expect 0 run_stor pause counting
		before=$(counter)
		used=$(reading counting payload cpu_us)
		sleep 0.5
		same "$(counter)" "$before"
		same "$(reading counting payload cpu_us)" "$used"
		expect 1 run_stor pause counting
		err_has 'already paused'
		expect 0 run_stor stats --no-stream counting
		out_has 'payload \(paused\)'
		expect 0 run_stor resume counting
		wait_for has_moved "$before"
		expect 1 run_stor resume counting
		err_has 'is not paused'
		end_all
		rm -f shared/*
	done
	expect 3 run_stor pause counting
	expect 3 run_stor stats --no-stream counting
}

test_a_killed_stor_leaves_no_cgroup() {
	"$STOR" run --name kept --memory 64M sh -c 'sleep 1000' &
	wait_for is_running
	expect 0 run_stor pause kept
	[ "$(our_cgroups)" -gt 0 ] || fail 'there is no cgroup'
	kill -KILL $!
	wait 2>/dev/null || true
	expect 0 run_stor ps -a
	out_has 'kept .*exited \(unknown\)'
	same "$(find /sys/fs/cgroup -name "stor-$(id_of kept)")" ''
	same "$(ls "$STOR_STATE/cgroups")" ''
	expect 0 run_stor rm kept
}

# Whoever is there, however it came, and whatever it forks meanwhile; with version 2 by one word to the kernel.
test_what_is_left_in_a_cgroup_is_killed() {
	local id stor forking folder status=0
	export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
	"$STOR" run --rm --name left --memory 64M sleep 1000 &
	stor=$!
	wait_for is_running
	id=$(id_of left)
	sh -c 'while :; do sleep 0.01; done' &
	forking=$!
	find /sys/fs/cgroup -name "stor-$id" >folders
	while read -r folder; do
		[ ! -d "$folder/payload" ] || folder+=/payload
		echo $forking >"$folder/cgroup.procs"
	done <folders
	kill -KILL $stor
	wait $stor || true
	expect 0 strace -e trace=openat -o calls "$STOR" gc
	wait $forking || status=$?
	same $status 137
	same "$(find /sys/fs/cgroup -name "stor-$id")" ''
	! is_v2 || grep -q '"cgroup.kill", O_WRONLY' calls || fail 'cgroup.kill is not written'
}

test_the_server_of_a_volume_is_not_paused() {
	local id server
	"$STOR" run --rm --name written --backend ploop --memory 16M sh -c 'while :; do dd if=/dev/zero of=/file bs=256k count=100; done 2>/dev/null' &
	wait_for is_running
	id=$(id_of written)
	# Under full load.
	busy() { [ "$(reading written server cpu_us)" -gt 100000 ]; }
	wait_for busy
	same "$(reading written server pids_limit)" 256
	server=$(cat "$(leaf_of "$id" server cgroup.procs)")
	expect 0 run_stor pause written
	# Whoever syncs the host's filesystems waits for the server, which goes on.
	expect 0 timeout 60 sync
	grep -q '^State:.[SR]' "/proc/$(echo "$server" | head -n 1)/status" || fail 'the server stands still'
	expect 0 run_stor stats --no-stream written
	out_has '^written +server'
	out_has '^written +sum'
	expect 0 run_stor resume written
	end_all
}

# Whoever moves a process holds up all forks on the machine, and waits for all processors.
test_servers_are_born_in_the_cgroup() {
	export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
	expect 0 strace -f -y -qq -e trace=write,clone3,openat -o calls "$STOR" run --rm --backend ploop -o attach=engine \
		-v more:/more --memory 64M --hugetlb 2M:64M true
	same "$(grep -E '/(tasks|cgroup\.procs)>, "[1-9]' calls || true)" ''
	if is_v2; then
		same "$(grep -c 'flags=CLONE_INTO_CGROUP, ' calls)" 2
	else
		# In each hierarchy, for each of the two servers.
		same "$(grep -c '/server/tasks>, "0"' calls)" $(($(grep -c 'openat(.*"tasks", O_WRONLY.*/server/tasks>' calls)))
		grep -q '/memory/.*/server/tasks>, "0"' calls || fail 'not in the cgroup of memory'
	fi
}

test_runs_leave_as_many_cgroups_as_there_were() {
	local before i
	count() { awk 'NR > 1 { n += $3 } END { print n }' /proc/cgroups; }
	settled() { [ "$(find /sys/fs/cgroup -type d -name 'stor-*' | grep -cE 'stor-[0-9a-f]{12}')" -le "$before" ]; }
	before=$(find /sys/fs/cgroup -type d -name 'stor-*' | grep -cE 'stor-[0-9a-f]{12}' || true)
	for ((i = 0; i < 30; i++)); do
		run_rm --memory 32M --pids-limit 10 --cpus 1 true
	done
	wait_for settled
	same "$(ls "$STOR_STATE/cgroups")" ''
}

run_tests "$@"
