#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Machines that lack loop devices: a clear error with the remedy, and nothing left behind.
. "$(dirname "$0")/../../lib.sh"

# fails_clearly HINT COMMAND…
fails_clearly() {
	local hint=$1
	shift
	expect 125 "$@" run --rm --backend loop -- true
	err_has 'attach .*/dev/loop'
	err_has "hint: $hint"
	same "$(ls "$STOR_STORE/containers" "$STOR_STATE/live" | grep -v :)" ""
	# dir needs none.
	expect 0 "$@" run --rm --backend dir -- true
}

test_without_the_module() {
	local modprobe
	modprobe=$(cat /proc/sys/kernel/modprobe)
	rmmod loop
	echo /bin/false >/proc/sys/kernel/modprobe
	fails_clearly 'modprobe loop' "$STOR"
	echo "$modprobe" >/proc/sys/kernel/modprobe
	modprobe loop
	expect 0 run_stor run --rm --backend loop -- true
}

# with_own_dev OPTIONS: a script that runs stor where /dev has the control device and no others, as
# in a container: the kernel names a free device that has no node.
with_own_dev() {
	cat <<-END
		set -e
		mount -t tmpfs none /mnt
		cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/loop-control /mnt
		mount --move /mnt /dev
		mount -o remount,$1 /dev
		exec "$STOR" "\$@"
	END
}
test_missing_device_nodes_are_made() {
	with_own_dev rw >stor.sh
	expect 0 unshare --mount bash stor.sh run --rm --backend loop -- true
}
test_without_device_nodes() {
	with_own_dev ro >stor.sh
	fails_clearly '.*/dev/loop' unshare --mount bash stor.sh
}

run_tests "$@"
