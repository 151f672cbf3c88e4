#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor volume: every command on both backends, what they refuse, and what they leave.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

field() { python3 -c 'import json, sys; d = json.load(open(sys.argv[1]))
for k in sys.argv[2].split("."): d = d[int(k)] if isinstance(d, list) else d[k]
print(d)' "$OUT" "$1"; }
users() { find "$STOR_STATE/users" -type f | wc -l; }
unfinished() { find "$STOR_STORE/tmp" -mindepth 1 2>/dev/null | wc -l; }
# A volume that is small where the backend has sizes.
make_volume() {
	if [ "$1" = dir ]; then
		expect 0 run_stor volume create --backend dir "$2"
	else
		expect 0 run_stor volume create --backend "$1" --size 64M "$2"
	fi
}

test_clone_is_made_as_its_original() {
	expect 0 run_stor volume create --backend loop --size 64M -o journal=0 --image busybox v
	expect 0 run_stor volume clone v copy
	expect 0 run_stor volume inspect copy
	same "$(field 0.parameters.journal) $(field 0.image)" '0 busybox'
}

# A reader that stor knows nothing of.
test_volume_that_cannot_be_destroyed_keeps_its_name() {
	expect 0 run_stor volume create --backend loop --size 64M v
	exec 5<"$STOR_STORE/volumes/v/data/image"
	flock -s 5
	expect 4 run_stor volume rm v
	err_has 'remove volume v: '
	expect 0 run_stor volume check v
	same "$(unfinished)" 0
	exec 5<&-
	expect 0 run_stor volume rm v
}

test_life_of_a_volume() {
	local b
	for b in dir loop; do
		make_volume $b "$b.1"
		expect 4 run_stor volume create --backend $b "$b.1"
		err_has "volume $b\.1 exists already"
		expect 0 run_stor volume ls
		out_has "^$b\.1 +$b +named "
		expect 0 run_stor volume ls -q
		same "$(cat "$OUT")" "$b.1"
		expect 0 run_stor volume ls --format json
		same "$(field 0.backend) $(field 0.in_use)" "$b False"
		expect 0 run_stor volume inspect "$b.1"
		same "$(field 0.kind) $(field 0.path)" "named $STOR_STORE/volumes/$b.1/data"
		expect 0 run_stor volume inspect --format table "$b.1"
		out_has "^backend +$b$"
		expect 0 run_stor volume rm "$b.1"
		expect 3 run_stor volume rm "$b.1"
		err_has "no volume $b\.1"
		expect 3 run_stor volume inspect "$b.1"
		same "$(unfinished)" 0
	done
	same "$(stat -c %a "$STOR_STORE" "$STOR_STORE/volumes" "$STOR_STATE" | sort -u)" 700
}

test_parameters_are_kept() {
	expect 0 run_stor volume create --backend loop --size 64M -o block-size=1024 -o journal=no \
		--fs ext4 --fs-label test v
	expect 0 run_stor volume inspect v
	same "$(field 0.parameters.block-size) $(field 0.parameters.journal)" "1024 no"
	same "$(field 0.fs) $(field 0.label) $(field 0.size)" "ext4 test $((64 << 20))"
	same "$(blkid -p -o value -s LABEL "$STOR_STORE/volumes/v/data/image")" test
	expect 2 run_stor volume create --backend loop -o no-such=1 w
	err_has 'no parameter "no-such"'
	expect 5 run_stor volume create --backend dir --size 1G w
	err_has dir
	expect 2 run_stor volume create a/b
	expect 2 run_stor volume create --size x w
	expect 3 run_stor volume create --backend nonesuch w
	expect 3 run_stor volume create --image nonesuch w
	expect 2 run_stor volume create
	same "$(ls "$STOR_STORE/volumes")" v
	same "$(unfinished)" 0
}

test_image_fills_a_volume() {
	local b
	mkdir m
	for b in dir loop; do
		expect 0 run_stor volume create --backend $b --image busybox $b
		expect 0 run_stor volume mount $b m
		[ -x m/bin/busybox ] || fail "$b: the image's content is missing"
		expect 0 run_stor volume umount m
		expect 0 run_stor volume inspect $b
		same "$(field 0.image)" busybox
	done
}

test_mount_and_umount() {
	local b
	mkdir m other
	for b in dir loop; do
		make_volume $b $b
		expect 0 run_stor volume mount $b m
		echo content >m/file
		expect 0 run_stor volume ls
		out_has "^$b .* mounted at $T/m$"
		expect 0 run_stor volume inspect $b
		same "$(field 0.users.0.dir) $(field 0.users.0.access)" "$T/m rw"
		findmnt -no OPTIONS m | grep -q nodev || fail "$b: not nodev"
		expect 4 run_stor volume mount $b other
		err_has "mounted at $T/m"
		expect 4 run_stor volume mount --read-only $b other
		err_has "mounted at $T/m"
		# The backend is not asked: its lock may not last as long as the mount.
		expect 125 env STOR_TRACE=1 "$STOR" run --root $b true
		err_has "mounted at $T/m"
		! grep -q "trace: $b.attach" "$ERR" || fail "$b: attached: $(cat "$ERR")"
		for command in "rm $b" "clone $b copy" "check --repair $b"; do
			# shellcheck disable=SC2086
			expect 4 run_stor volume $command
			err_has "mounted at $T/m"
		done
		exec 9<m/file
		expect 4 run_stor volume umount m
		exec 9<&-
		expect 0 run_stor volume umount m
		expect 3 run_stor volume umount $b
		err_has 'not mounted'
		same "$(users)" 0
		# Read-only mounts may be several; by name, all go.
		expect 0 run_stor volume mount -r $b m
		expect 0 run_stor volume mount -r $b other
		same "$(cat m/file other/file)" "content
content"
		! touch m/new 2>/dev/null || fail "$b: written through a read-only mount"
		expect 4 run_stor volume rm $b
		expect 0 run_stor volume clone $b $b.copy
		expect 0 run_stor volume rm $b.copy
		expect 0 run_stor volume umount $b
		! grep -qF " $T/" /proc/self/mountinfo || fail "$b: still mounted"
		expect 0 run_stor volume rm $b
	done
	expect 3 run_stor volume mount nonesuch m
	make_volume dir d
	expect 3 run_stor volume mount d nonesuch
	expect 2 run_stor volume mount d "$OUT"
	same "$(users)" 0
}

test_mount_that_was_taken_away_by_hand() {
	local b
	mkdir m
	for b in dir loop; do
		make_volume $b $b
		expect 0 run_stor volume mount $b m
		umount m
		expect 3 run_stor volume umount $b
		expect 0 run_stor gc
		same "$(users)" 0
		expect 0 run_stor volume mount $b m
		mount -t tmpfs none m
		expect 4 run_stor volume umount $b
		err_has 'another filesystem is mounted over it'
		umount m
		expect 0 run_stor volume umount $b
		expect 0 run_stor volume rm $b
	done
}

test_clones_are_whole_and_separate() {
	local b
	mkdir m
	for b in dir loop; do
		make_volume $b $b
		expect 0 run_stor volume mount $b m
		echo one >m/file
		expect 0 run_stor volume umount m
		expect 0 run_stor volume clone $b $b.copy
		expect 0 run_stor volume clone --mode copy $b $b.copy2
		expect 4 run_stor volume clone $b $b.copy
		expect 2 run_stor volume clone --mode magic $b x
		expect 3 run_stor volume clone nonesuch x
		expect 0 run_stor volume inspect $b.copy
		same "$(field 0.clone_of)" $b
		expect 0 run_stor volume mount $b.copy m
		same "$(cat m/file)" one
		echo two >m/file
		expect 0 run_stor volume umount m
		expect 0 run_stor volume mount $b m
		same "$(cat m/file)" one
		expect 0 run_stor volume umount m
	done
	# This store's filesystem (ext4, tmpfs) shares no blocks.
	if ! cp --reflink=always "$OUT" reflinked 2>/dev/null; then
		expect 5 run_stor volume clone --mode reflink loop x
		[ ! -e "$STOR_STORE/volumes/x" ] || fail 'half a clone'
	fi
	same "$(unfinished)" 0
}

test_check_finds_and_repairs() {
	expect 0 run_stor volume create --backend loop --size 64M v
	expect 0 run_stor volume check v
	out_has '^v: clean$'
	# A wrong count of free blocks in the superblock, and a root directory that is none.
	local image=$STOR_STORE/volumes/v/data/image
	debugfs -w -R 'set_inode_field <2> mode 0100644' "$image" 2>/dev/null
	expect 1 run_stor volume check v
	out_has '^v: damaged$'
	expect 1 run_stor volume check --format json v
	same "$(field verdict) $(field name)" "damaged v"
	expect 0 run_stor volume check --repair v
	out_has '^v: repaired$'
	expect 0 run_stor volume check v
	expect 0 run_stor volume create --backend dir d
	expect 0 run_stor volume check d
	out_has 'nothing to check'
}

test_resize() {
	mkdir m
	expect 0 run_stor volume create --backend loop --size 64M v
	expect 0 run_stor volume resize v 64M
	expect 2 run_stor volume resize v 1M
	err_has 'its filesystem holds too much'
	expect 0 run_stor volume create --backend loop --size 64M --image busybox full
	expect 0 run_stor run --root full -- sh -c 'head -c 8388608 /dev/urandom >/big && sha256sum /big'
	cp "$OUT" sum
	expect 0 run_stor volume resize full 32M
	same "$(stat -c %s "$STOR_STORE/volumes/full/data/image")" $((32 << 20))
	expect 0 run_stor volume check full
	expect 0 run_stor run --read-only --root full -- sha256sum /big
	cmp "$OUT" sum || fail 'another content'
	expect 2 run_stor volume resize v 0
	expect 2 run_stor volume resize v big
	expect 0 run_stor volume create --backend dir d
	expect 5 run_stor volume resize d 1G
	err_has 'backend "dir" has no sizes'
	expect 0 run_stor volume mount v m
	expect 4 run_stor volume resize v 32M
	err_has "mounted at $T/m"
	# The mounted filesystem grows where root may do that, or the size is what it was.
	if [ $((0x$(awk '/^CapEff/ {print $2}' /proc/self/status) >> 24 & 1)) = 1 ]; then
		expect 0 run_stor volume resize v 128M
		[ "$(df --output=size -k m | tail -n1)" -gt 100000 ] || fail 'did not grow'
		expect 0 run_stor volume umount v
		expect 0 run_stor volume resize v 192M
		expect 0 run_stor volume inspect v
		same "$(field 0.size)" $((192 << 20))
	else
		expect 5 run_stor volume resize v 128M
		err_has 'still has 64.0M: grow ext4: needs the capability CAP_SYS_RESOURCE'
		expect 0 run_stor volume umount v
		expect 5 run_stor volume resize v 128M
		err_has 'still has 64.0M'
		expect 0 run_stor volume inspect v
		same "$(field 0.size)" $((64 << 20))
	fi
	expect 0 run_stor volume check v
	same "$(users)" 0
}

test_foreign_volumes() {
	mkdir -p m tree/bin
	echo here >tree/file
	truncate -s 64M disk.img
	mkfs.ext4 -q disk.img
	expect 0 run_stor volume inspect ./disk.img
	same "$(field 0.kind) $(field 0.backend) $(field 0.path)" "foreign loop $T/disk.img"
	expect 0 run_stor volume check ./disk.img
	expect 0 run_stor volume mount ./disk.img m
	expect 4 run_stor volume check --repair ./disk.img
	err_has "mounted at $T/m"
	expect 0 run_stor volume umount ./disk.img
	expect 0 run_stor volume clone ./disk.img copy
	expect 0 run_stor volume check copy
	expect 2 run_stor volume rm ./disk.img
	err_has 'only volumes of the store'
	[ -e disk.img ] || fail 'a foreign image was removed'
	expect 0 run_stor volume mount --backend dir ./tree m
	same "$(cat m/file)" here
	expect 0 run_stor volume umount m
	expect 3 run_stor volume inspect ./nonesuch
	# An image's path with a space, as mountinfo writes it.
	mkdir 'a b'
	expect 0 run_stor volume mount ./disk.img 'a b'
	expect 0 run_stor volume umount 'a b'
	same "$(users)" 0
}

# A small filesystem of its own as the store, in a mount namespace that ends with the test.
test_full_disk() {
	mkdir full
	cat >script <<-'END'
		set -eu
		mount -t tmpfs -o size=3m none full
		export STOR_STORE=$PWD/full/store
		head -c 8M /dev/urandom >"tree/big"
		status=0
		"$STOR" image import tree big 2>err || status=$?
		[ "$status" = 1 ] && grep -q 'No space left on device' err
		for b in dir loop; do
			head -c 2M /dev/urandom >full/filler || true
			status=0
			"$STOR" volume create --backend $b --image busybox v 2>err || status=$?
			cat err
			[ "$status" = 1 ] && grep -q 'No space left on device' err
			rm full/filler
			[ ! -e "$STOR_STORE/volumes/v" ]
			[ -z "$(ls "$STOR_STORE/tmp")" ]
		done
	END
	mkdir tree
	export STOR
	expect 0 unshare -m bash script
}

test_damaged_and_strange_stores() {
	expect 0 run_stor volume create v
	echo rubbish >"$STOR_STORE/volumes/v/record"
	expect 1 run_stor volume inspect v
	err_has 'not a record'
	expect 0 run_stor volume ls
	out_has '^v .*not a record'
	expect 0 run_stor volume ls --format json
	same "$(field 0.name)" v
	chmod 0777 "$STOR_STORE"
	expect 1 run_stor volume ls
	err_has 'can be written by others'
	chmod 0755 "$STOR_STORE"
	expect 0 run_stor volume ls -q
	same "$(stat -c %a "$STOR_STORE")" 700
	expect 2 run_stor --store "$T/other" volume ls
	err_has 'belongs to the store'
}

run_tests "$@"
