#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The ploop backend as a user sees it: both ways to attach, clones, what is left after a kill, and
# that others read what it wrote and it reads what others wrote.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/ploop_lib.sh
. "$TOP/tests/ploop_lib.sh"

# Another judge has nothing to say of an image, and nothing to mend.
accepted() {
	local before
	before=$(sha256sum <"$1")
	ploop check --force "$1" >log 2>&1 || { cat log >&2; fail "ploop check $1"; }
	! grep -v '^Reopen rw ' log >&2 || fail "ploop check $1 has something to say"
	same "$(sha256sum <"$1")" "$before"
}
# The in-use mark of the header.
mark() { od -An -tx4 -j44 -N4 "$1" | tr -d ' '; }
IN_USE=746f6e59

make_volume() { expect 0 run_stor volume create --backend ploop --size 64M --image busybox "$@"; }
how() { sed -n 's/^how=//p' "$STOR_STATE"/users/*; }
is_attached() { [ -n "$(how)" ]; }

# The filesystem as another reader of the format sees it, and as stor's device has it.
same_bytes() {
	local name=$1 device size
	mkdir -p mnt
	expect 0 run_stor volume mount --read-only "$name" "$T/mnt"
	device=$(findmnt -no SOURCE "$T/mnt")
	size=$(blockdev --getsize64 "$device")
	cat "$device" >ours
	expect 0 run_stor volume umount "$name"
	qemu-img convert -f parallels -O raw "$(data "$name")/root.hds" theirs
	cmp -n "$size" ours <(tail -c +1048577 theirs) || fail "$name: qemu-img reads something else"
}

test_attached_by_engine() {
	local format
	for format in v1 v2; do
		make_volume -o format=$format $format
		expect 0 run_stor run --root $format -- sh -c 'echo kept >/file; dd if=/dev/urandom of=/big bs=1M count=9'
		expect 0 run_stor run --root $format -- cat /file
		same "$(cat "$OUT")" kept
		same "$(mark "$(data $format)/root.hds")" 00000000
		accepted "$(data $format)/root.hds"
		same_bytes $format
		expect 0 run_stor volume check $format
	done
}

test_attached_directly() {
	make_volume -o layout=preallocated v
	"$STOR" run --root v -- sleep 60 &
	wait_for is_attached
	same "$(how)" "direct, buffered"
	same "$(mark "$(data v)/root.hds")" $IN_USE
	expect 4 run_stor volume check --repair v
	expect 125 run_stor run --root v -- true
	err_has 'in use'
	kill -TERM $!
	wait $! || true
	same "$(mark "$(data v)/root.hds")" 00000000
	expect 0 run_stor run --root v -- sh -c 'echo kept >/file'
	expect 0 run_stor run --root v -o attach=engine -- cat /file
	same "$(cat "$OUT")" kept
	accepted "$(data v)/root.hds"
	same_bytes v
}

test_a_killed_stor_leaves_no_mark() {
	local pid
	make_volume -o layout=preallocated v
	"$STOR" run --root v -- sh -c 'echo kept >/file; sync; sleep 60' &
	pid=$!
	is_marked() { is_attached && [ "$(mark "$(data v)/root.hds")" = $IN_USE ]; }
	wait_for is_marked
	sleep 0.5
	kill -KILL $pid
	wait $pid 2>/dev/null || true
	same "$(mark "$(data v)/root.hds")" $IN_USE
	# Any command, and none that names the volume.
	expect 0 run_stor ps
	same "$(mark "$(data v)/root.hds")" 00000000
	accepted "$(data v)/root.hds"
	expect 0 run_stor run --root v -- cat /file
	same "$(cat "$OUT")" kept
}

test_raw() {
	make_volume -o layout=raw v
	expect 0 run_stor run --root v -- sh -c 'echo kept >/file'
	expect 0 run_stor run --root v -o attach=engine -- cat /file
	same "$(cat "$OUT")" kept
	expect 0 run_stor volume check v
}

# is_attached_by TEXT: what inspect says that the volume v would be attached by, and why.
is_attached_by() {
	expect 0 run_stor volume inspect v
	out_has "\"attach\": \"$1\""
}
described() { run_stor volume inspect "$1" | sed -n "s/^ *\"$2\": \"\{0,1\}\([0-9]*\)\"\{0,1\},*/\1/p"; }

test_what_is_told() {
	make_volume -o layout=preallocated v
	is_attached_by 'direct: its clusters lie in order'
	same "$(described v size) $(described v exclusive)" "$((64 << 20)) $(described v allocated)"
	[ "$(described v allocated)" -ge $((64 << 20)) ] || fail "not all of it is allocated"
	expect 0 run_stor volume snapshot v s
	is_attached_by 'engine: it is a chain of several files'
	expect 0 run_stor volume convert -o layout=raw v
	expect 0 run_stor volume merge v s
	is_attached_by 'direct: it is a raw disk'
	expect 0 run_stor volume rm v
	make_volume v
	is_attached_by 'engine: its file ends before its disk does'
	[ "$(described v allocated)" -lt $((20 << 20)) ] || fail "too much of it is allocated"
}

# Which way is taken is the user's choice, and the one that was chosen or none.
test_ways_to_attach() {
	local way
	make_volume -o layout=preallocated v
	# All of it is written, not only allocated; and nothing is given back, whatever was asked for.
	! filefrag -v "$(data v)/root.hds" | grep -q unwritten || fail "it is not written to"
	[ "$(du --block-size=1 "$(data v)/root.hds" | cut -f1)" -ge "$(stat -c %s "$(data v)/root.hds")" ] || fail "it has holes"
	for way in auto direct engine; do
		expect 0 run_stor --debug run --rm --root v -o attach=$way -o discard=yes -- cat /proc/mounts
		case $way in
		engine) err_has 'root in place, engine' && out_has '^/dev/loop[0-9]+ / ext4 .*,discard' ;;
		*) err_has 'root in place, direct, buffered' && out_lacks '^/dev/loop[0-9]+ / ext4 .*discard' ;;
		esac
		ploop check "$(data v)/DiskDescriptor.xml" >log 2>&1 || fail "$way: $(tail -n 2 log)"
	done
	expect 125 run_stor run --root v -o attach=kernel -- true
	err_has 'attach=kernel: this kernel has no ploop driver'
	expect 125 run_stor run --root v -o attach=fast -- true
	expect 0 run_stor volume snapshot v s
	expect 125 run_stor run --root v -o attach=direct -- true
	err_has 'attach=direct: it is a chain of several files'
	expect 0 run_stor volume rm v
	make_volume v
	expect 125 run_stor run --root v -o attach=direct -- true
	err_has 'attach=direct: its file ends before its disk does'
	expect 0 run_stor run --root v -o attach=engine -- true
}

test_clones() {
	make_volume v
	expect 0 run_stor run --root v -- sh -c 'echo shared >/file'
	expect 0 run_stor volume clone v w
	expect 0 run_stor run --root w -- sh -c 'cat /file; echo other >/file'
	same "$(cat "$OUT")" shared
	expect 0 run_stor run --root v -- cat /file
	same "$(cat "$OUT")" shared
	expect 0 run_stor volume rm v
	expect 0 run_stor run --root w -- cat /file
	same "$(cat "$OUT")" other
	accepted "$(data w)/root.hds"
}

test_throwaway_roots() {
	local way
	for way in auto delta overlay copy; do
		expect 0 run_stor run --rm --backend ploop -o clone=$way -- sh -c 'echo x >/file; cat /file'
		same "$(cat "$OUT")" x
	done
	# A golden volume is as it was.
	expect 1 run_stor run --rm --backend ploop -- cat /file
	same "$(find "$STOR_STORE/containers" -mindepth 1 | wc -l)" 0
}

# A mark is for whoever finds the volume after a kill; what goes away with its container has none.
test_a_throwaway_root_is_not_marked() {
	local option
	container_mark() { mark "$STOR_STORE"/containers/*/data/root.hds; }
	container_device() { grep -l "$STOR_STORE/containers/" /sys/block/loop*/loop/backing_file | sed 's,^/sys/block/\(loop[0-9]*\)/.*,/dev/\1,'; }
	for option in --rm --name=kept; do
		"$STOR" run $option --backend ploop -o layout=preallocated -o clone=overlay -v "$T:/test" -- sh -c 'echo x >/test/ready; while [ -e /test/ready ]; do sleep 0.05; done' &
		wait_for test -s ready
		same "$option: $(container_mark)" "$option: $([ $option = --rm ] && echo 00000000 || echo $IN_USE)"
		# Nor a journal, however it is laid out.
		same "$option: $(dumpe2fs -h "$(container_device)" 2>/dev/null | grep -c ' has_journal ')" "$option: $([ $option = --rm ] && echo 0 || echo 1)"
		rm ready
		wait $!
	done
	same "$(container_mark)" 00000000
	expect 0 run_stor rm kept
}

test_images_of_others() {
	mkdir tree tree/bin bundle.hdd
	cp /bin/busybox tree/bin/sh
	mke2fs -q -t ext4 -d tree disk.raw 64M
	qemu-img convert -f raw -O parallels disk.raw disk.hds
	# One image without descriptor or partition table.
	expect 0 run_stor run --root "$T/disk.hds" -- /bin/sh -c 'echo kept >/file'
	same "$(mark disk.hds)" 00000000
	expect 0 run_stor run --root "$T/disk.hds" -- /bin/sh -c 'read -r x </file; echo $x'
	same "$(cat "$OUT")" kept
	expect 0 run_stor volume check "$T/disk.hds"
	# It has no states before it has a descriptor.
	mkdir lone.hdd
	mv disk.hds lone.hdd/root.hds
	expect 5 run_stor volume snapshot "$T/lone.hdd/root.hds" s
	err_has 'descriptor=yes writes one'
	expect 4 flock lone.hdd/root.hds "$STOR" volume convert -o descriptor=yes "$T/lone.hdd/root.hds"
	[ ! -e lone.hdd/DiskDescriptor.xml ] || fail "a descriptor of an image in use"
	expect 0 run_stor volume convert -o descriptor=yes "$T/lone.hdd/root.hds"
	ploop check lone.hdd/DiskDescriptor.xml >log 2>&1 || { cat log >&2; fail "ploop check"; }
	expect 2 run_stor volume convert -o descriptor=yes "$T/lone.hdd/root.hds"
	expect 2 run_stor volume convert -o descriptor=yes "$T/lone.hdd"
	err_has 'has a DiskDescriptor.xml already'
	expect 0 run_stor volume snapshot "$T/lone.hdd" s
	expect 0 run_stor run --root "$T/lone.hdd" -- /bin/sh -c 'read -r x </file; echo $x'
	same "$(cat "$OUT")" kept
	# A chain that ploop made, by folder and by descriptor.
	(cd bundle.hdd && ploop init -s 64M -t none -v 1 "$T/bundle.hdd/root.hds") >log 2>&1 || { cat log >&2; fail "ploop init"; }
	expect 0 run_stor volume inspect "$T/bundle.hdd"
	out_has '"ploop v1"'
	expect 0 run_stor volume inspect "$T/bundle.hdd/DiskDescriptor.xml"
	out_has '"ploop v1"'
	expect 125 run_stor run --root "$T/bundle.hdd" -- /bin/sh
	err_has 'no filesystem'
}

test_a_descriptor_reaches_nothing_else() {
	make_volume v
	cp -a "$(data v)" out.hdd
	mv out.hdd/root.hds secret
	ln -s ../secret out.hdd/root.hds
	expect 125 run_stor run --root "$T/out.hdd" -- true
	err_has 'lies outside its folder'
	sed -i "s|root.hds|$T/secret|" out.hdd/DiskDescriptor.xml
	expect 125 run_stor run --root "$T/out.hdd" -- true
	err_has 'lies outside its folder'
}

# Block numbers of more than 32 bits, and more than a file of the host's filesystem may have for the check.
test_more_than_16_tib() {
	mkdir m
	expect 0 run_stor volume create --backend ploop --size 17T -o cluster=64K -o inode-ratio=64M v
	expect 0 run_stor volume mount v m
	[ "$(df --output=size -k m | tail -n 1)" -gt $((17 * 1000 * 1000 * 1000)) ] || fail "$(df -k m)"
	head -c 3M /dev/urandom >m/file
	md5sum <m/file >sum
	expect 0 run_stor volume umount v
	expect 0 run_stor volume check v
	out_has 'Pass 5: Checking group summary'
	same "$(tail -n 1 "$OUT")" 'v: clean'
	expect 0 run_stor volume mount --read-only v m
	md5sum <m/file | cmp - sum || fail "the content is another"
	expect 0 run_stor volume umount v
}

# The filesystem first, then the partition table, the descriptor and the image.
test_smaller() {
	local layout sum
	for layout in expandable preallocated raw; do
		make_volume -o layout=$layout v
		expect 0 run_stor run --root v -- sh -c 'head -c 6291456 /dev/urandom >/big && sha256sum </big'
		sum=$(cat "$OUT")
		expect 0 run_stor volume resize v 40M
		expect 0 run_stor volume check v
		expect 0 run_stor volume inspect v
		out_has '"size": 41943040,'
		expect 0 run_stor run --read-only --root v -- sha256sum /big
		out_has "^${sum%% *} "
		if [ $layout != raw ]; then
			same "$(od -An -tu8 -j36 -N8 "$(data v)/root.hds" | tr -d ' ')" 81920
			[ "$(stat -c %s "$(data v)/root.hds")" -le $((42 << 20)) ] || fail "the image is as large as before"
		else
			same "$(stat -c %s "$(data v)/root.hds")" $((40 << 20))
		fi
		[ $layout = raw ] || accepted "$(data v)/root.hds"
		expect 0 run_stor volume rm v
	done
}

test_too_small() {
	make_volume v
	expect 0 run_stor run --root v -- sh -c 'head -c 31457280 /dev/urandom >/big && sha256sum </big'
	local sum
	sum=$(cat "$OUT")
	expect 2 run_stor volume resize v 24M
	err_has 'its filesystem holds too much: it needs [0-9]+ KiB, and would have 22528 KiB'
	expect 0 run_stor volume inspect v
	out_has '"size": 67108864,'
	expect 0 run_stor volume check v
	expect 0 run_stor run --read-only --root v -- sha256sum /big
	out_has "^${sum%% *} "
	# What a snapshot has beyond the end would come back when the disk grows.
	expect 0 run_stor volume snapshot v s
	expect 5 run_stor volume resize v 60M
	err_has 'than the snapshot that it lies on'
	expect 0 run_stor volume merge v s
	expect 0 run_stor volume resize v 60M
	expect 0 run_stor volume check v
}

test_long_work_is_seen_and_cancelled() {
	local status
	expect 0 run_stor volume create --backend ploop --size 1G --image busybox v
	expect 0 run_stor run --rm --root v -- sh -c 'echo kept >/file'
	# On a machine that is very quick one may end before a bar is due, or before it is cancelled.
	shows() {
		run_stor volume convert -o layout=expandable v
		script -qec "$STOR volume convert -o layout=preallocated v" seen </dev/null >/dev/null &&
			grep -qE 'writing zeros \[#+\.*\] [0-9.]+M of 1.0G' seen
	}
	wait_for shows
	expect 0 run_stor volume convert -o layout=expandable v
	cancelled() {
		run_stor volume convert -o layout=expandable v
		"$STOR" volume convert -o layout=preallocated v 2>"$ERR" &
		wait_for another_image
		kill -TERM $!
		status=0
		wait $! || status=$?
		[ $status = 1 ]
	}
	another_image() { [ "$(find "$(data v)" -name 'root.hds*' | wc -l)" = 2 ]; }
	wait_for cancelled
	err_has 'interrupted by SIGTERM'
	same "$(stat -c %b "$(data v)"/root.hds* | awk '{ n += $1 } END { print n < 2 * 1024 * 1024 }')" 1
	expect 0 run_stor volume inspect v
	out_has '"format": "ploop v2",'
	# What it left goes with the next work.
	expect 0 run_stor volume convert -o format=v1 v
	expect 0 run_stor volume convert -o format=v2 v
	same "$(find "$(data v)" -name 'root.hds*' | wc -l)" 1
	expect 0 run_stor run --rm --root v -- cat /file
	same "$(cat "$OUT")" kept
	expect 0 run_stor volume check v
}

test_damage_is_found() {
	local file
	make_volume v
	file=$(data v)/root.hds
	# Two slots that point to one cluster.
	dd if="$file" of="$file" bs=4 skip=17 seek=56 count=1 conv=notrunc status=none
	expect 1 run_stor volume check v
	out_has 'shares its place'
	expect 0 run_stor volume check --repair v
	out_has 'repaired'
	expect 0 run_stor volume check v
	# An image that nobody names.
	cp "$file" "$(data v)/stray"
	expect 0 run_stor volume check v
	out_has 'stray: an image that DiskDescriptor.xml does not name'
}

test_parameters() {
	expect 2 run_stor volume create --backend ploop -o cluster=48K v
	err_has 'power of two'
	expect 2 run_stor volume create --backend ploop --size 1M v
	err_has 'at least 16M'
	expect 0 run_stor volume create --backend ploop --size 16M -o cluster=32K v
	expect 125 run_stor run --root v -o attach=kernel -- true
	err_has 'no ploop driver'
	expect 0 run_stor volume create --backend ploop --size 16M -o format=v1 -o journal=no w
	accepted "$(data w)/root.hds"
	same "$(find "$STOR_STORE/tmp" -mindepth 1 | wc -l)" 0
}

run_tests "$@"
