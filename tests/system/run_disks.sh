#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run: alone
# What a run leaves of disks that it used: nothing. A start beside it would have a copy of their mounts for a moment.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

test_disks_are_free_at_once() {
	local write='mkdir many && cd many && seq 8000 | xargs touch && echo text >>/data/file'
	mkdir disk
	truncate -s 64M disk.img
	mke2fs -q disk.img
	mount -o loop disk.img disk
	mkdir disk/data
	leaves_the_disk() {
		expect 0 run_stor run --rm "$@"
		umount disk
		same "$(grep -sF "$T/disk.img" /sys/block/loop*/loop/backing_file)" ''
		mount -o loop disk.img disk
	}
	leaves_the_disk -v "$T/disk/data:/data" sh -c "$write"
	leaves_the_disk --mount "type=volume,src=$T/disk/data,dst=/data,backend=dir" sh -c "$write"
	same "$(wc -l <disk/data/file)" 2
	STOR_STORE=$T/disk/store STOR_STATE=$T/state-of-disk leaves_the_disk sh -c "mkdir data; $write"
	umount disk
}

run_tests "$@"
