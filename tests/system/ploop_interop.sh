#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Ploop disks of `ploop`, of qemu-img and of stor's engine, each read, written, changed and judged by
# the others: `ploop check`, qemu-img (base images), and ploop-read, which is made from the format's
# description alone.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

command -v ploop >/dev/null && command -v qemu-img >/dev/null || HAVE_JUDGES=no
CTL=$TOOLS/ploopctl
# shellcheck disable=SC2034 # lib.sh reads it
TIME_LIMIT=300
READ=$TOP/tests/tools/ploop-read
X=DiskDescriptor.xml

judges() { [ "${HAVE_JUDGES:-}" != no ] || skip "no ploop, or no qemu-img"; }
# ploop 1.15 copies PATH_MAX bytes from any path: what lies behind it must be readable.
pl() { STOR_PAD=$(printf '%8000s' x) ploop "$@" >"$T/pl.log" 2>&1 || { sed 's/^/# /' "$T/pl.log" | tail -n 5 >&2; return 1; }; }
ctl() { "$CTL" "$@"; }

# put DISK OFFSET LENGTH: random bytes into the disk and into its model, the raw file DISK.raw.
put() {
	head -c "$3" /dev/urandom >chunk
	ctl load "$1" chunk "$2"
	dd if=chunk of="$1.raw" bs=4096 seek=$(($2 / 4096)) conv=notrunc status=none
}
# verify DISK: all who can read it agree with the model, and the checkers with all.
verify() {
	ctl dump "$1" dump
	cmp dump "$1.raw" || fail "$1: the engine reads something else"
	"$READ" "$1" | cmp - "$1.raw" || fail "$1: ploop-read reads something else"
	pl check "$1/$X" || fail "$1: ploop check"
}
# A snapshot's content.
verify_snapshot() {
	ctl dump "$1" dump "$2"
	cmp dump "$3" || fail "$1: snapshot $2 is another"
	"$READ" "$1" "$(ctl guid "$2")" | cmp - "$3" || fail "$1: ploop-read: snapshot $2 is another"
}
base_of() { find "$1" -name 'root.h*' | sort | head -n1; }
# Of a lone base.
verify_by_qemu() {
	qemu-img convert -f parallels -O raw "$(base_of "$1")" qemu.out
	cmp qemu.out "$1.raw" || fail "$1: qemu-img reads something else"
}
new() { mkdir "$1"; truncate -s "$2" "$1.raw"; }
M=1048576

# NAME KIND CLUSTER [MIB]
own_disk() {
	local mib=${4:-40}
	new "$1" "${mib}M"
	ctl make "$1" "$2" $((mib * M)) "$3"
	put "$1" 0 $((3 * M))
	put "$1" $((17 * M - 4096)) 12288
	verify "$1"
	if [ "$2" != raw ]; then
		verify_by_qemu "$1"
		pl check "$(base_of "$1")" || fail "ploop check of $1"
	fi
}

test_own_images() {
	judges
	local kind cluster
	for kind in v1 v2 raw; do
		for cluster in 32768 1048576 4194304; do own_disk "d$kind$cluster" $kind $cluster; done
	done
}

test_the_largest_clusters() {
	judges
	local kind
	for kind in v1 v2; do
		own_disk d$kind $kind $((64 * M)) 192
		cp d$kind.raw a.raw
		ctl snapshot d$kind a
		put d$kind $((130 * M)) 4096 # one page of a cluster: the rest is copied up
		verify d$kind
		verify_snapshot d$kind a a.raw
		ctl merge d$kind
		verify d$kind
		verify_by_qemu d$kind
	done
	# And of others, in whose images the engine writes.
	qemu-img create -q -f parallels -o size=192M,cluster_size=64M q.hds
	qemu-io -f parallels -c 'write -q -P 7 100M 1M' q.hds
	mkdir q
	mv q.hds q/root.hdd
	qemu-img convert -f parallels -O raw q/root.hdd q.raw
	ctl restore q root.hdd
	put q $((3 * M)) 8192
	verify q
	verify_by_qemu q
	mkdir p
	truncate -s 192M p.raw
	pl init -s 192M -t none -b 131072 p/root.hdd
	put p $((70 * M)) 8192
	verify p
	verify_by_qemu p
}

# part DISK OFFSET LENGTH FILE: all who can read that part agree with the file.
part() {
	ctl dump "$1" dump "$2" "$3"
	cmp dump "$4" || fail "$1: the engine reads something else at $2"
	"$READ" "$1" - "$2" "$3" | cmp - "$4" || fail "$1: ploop-read reads something else at $2"
}
# The largest disks, which lie in sparse files. Sizes in bytes; the last cluster is the last slot.
test_the_largest_disks() {
	judges
	local kind bytes cluster at places n
	head -c $M /dev/urandom >one
	head -c $M /dev/urandom >two
	for kind in v1 v2 v2more; do
		bytes=$((1 << 44)) cluster=$M
		[ $kind != v1 ] || bytes=$(((1 << 41) - 16 * M)) # every place in the file has a name
		[ $kind != v2more ] || bytes=$((64 << 40)) cluster=$((4 * M))
		places="0 $((bytes / 2)) $((bytes - cluster))"
		mkdir $kind
		ctl make $kind ${kind%more} $bytes $cluster
		for at in $places; do ctl load $kind one "$at"; done
		for at in $places; do part $kind "$at" $M one; done
		pl check $kind/$X || fail "ploop check of $kind"
		n=$(du -k --apparent-size $kind/root.hdd | cut -f1)
		[ "$n" -lt $((100 * 1024)) ] || fail "$kind: $n KiB"
		ctl snapshot $kind s
		ctl load $kind two $((bytes - cluster))
		part $kind $((bytes - cluster)) $M two
		part $kind 0 $M one
		qemu-io -r -f parallels -c "read -q $((bytes - cluster)) $M" $kind/root.hdd >qemu.log 2>&1 || fail "qemu: $(cat qemu.log)"
		qemu-io -r -f parallels -c "read -v $((bytes - cluster)) 16" $kind/root.hdd 2>/dev/null | head -n1 |
			grep -qF "$(od -An -tx1 -N4 one | sed 's/^ //')" || fail "qemu-img reads something else"
		ctl merge $kind s
		part $kind $((bytes - cluster)) $M two
		pl check $kind/$X || fail "ploop check of $kind after a merge"
		ctl compact $kind >compacted
		part $kind $((bytes / 2)) $M one
		rm -rf $kind
	done
	# Those of ploop and qemu-img, which the engine opens, writes and reads.
	mkdir p q
	pl init -s $(((1 << 31) - 1024))K -t none p/root.hdd
	ctl load p one $(((1 << 41) - 2 * M))
	part p $(((1 << 41) - 2 * M)) $M one
	pl check p/$X || fail "ploop check of ploop's own"
	qemu-img create -q -f parallels -o size=16T,cluster_size=1M q/root.hdd
	ctl restore q root.hdd
	ctl load q one $(((1 << 44) - M))
	part q $(((1 << 44) - M)) $M one
}

# table FILE: as others see it, without what is drawn by lot.
table() { sfdisk -d "$1" 2>table.err | sed "s|^$1||; s/uuid=[0-9A-F-]*//; /^label-id\|^device/d"; ! [ -s table.err ] || fail "$1: $(cat table.err)"; }

# What parted makes where `ploop init` calls it, and that it has nothing to say of what stor made, also
# of a disk that got another size.
test_partition_tables() {
	command -v parted >/dev/null && command -v sfdisk >/dev/null || skip "no parted, or no sfdisk"
	local size cluster mib
	for size in 64:1024 33:32 100:4096; do
		mib=${size%:*} cluster=$((${size#*:} * 1024))
		expect 0 run_stor volume create --backend ploop --size "${mib}M" -o cluster=$cluster v
		ctl dump "$STOR_STORE/volumes/v/data" ours
		rm -f theirs
		truncate -s "${mib}M" theirs
		parted -s theirs mklabel gpt mkpart primary ${cluster}b $(((mib * M - cluster) / cluster * cluster - 1))b
		diff <(table ours) <(table theirs) >&2 || fail "$size: another table"
		cmp -n 512 ours theirs || fail "$size: another protective MBR"
		expect 0 parted -s ours unit s print
		same "$(cat "$ERR")" ''
		expect 0 run_stor volume rm v
	done
	expect 0 run_stor volume create --backend ploop --size 64M v
	expect 0 run_stor volume resize v 40M
	ctl dump "$STOR_STORE/volumes/v/data" ours
	rm theirs
	truncate -s 40M theirs
	parted -s theirs mklabel gpt mkpart primary ${M}b $((39 * M - 1))b
	diff <(table ours) <(table theirs) >&2 || fail "another table after a resize"
}

test_own_operations() {
	judges
	local kind
	for kind in v1 v2 raw; do
		own_disk $kind $kind 65536
		cp $kind.raw a.raw
		ctl snapshot $kind a
		put $kind $((2 * M)) $((2 * M))
		verify $kind
		cp $kind.raw b.raw
		ctl snapshot $kind b
		put $kind $((9 * M)) 65536
		verify $kind
		verify_snapshot $kind a a.raw
		verify_snapshot $kind b b.raw
		ctl rollback $kind a
		cp a.raw $kind.raw
		verify $kind
		put $kind $((5 * M)) 200704
		expect 5 ctl merge $kind a
		ctl delete $kind a # two lie on it: it only ceases to be seen
		expect 3 ctl dump $kind dump2 nothing-of-this-name
		same "$(ctl list $kind)" "b -"
		verify $kind
		verify_snapshot $kind b b.raw
		ctl delete $kind b # and goes with the other
		same "$(ctl list $kind)" ""
		same "$(find $kind -name 'root.hd*' | wc -l)" 1
		verify $kind
		ctl snapshot $kind one
		put $kind 0 4096
		ctl snapshot $kind two
		put $kind 4096 4096
		ctl snapshot $kind three
		put $kind 8192 $M
		ctl merge $kind two one
		same "$(ctl list $kind)" "three - current"
		verify $kind
		ctl merge $kind
		same "$(find $kind -name 'root.hd*' | wc -l)" 1
		verify $kind
		[ $kind = raw ] || verify_by_qemu $kind
	done
}

test_grown_disks_merge() {
	judges
	local kind
	for kind in v1 v2 raw; do
		own_disk $kind $kind 1048576
		ctl snapshot $kind small
		ctl grow $kind $((60 * M))
		truncate -s 60M $kind.raw
		put $kind $((59 * M)) $M
		verify $kind
		ctl merge $kind small
		verify $kind
	done
}

test_images_of_ploop() {
	judges
	local sectors d
	for sectors in 64 2048 8192; do
		d=p$sectors
		new $d 64M
		pl init -s 64M -t none -b $sectors $d/root.hdd
		verify $d
		put $d $((3 * M)) $((2 * M))
		verify $d
		verify_by_qemu $d
		pl snapshot -u '{aaaaaaaa-0000-4000-8000-000000000001}' $d/$X
		cp $d.raw s1.raw
		put $d $((4 * M)) $((3 * M))
		pl snapshot -u '{aaaaaaaa-0000-4000-8000-000000000002}' $d/$X
		put $d 0 4096
		verify $d
		verify_snapshot $d aaaaaaaa-0000-4000-8000-000000000001 s1.raw
		same "$(ctl list $d | tail -n1)" "aaaaaaaa-0000-4000-8000-000000000002 aaaaaaaa-0000-4000-8000-000000000001 current"
		# One merge by ploop, the other by the engine.
		pl snapshot-merge -u '{aaaaaaaa-0000-4000-8000-000000000002}' $d/$X
		verify $d
		ctl merge $d
		verify $d
		same "$(find $d -name 'root.hdd*' | wc -l)" 1
		verify_by_qemu $d
	done
}

test_ploop_on_own_chains() {
	judges
	own_disk d v1 1048576
	cp d.raw a.raw
	ctl snapshot d a
	put d $((8 * M)) $M
	ctl snapshot d b
	put d $((9 * M)) $M
	pl snapshot-switch -u "$(ctl guid a)" d/$X
	cp a.raw d.raw
	verify d
	put d $((2 * M)) $M
	pl snapshot-delete -u "$(ctl guid b)" d/$X
	same "$(ctl list d)" "a - current"
	verify d
	pl snapshot d/$X
	put d $((30 * M)) 8192
	verify d
	pl snapshot-delete -u "$(ctl guid a)" d/$X
	verify d
}

test_images_of_qemu() {
	judges
	local cluster d
	for cluster in 65536 1048576; do
		d=q$cluster
		new $d 40M
		qemu-img create -q -f parallels -o size=40M,cluster_size=$cluster $d/root.hdd
		qemu-io -f parallels -c 'write -q -P 5 3M 5M' -c 'write -q -P 6 30M 64k' $d/root.hdd
		qemu-img convert -f parallels -O raw $d/root.hdd $d.raw
		ctl restore $d root.hdd
		expect 2 ctl restore $d root.hdd
		ctl dump $d dump
		cmp dump $d.raw || fail "the engine reads something else"
		put $d $((4 * M)) $((6 * M))
		verify $d
		verify_by_qemu $d
		ctl snapshot $d s
		put $d 0 $M
		ctl merge $d s
		verify $d
		verify_by_qemu $d
		qemu-io -f parallels -c 'write -q -P 9 12M 1M' "$(base_of $d)"
		qemu-img convert -f parallels -O raw "$(base_of $d)" $d.raw
		ctl dump $d dump
		cmp dump $d.raw || fail "the engine reads something else after QEMU wrote"
	done
}

test_conversions() {
	judges
	local layout
	own_disk d v2 65536
	ctl snapshot d s
	put d $((7 * M)) $M
	ctl version d 1
	verify d
	same "$(head -c 16 "$(base_of d)")" WithoutFreeSpace
	ctl version d 2
	verify d
	pl convert -v 1 d/$X
	verify d
	for layout in raw preallocated raw expandable preallocated expandable; do
		ctl layout d $layout
		verify d
		put d $((11 * M)) 8192
		verify d
	done
	ctl layout d raw
	ctl merge d
	cmp "$(base_of d)" d.raw || fail "a raw base is not the disk"
	own_disk p v1 1048576
	pl convert -f raw p/$X
	verify p
	ctl layout p preallocated
	verify p
	verify_by_qemu p
	own_disk a v1 1048576
	pl convert -f preallocated a/$X
	verify a
	ctl layout a expandable
	verify a
	verify_by_qemu a
}

test_compaction() {
	judges
	own_disk d v2 65536
	local before
	before=$(stat -c %s "$(base_of d)")
	ctl discard d 0 $((2 * M))
	dd if=/dev/zero of=d.raw bs=1M count=2 conv=notrunc status=none
	same "$(ctl compact d)" $((2 * M))
	[ "$(stat -c %s "$(base_of d)")" -lt "$before" ] || fail "the file did not shrink"
	verify d
	verify_by_qemu d
}

# Room only in pieces of a block: a cluster that was never written lies in many extents, and `ploop`
# wants each of them to be as long as a cluster.
scattered() {
	truncate -s 64M fs.img
	mke2fs -q -F -t ext4 -b 4096 -m 0 -N 16000 fs.img
	mkdir fs
	mount -o loop fs.img fs
	python3 - <<-'END'
		import errno, os
		os.mkdir("fs/f")
		n = 0
		try:
		    while True:
		        with open(f"fs/f/{n}", "wb", buffering=0) as file:
		            file.write(bytes(4096))
		        n += 1
		except OSError as error:
		    assert error.errno == errno.ENOSPC
		for i in range(0, n, 2):
		    os.unlink(f"fs/f/{i}")
	END
	sync -f fs
}

# By their files: by the descriptor it mends what it does not like.
strictly() {
	local file
	for file in "$1"/root.hdd*; do pl check --force "$file" || fail "ploop check of $file"; done
}

test_where_room_is_scattered() {
	judges
	local d=fs/d
	scattered
	mkdir $d
	truncate -s 8M $d.raw
	ctl make $d v2 $((8 * M)) $M
	put $d $((3 * M)) 8192
	ctl layout $d preallocated
	strictly $d
	verify $d
	# Zeros copied up: a cluster that is taken and not written.
	ctl snapshot $d s
	ctl write $d $((5 * M)) 4096 0
	strictly $d
	# Until the disk is full, and as far as it got.
	cat /dev/zero >fs/fill 2>/dev/null || true
	truncate -s -$((3 * M)) fs/fill
	head -c $((7 * M)) /dev/urandom >chunk
	expect 1 ctl load $d chunk 0
	strictly $d
	rm fs/fill
	ctl load $d chunk 0
	strictly $d
	umount fs
}

test_what_ploop_left_half_done() {
	judges
	local when d
	# Killed at each of its syncs, while it converts.
	for when in 1 2 3 4 5 6; do
		d=c$when
		own_disk $d v2 65536
		ctl snapshot $d s
		put $d $M $M
		STOR_PAD=$(printf '%8000s' x) strace -f -o strace.out -e trace=fsync \
			-e "inject=fsync:signal=KILL:when=$when" ploop convert -v 1 $d/$X >/dev/null 2>&1 || true
		ctl list $d >/dev/null
		[ -z "$(find $d -name '*.idx')" ] || fail "the copy of a table is left"
		verify $d
	done
	# An interrupted merge leaves the base marked, and all of ploop refuses it.
	own_disk m v1 65536
	ctl snapshot m s
	put m 0 $M
	printf 'Ynot' | dd of="$(base_of m)" bs=1 seek=44 conv=notrunc status=none
	expect 1 pl snapshot-merge -A m/$X
	ctl list m >/dev/null
	verify m
	# A new delta that nothing refers to, and a descriptor half written.
	cp "$(find m -name 'root.hdd.*')" 'm/root.hdd.{11111111-2222-4333-8444-555555555555}'
	truncate -s 65536 'm/root.hdd.{aaaaaaaa-2222-4333-8444-555555555555}'
	head -c 100 m/$X >m/$X.tmp
	ctl list m >/dev/null
	[ ! -e m/$X.tmp ] || fail "a half descriptor is left"
	[ ! -e 'm/root.hdd.{aaaaaaaa-2222-4333-8444-555555555555}' ] || fail "an empty delta is left"
	[ -e 'm/root.hdd.{11111111-2222-4333-8444-555555555555}' ] || fail "data was removed"
	verify m
}

test_refusals() {
	mkdir d
	ctl make d v2 $((16 * M)) 1048576
	ctl snapshot d one
	expect 2 ctl snapshot d one
	err_has 'has a snapshot "one" already'
	expect 3 ctl delete d two
	expect 3 ctl rollback d two
	expect 2 ctl version d 3
	expect 3 ctl list nowhere
	expect 4 flock d/$X.lck "$CTL" list d
	expect 4 flock "$(find d -name 'root.hdd.*')" "$CTL" write d 0 4096 1
	# Never written: what lies elsewhere, or behind a link.
	mv d/root.hdd elsewhere
	ln -s "$T/elsewhere" d/root.hdd
	cp elsewhere before
	expect 1 ctl merge d one
	cmp elsewhere before || fail "a file behind a link was written to"
	sed -i "s|<File>root.hdd</File>|<File>$T/elsewhere</File>|" d/$X
	expect 5 ctl merge d one
	cmp elsewhere before || fail "a file of others was written to"
	ctl list d >/dev/null
}

run_tests "$@"
