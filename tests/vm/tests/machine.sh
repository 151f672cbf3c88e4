#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The machine is what the tests in it count on: the oldest kernel that stor supports, cgroup v2
# alone, a root that can be pivoted, and loop devices.
. "$(dirname "$0")/../../lib.sh"

test_kernel_is_6_1() {
	case $(uname -r) in 6.1.*) ;; *) fail "the kernel is $(uname -r)" ;; esac
}
test_cgroups_are_version_2_alone() {
	same "$(stat -f -c %T /sys/fs/cgroup)" cgroup2fs
	! grep -q ' - cgroup ' /proc/self/mountinfo || fail "cgroup v1 is mounted"
}
test_modules_work() {
	mkdir lower upper work merged
	echo hello >lower/file
	mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none merged
	same "$(cat merged/file)" hello
	umount merged
	truncate -s 8M disk
	mke2fs -q disk
	mkdir mnt
	mount -o loop disk mnt
	umount mnt
}
# For exports and thin pools.
test_nbd_and_device_mapper_are_there() {
	modprobe nbd
	modprobe dm-mod
	wait_for test -b /dev/nbd0
	grep -q ' device-mapper$' /proc/misc || fail 'there is no device-mapper'
	rmmod nbd
}

run_tests "$@"
