#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Images that come from elsewhere: xfs and btrfs beside ext4, clones of one side by side, hostile ones,
# several volumes in a container; and how stor makes and clones its own images.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

run_rm() { run_stor run --rm "$@"; }
# image FILE MKFS…: an image with a root in it.
image() {
	local file=$1
	shift
	truncate -s 300M "$file"
	"$@" "$file" >mkfs.log 2>&1 || fail "$*: $(cat mkfs.log)"
	mkdir -p mounted
	# Where no mount namespace that a test beside this one makes takes a copy of it.
	unshare -m --propagation private sh -euc '
		mount -o loop "$1" mounted
		mkdir mounted/bin mounted/proc mounted/sys mounted/dev
		for name in sh cat grep ls; do cp /bin/busybox mounted/bin/$name; done
		umount mounted' sh "$file"
}
images() {
	image xfs mkfs.xfs -q
	image btrfs mkfs.btrfs -q
}
# refused TEXT HINT COMMAND…
refused() {
	local text=$1 hint=$2
	shift 2
	expect 125 "$@"
	err_has "^stor: .*$text"
	[ -z "$hint" ] || err_has "^  hint: .*$hint"
	same "$(find "$STOR_STORE/containers" "$STOR_STATE/live" "$STOR_STATE/users" -mindepth 1)" ''
}

test_other_filesystems_are_roots_and_volumes() {
	local fs
	images
	for fs in xfs btrfs; do
		expect 0 run_rm --root ./$fs sh -c 'grep " / " /proc/self/mounts; echo kept >/file'
		out_has "^/dev/loop[0-9]+ / $fs rw,nodev"
		expect 0 run_rm --root ./$fs --fs $fs cat /file
		same "$(cat "$OUT")" kept
		expect 0 run_rm --mount type=volume,src=./$fs,dst=/data,fs=$fs,readonly sh -c 'grep " /data " /proc/self/mounts; cat /data/file'
		out_has "^/dev/loop[0-9]+ /data $fs ro,nodev"
		out_has '^kept$'
		expect 1 run_rm --mount src=./$fs,dst=/data,readonly sh -c 'echo x >/data/file'
		err_has 'Read-only file system'
		expect 0 run_stor volume check ./$fs
	done
}

test_a_type_that_is_asked_for_must_be_there() {
	images
	refused 'volume ./xfs: mount .* holds xfs, not btrfs' '' run_rm --fs btrfs --root ./xfs true
	refused 'volume ./btrfs for /data: .* holds btrfs, not ext4' '' run_rm --mount src=./btrfs,dst=/data,fs=ext4 true
	mkdir tree
	refused 'volume ./tree: it has no filesystem of its own, as xfs would be' '' run_rm --backend dir --fs xfs --root ./tree true
	refused 'size: has no meaning with --root' '' run_rm --size 1G --root ./xfs true
}

test_clones_side_by_side() {
	images
	cp xfs xfs2
	cp btrfs btrfs2
	expect 0 run_rm --mount src=./xfs,dst=/a --mount src=./xfs2,dst=/b sh -c 'echo a >/a/file; echo b >/b/file; cat /a/file /b/file'
	same "$(cat "$OUT")" 'a
b'
	refused 'volume ./btrfs2: mount .*: a btrfs with the same UUID is mounted' 'btrfstune -m' run_rm --mount src=./btrfs,dst=/a --mount src=./btrfs2,dst=/b true
	expect 0 run_rm --mount src=./btrfs2,dst=/b sh -c 'echo b >/b/file'
	expect 1 run_rm --mount src=./btrfs,dst=/a cat /a/file
}

test_hostile_ext4() {
	local device option
	image panic mke2fs -q -t ext4 -e panic
	expect 0 run_rm --root ./panic grep ' / ' /proc/self/mounts
	out_has ' / ext4 rw,nodev,relatime,errors=remount-ro '
	truncate -s 64M journal
	mke2fs -q -O journal_dev journal 2>/dev/null
	device=$(losetup -f --show journal)
	image elsewhere mke2fs -q -t ext4 -J device="$device" -b 1024
	for option in '--root ./elsewhere' '--mount src=./elsewhere,dst=/data'; do
		# shellcheck disable=SC2086 # two words
		refused 'names a journal on another device' 'tune2fs' run_rm $option true
	done
	losetup -d "$device"
}

test_several_volumes_in_one_container() {
	images
	mkdir tree
	expect 0 run_rm --mount type=volume,src=one,dst=/one --mount src=two,dst=/two,backend=loop,size=64M \
		--mount src=three,dst=/three,backend=ploop,size=64M --mount src=./xfs,dst=/four --mount "type=volume,src=$T/tree,dst=/five,backend=dir" \
		sh -c 'for d in one two three four five; do echo $d >/$d/file; done; cut -d" " -f2,3 /proc/self/mounts | grep -E "^/(one|two|three|four|five) "'
	same "$(cut -d' ' -f1 "$OUT" | sort | xargs)" '/five /four /one /three /two'
	out_has '^/two ext4$'
	out_has '^/three ext4$'
	out_has '^/four xfs$'
	expect 0 run_rm -v one:/a:ro -v two:/b:ro -v three:/c:ro --mount src=./xfs,dst=/d,readonly --mount "src=$T/tree,dst=/e,backend=dir,readonly" sh -c 'cat /a/file /b/file /c/file /d/file /e/file; for d in a b c d e; do ! echo x >/$d/file || echo "$d is written"; done'
	same "$(xargs <"$OUT")" 'one two three four five'
	same "$(grep -c 'Read-only file system' "$ERR")" 5
	same "$(cat tree/file)" five
}

# Neither a mount, nor a loop device, nor another program; so it takes no capability for one.
test_an_image_is_made_by_stor_itself() {
	expect 0 run_stor image inspect busybox
	# The leak detector cannot be traced.
	export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
	expect 0 unshare -m bash -c 'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 9 &&
		exec setpriv --bounding-set -sys_admin strace -f -o trace -e trace=execve "$@"' bash "$STOR" volume create --backend loop --image busybox v
	same "$(grep -c 'execve(' trace)" 1
	same "$(ls /sys/block/loop*/loop/backing_file 2>/dev/null | xargs -r grep -lF "$T/")" ''
	expect 0 run_rm --root v ls /bin/busybox
}

test_clones_of_sparse_images_are_sparse() {
	local mode
	expect 0 run_stor volume create --backend loop --image busybox --size 2G v
	for mode in auto copy; do
		expect 0 run_stor volume clone --mode $mode v $mode
		same "$(stat -c %s "$STOR_STORE/volumes/$mode/data/image")" 2147483648
		[ "$(du -k "$STOR_STORE/volumes/$mode/data/image" | cut -f1)" -lt 20000 ] || fail "$mode: $(du -k "$STOR_STORE/volumes/$mode/data/image")"
	done
}

test_discarded_blocks_are_given_back() {
	allocated() { du -k "$STOR_STORE/volumes/v/data/image" | cut -f1; }
	expect 0 run_stor volume create --backend loop --image busybox --size 200M v
	expect 0 run_rm --root v sh -c 'dd if=/dev/zero of=/file bs=1M count=40 conv=fsync 2>&1'
	[ "$(allocated)" -gt 40000 ] || fail "only $(allocated) KiB"
	# ext4 gives them back with the transaction that freed them.
	expect 0 run_rm --root v -o discard=yes sh -c 'rm /file; sync; sync'
	[ "$(allocated)" -lt 20000 ] || fail "still $(allocated) KiB"
}

run_tests "$@"
