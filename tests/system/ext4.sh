#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The ext4 writer: what it makes is judged by e2fsck, by the kernel and by a comparison with the source.
. "$(dirname "$0")/../lib.sh"

MKEXT4=$TOOLS/mkext4
COMPARE=$TOP/tests/tools/tree-compare
RICH=$TOP/tests/tools/rich-tree

make_rich() { mkdir "$T/src" && "$RICH" "$T/src" --block "${1:-4096}"; }

# Silent but for what e2fsck always says.
check_clean() {
	expect 0 env LC_ALL=C e2fsck -fn "$1"
	same "$(grep -Ev '^(Pass [1-5]:|[^ ]*: [0-9]+/[0-9]+ files)' "$OUT")" ""
	same "$(grep -v '^e2fsck 1' "$ERR")" ""
}

# with_mounted OPTIONS IMAGE COMMAND…: in a mount namespace of its own, on $T/mnt.
with_mounted() {
	mkdir -p "$T/mnt"
	unshare -m --propagation private bash -c '
		set -e
		mount -t ext4 -o "loop,$1" "$2" "$3/mnt"
		status=0
		"${@:4}" || status=$?
		umount "$3/mnt"
		exit $status' with_mounted "$1" "$2" "$T" "${@:3}" </dev/null
}

# same_tree IMAGE [OPTIONS of tree-compare]: what the kernel reads is what the source has.
same_tree() {
	local image=$1
	shift
	with_mounted ro,noatime "$image" "$COMPARE" --ignore lost+found "$@" "$T/src" "$T/mnt" >"$OUT" 2>&1 ||
		{ sed 's/^/#   /' "$OUT" | head -n 40 >&2; fail "$image differs from its source"; }
}

features() { dumpe2fs -h "$1" 2>/dev/null | sed -n 's/^Filesystem features: *//p'; }

_everything_with() {
	make_rich "$1"
	expect 0 "$MKEXT4" "$T/img" 300M "$T/src" block="$1" "${@:2}"
	check_clean "$T/img"
	same_tree "$T/img" --sparse
	# The kernel writes to what it got: the journal, new groups, attributes, the index.
	with_mounted rw "$T/img" sh -euc '
		cd "$0/mnt"
		for i in $(seq 400); do echo $i >names/more-$i-of-them; done
		rm -f names/0*
		setfattr -n user.new -v x attributes/all
		setfattr -x user.large attributes/large
		dd if=/dev/zero of=holes/200G bs=4096 seek=1000 count=2000 conv=notrunc status=none
		rm -r deep sizes' "$T"
	check_clean "$T/img"
}
test_everything_is_kept_in_blocks_of_4096() { _everything_with 4096; }
test_everything_is_kept_in_blocks_of_2048() { _everything_with 2048; }
test_everything_is_kept_in_blocks_of_1024() { _everything_with 1024 ratio=8K; }
test_everything_is_kept_without_a_journal() { _everything_with 4096 journal=0; }
test_everything_is_kept_by_direct_io() { _everything_with 4096 direct=1 sync=1; }

test_features_are_those_of_mke2fs() {
	local want
	want="has_journal ext_attr resize_inode dir_index filetype extent 64bit flex_bg metadata_csum_seed"
	want="$want sparse_super large_file huge_file dir_nlink extra_isize metadata_csum"
	expect 0 "$MKEXT4" "$T/img" 1G label=sixteen-letters.
	same "$(features "$T/img")" "$want"
	expect 0 dumpe2fs -h "$T/img"
	out_has '^Filesystem volume name: +sixteen-letters\.$'
	out_has '^Default mount options: +user_xattr acl$'
	out_has '^Inode size:\s+256$'
	out_has '^Total journal blocks: +8192$|^Journal size: +32M$|^Total journal size: +32M$'
	out_has '^Default directory hash: +half_md4$'
	cp "$OUT" first
	truncate -s 1G "$T/theirs" && mke2fs -q -t ext4 -b 4096 -E nodiscard "$T/theirs"
	same "$(grep ^Overhead first)" "$(dumpe2fs -h "$T/theirs" 2>/dev/null | grep ^Overhead)"
	expect 0 "$MKEXT4" "$T/img2" 1G journal=0
	features "$T/img2" | grep -q has_journal && fail "a journal that nobody wanted"
	# Of its own: identity and hash seed.
	dumpe2fs -h "$T/img2" 2>/dev/null | grep -E 'UUID|Hash Seed' >second
	! grep -Fxf second first || fail "two filesystems with one identity"
}

# Descriptor blocks for 1024 times the size up to 1 TiB, else for 1 TiB, or for 16 times if that is more.
test_growth_has_room_for_its_descriptors() {
	local size blocks
	while read -r size blocks; do
		expect 0 "$MKEXT4" "$T/img" "$size"
		expect 0 dumpe2fs -h "$T/img"
		out_has "^Reserved GDT blocks: +$blocks\$"
	done <<-'END'
		16M 1
		512M 63
		1G 127
		64G 120
		100G 187
	END
}

test_sizes_from_16_mib_to_beyond_16_tib() {
	local size block
	for block in 1024 2048 4096; do
		for size in 16777216 16777217 20M 33M 100M 129M 1025M 9G; do
			expect 0 "$MKEXT4" "$T/img" $size block=$block
			check_clean "$T/img"
			with_mounted rw "$T/img" touch "$T/mnt/file"
			check_clean "$T/img"
		done
	done
	expect 2 "$MKEXT4" "$T/img" 16777215
	err_has 'too small' && err_has 'size of at least 16M'
	expect 2 "$MKEXT4" "$T/img" 20M block=8192
	err_has 'block size'
	expect 2 "$MKEXT4" "$T/img" 20M label=seventeen-letters
	err_has 'longer than 16'
	expect 2 "$MKEXT4" "$T/img" 20M ratio=5
	err_has 'ratio'
	# No file of the machine's own disk is that large; tmpfs has no such limit.
	unshare -m --propagation private bash -ec '
		mkdir big && mount -t tmpfs none big
		"$0" big/img 20T && LC_ALL=C e2fsck -fn big/img >big/out 2>&1
		if grep -vE "^Pass|^e2fsck 1|files" big/out; then exit 1; fi
		mkdir big/mnt && mount -o loop big/img big/mnt && touch big/mnt/x && umount big/mnt
		umount big' "$MKEXT4" || fail "20 TiB"
}

test_empty_filesystem_takes_next_to_no_space() {
	expect 0 "$MKEXT4" "$T/img" 100G
	[ "$(du -k "$T/img" | cut -f1)" -lt 8192 ] || fail "$(du -k "$T/img")"
	with_mounted rw "$T/img" sh -c 'test "$(ls -A "$0/mnt")" = lost+found && test "$(stat -c %a%u "$0/mnt")" = 7550' "$T"
}

# Each pass: make, check, compare, let the kernel add and remove, check again.
_large_directories='
	clean() {
		LC_ALL=C e2fsck -fn tmp/img >out 2>&1 || { cat out; exit 1; }
		if grep -vE "^Pass|^e2fsck 1|files" out; then exit 1; fi
	}
	list() {
		(cd $1 && find . ! -name lost+found \( -type d -printf "%P %y %m\n" -o -printf "%P %y %m %s %n\n" \) | sort)
	}
	mkdir tmp mnt
	mount -t tmpfs none tmp # where making them takes less time than copying
	python3 - <<-END
		import os
		os.makedirs("tmp/src/files")
		for i in range(100000):
		    os.mknod(f"tmp/src/files/entry-{i * 7919 % 1000003}-{chr(97 + i % 26) * (i % 60)}")
		os.mkdir("tmp/src/directories")
		for i in range(65100):
		    os.mkdir(f"tmp/src/directories/{i}")
		os.mkdir("tmp/src/names")
		for i in range(3000):
		    os.link("tmp/src/files/entry-0-", f"tmp/src/names/{i}")
	END
	for block in 4096 1024; do
		"$1" tmp/img 1G tmp/src block=$block ratio=4096
		clean
		debugfs -R "htree_dump /files" tmp/img >out 2>&1
		grep -q "Indirect levels: 1" out
		mount -o loop tmp/img mnt
		[ ! -e tmp/src/directories ] || [ "$(stat -c %h mnt/directories)" = 1 ]
		diff <(list tmp/src) <(list mnt) >diff || { head diff; exit 1; }
		(cd mnt/files && seq -f added-to-it-%g 3000 | xargs touch && rm entry-1*)
		if [ -e tmp/src/directories ]; then
			(cd mnt/directories && seq -f d%g 3000 | xargs mkdir && rmdir 1*)
			mv tmp/src/directories tmp # once is enough
		fi
		umount mnt
		clean
	done
	umount tmp'
test_directories_of_100000_entries() {
	unshare -m --propagation private bash -euc "$_large_directories" large "$MKEXT4" || fail "see above"
}

test_estimate_is_enough_and_close() {
	local bytes key free
	make_rich 1024
	for key in block=4096 block=2048 block=1024 ratio=1M journal=0; do
		expect 0 "$MKEXT4" --estimate "$T/src" $key
		bytes=$(cat "$OUT")
		same $((bytes % 1048576)) 0
		expect 0 "$MKEXT4" "$T/img" "$bytes" "$T/src" $key
		check_clean "$T/img"
		same_tree "$T/img"
		# A tenth less is too little: of blocks, or of inodes.
		expect 1 "$MKEXT4" "$T/img" $((bytes * 9 / 10)) "$T/src" $key
		err_has 'does not fit' && err_has 'size of at least [0-9]+M'
	done
}

test_what_does_not_fit_says_so() {
	make_rich
	expect 1 "$MKEXT4" "$T/img" 24M "$T/src"
	err_has "^$T/src does not fit: it needs [0-9]+M, the filesystem has 24M$"
	expect 0 "$MKEXT4" "$T/img" "$(sed -n 's/.*needs \([0-9]*M\),.*/\1/p' "$ERR")" "$T/src"
	rm -rf "$T/src" && mkdir "$T/src"
	(cd "$T/src" && seq 6000 | xargs touch)
	expect 1 "$MKEXT4" "$T/img" 64M "$T/src"
	err_has 'more files than the [0-9]+ inodes' && err_has 'lower inode ratio'
	expect 0 "$MKEXT4" "$T/img" 64M "$T/src" ratio=8K
	check_clean "$T/img"
}

test_a_full_disk_says_so() {
	local size
	mkdir "$T/src" && head -c 40M /dev/urandom >"$T/src/file"
	# Met by the first writes, and by those of the thread.
	for size in 4M 20M; do
		unshare -m --propagation private bash -c '
			mkdir -p small && mount -t tmpfs -o size=$2 none small
			"$0" small/img 64M src 2>"$1"; status=$?
			umount small; exit $status' "$MKEXT4" "$ERR" $size && fail "no error with $size"
		err_has 'write ext4 filesystem: No space left on device'
		err_has 'disk that holds the image is full'
	done
}

test_attributes_that_do_not_fit_are_named() {
	mkdir "$T/src" "$T/src/sub"
	touch "$T/src/sub/file"
	for i in 1 2 3; do setfattr -n user.part$i -v "$(printf %01200d 0)" "$T/src/sub/file"; done
	expect 0 "$MKEXT4" "$T/img" 32M "$T/src"
	expect 5 "$MKEXT4" "$T/img" 32M "$T/src" block=1024
	err_has "$T/src/sub/file: the attribute user.part[123] of 1200 bytes does not fit"
	err_has 'block size of 4096'
}

test_unreadable_and_changing_files_are_named() {
	mkdir "$T/src"
	head -c 600K /dev/urandom >"$T/src/file"
	chmod 0 "$T/src/file"
	expect 1 setpriv --bounding-set=-dac_override,-dac_read_search "$MKEXT4" "$T/img" 32M "$T/src"
	err_has "open $T/src/file: Permission denied"
	chmod 644 "$T/src/file"
	# Files that are shorter than they say, for ever, and one that grows all the time.
	expect 1 "$MKEXT4" "$T/img" 32M /sys/fs/ext4/features
	err_has '^copy /sys/fs/ext4/features/[a-z_]+: its size changed while it was read$'
	(while printf x; do :; done >>"$T/src/file") &
	local writer=$! tries=0
	until ! "$MKEXT4" "$T/img" 64M "$T/src" 2>"$ERR"; do
		[ $((tries += 1)) -lt 2000 ] || { kill $writer; fail "a growing file was copied $tries times"; }
	done
	kill $writer
	err_has "^copy $T/src/file: its size changed while it was read$"
}

# One entry less than fills a block, one that does, and one more, where the index begins.
test_directories_around_one_block() {
	local block n i
	for block in 1024 4096; do
		rm -rf "$T/src" && mkdir "$T/src"
		# Entries of twelve bytes, beside "." and "..", before the checksum of twelve.
		for n in -1 0 1 2 3; do
			mkdir "$T/src/d$n"
			(cd "$T/src/d$n" && seq 1000 $((999 + (block - 36) / 12 + n)) | xargs touch)
		done
		expect 0 "$MKEXT4" "$T/img" 32M "$T/src" block=$block ratio=4K
		check_clean "$T/img"
		same_tree "$T/img"
		with_mounted rw "$T/img" sh -ec 'for d in "$0"/mnt/d*; do for i in 1 2 3 4; do touch $d/new$i; done; rm $d/100*; done' "$T"
		check_clean "$T/img"
	done
}

test_interrupting_ends_it() {
	mkdir "$T/src" && head -c 40M /dev/zero >"$T/src/file"
	expect 1 "$MKEXT4" "$T/img" 64M "$T/src" interrupt=2
	err_has '^writing: Interrupted'
}

test_mounts_below_the_source_are_not_entered() {
	mkdir -p "$T/src/dir/sub" "$T/src/plain"
	echo host >"$T/src/dir/sub/hidden"
	echo file >"$T/src/file"
	unshare -m --propagation private bash -ec '
		mount -t tmpfs -o mode=711 none src/dir
		echo other >src/dir/of-the-mount
		mount --bind /etc/passwd src/file
		"$0" img 32M src' "$MKEXT4"
	check_clean "$T/img"
	with_mounted ro "$T/img" sh -ec 'cd "$0/mnt"; test "$(ls -A dir)" = ""; test "$(stat -c %a dir)" = 711
		test -f file; test ! -s file; test -d plain' "$T"
}

test_source_with_lost_and_found_of_its_own() {
	mkdir -p "$T/src/lost+found"
	echo found >"$T/src/lost+found/#12"
	expect 0 "$MKEXT4" "$T/img" 32M "$T/src"
	check_clean "$T/img"
	with_mounted ro "$T/img" "$COMPARE" "$T/src" "$T/mnt"
	rm -r "$T/src/lost+found" && touch "$T/src/lost+found"
	expect 1 "$MKEXT4" "$T/img" 32M "$T/src"
	err_has 'lost\+found is not a directory'
}

test_chattr_flags_are_kept() {
	mkdir "$T/src" && touch "$T/src/i" "$T/src/a" "$T/src/d"
	chattr +i "$T/src/i" && chattr +a "$T/src/a" && chattr +d "$T/src/d"
	expect 0 "$MKEXT4" "$T/img" 32M "$T/src"
	check_clean "$T/img"
	local status=0
	(same_tree "$T/img") || status=$?
	chattr -ia "$T/src/i" "$T/src/a"
	return $status
}

# The comparison must see each kind of difference, or the tests above mean nothing.
test_compare_sees_every_difference() {
	local change
	make_rich
	rm -r "$T/src/deep" "$T/src/holes/200G" "$T/src/holes/many" "$T"/src/names/???xxx*
	while read -r change; do
		rm -rf "$T/copy" && cp -a "$T/src" "$T/copy"
		expect 0 "$COMPARE" --no-atime "$T/src" "$T/copy"
		(cd "$T/copy" && eval "$change")
		expect 1 "$COMPARE" --no-atime --sparse "$T/src" "$T/copy"
	done <<-'END'
		rm sizes/1
		touch new
		chmod u+x modes/0644
		chown 5 owners/1
		chgrp 5 owners/1
		touch -d @5 times/now
		touch -d "@1700000000.123456788" times/now
		rm sizes/0 && mkdir sizes/0 && touch -r ../src/sizes/0 sizes/0
		printf y | dd of=sizes/65537 conv=notrunc bs=1 seek=65536 status=none && touch -r ../src/sizes/65537 sizes/65537
		ln -sfn elsewhere links/1
		rm devices/c5:1 && mknod -m 620 devices/c5:1 c 5 2
		cp -p hard/a x && mv x hard/a
		setfattr -x user.empty attributes/empty
		setfattr -n user.k -v other attributes/small
		setfacl -m u:77:r attributes/acl
		setcap -r attributes/capability
		fallocate -l 8M holes/all && touch -r ../src/holes/all holes/all
		chattr +d sizes/1
	END
}

run_tests "$@"
