#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Containers of OpenVZ, brought over as stor-ploop(7) says: their private area as vzctl and ploop lay it,
# of both versions of the format, with snapshots, preallocated and raw.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/ploop_lib.sh
. "$TOP/tests/ploop_lib.sh"

CTL=$TOOLS/ploopctl
READ=$TOP/tests/tools/ploop-read
X=DiskDescriptor.xml
BALLOON=.balloon-c3a5ae3d-ce7f-43c4-a1ea-c61e2b4504e8

needs() { command -v ploop >/dev/null && command -v qemu-img >/dev/null || skip "no ploop, or no qemu-img"; }
quiet() { "$@" >log 2>&1 || { tail -n5 log >&2; fail "$*"; }; }

# What a template has, and what ploop and vzctl put in: the balloon's file, and device nodes.
tree() {
	mkdir -p tree/{bin,sbin,etc,dev,proc,sys,tmp,root,var}
	cp /bin/busybox tree/bin/busybox
	local name
	for name in sh cat ls echo sha256sum hostname mount; do ln -s busybox tree/bin/$name; done
	printf '#!/bin/sh\necho booted $(hostname) >/var/boot\ncat /etc/motd\n' >tree/sbin/init
	chmod 755 tree/sbin/init
	echo 'of OpenVZ' >tree/etc/motd
	head -c 3000000 /dev/urandom >tree/root/data
	: >tree/$BALLOON
	chmod 600 tree/$BALLOON
}
# The disk as `ploop init` makes it on a kernel with its driver: parted's partition table, mke2fs.
disk() {
	rm -f disk.raw
	truncate -s 128M disk.raw
	printf 'label: gpt\nstart=2048, size=%s, name=primary\n' $((262144 - 2 * 2048)) | quiet sfdisk -q disk.raw
	quiet mke2fs -q -F -t ext4 -b 4096 -i 16384 -E offset=1048576 -d tree disk.raw $((126 * 1024))k
}
# private FOLDER: a private area, "VE_PRIVATE" of ve.conf.
private() {
	mkdir -p "$1"/{root.hdd,dump,scripts} etc
	printf 'HOSTNAME="web1"\nPHYSPAGES="0:131072"\nIP_ADDRESS="10.1.2.3"\nVE_LAYOUT="ploop"\n' >etc/101.conf
	ln -s "$T/etc/101.conf" "$1/ve.conf"
	ln -s 5 "$1/.ve.layout"
	printf '<?xml version="1.0"?>\n<Snapshots/>\n' >"$1/Snapshots.xml"
	quiet ploop init -s 128M -t none "$1/root.hdd/root.hdd"
	quiet qemu-img convert -n -f raw -O parallels disk.raw "$1/root.hdd/root.hdd"
	# What ploop remembers of the filesystem, and where it mounted.
	head -c 40 /dev/zero >"$1/root.hdd/.statfs"
	mkdir "$1/root.hdd/root.hdd.mnt"
	# QEMU leaves an image that ploop has to be told to take.
	quiet ploop check -f -S "$1/root.hdd/root.hdd"
}

# The steps of the manual.
bring() {
	local hdd=$1
	expect 0 run_stor volume check "$hdd"
	expect 0 run_stor run --rm --hostname web1 --root "$hdd/$X" -- /sbin/init
	out_has '^of OpenVZ$'
	expect 0 run_stor run --rm --root "$hdd" -- sh -c 'cat /var/boot; sha256sum /root/data; echo ours >>/var/boot'
	out_has '^booted web1$'
	out_has "^$(sha256sum <tree/root/data | cut -d' ' -f1) "
	expect 0 run_stor volume check "$hdd"
}
back() {
	quiet ploop check "$1/$X"
	"$CTL" dump "$1" ours
	"$READ" "$1" | cmp - ours || fail "another reader reads something else"
	debugfs -R 'cat /var/boot' 'ours?offset=1048576' 2>/dev/null >boot
	same "$(tail -n1 boot)" ours
}

test_a_container_as_it_is() {
	needs
	tree
	disk
	private private/101
	bring private/101/root.hdd
	# It goes back as it came: ploop takes it, and the partition table is the one that it had.
	back private/101/root.hdd
	sfdisk -d ours >table.now
	sfdisk -d disk.raw >table.then
	diff <(grep -v '^device' table.now | sed 's/^ours//') <(grep -v '^device' table.then | sed 's/^disk.raw//') >&2 ||
		fail "another partition table"
	quiet ploop snapshot private/101/root.hdd/$X
	bring_again private/101/root.hdd
}
bring_again() {
	expect 0 run_stor run --rm --root "$1" -- sh -c 'echo again >/var/again'
	quiet ploop check "$1/$X"
}

test_a_container_with_snapshots() {
	needs
	local hdd=$T/private/101/root.hdd
	tree
	disk
	private private/101
	# vzctl snapshot, and work since.
	quiet ploop snapshot -u '{aaaaaaaa-0000-4000-8000-000000000001}' "$hdd/$X"
	expect 0 run_stor run --rm --root "$hdd" -- sh -c 'echo second >/etc/motd'
	quiet ploop snapshot -u '{aaaaaaaa-0000-4000-8000-000000000002}' "$hdd/$X"
	expect 0 run_stor run --rm --root "$hdd" -- sh -c 'echo of OpenVZ >/etc/motd'
	bring "$hdd"
	back "$hdd"
	expect 0 run_stor volume snapshots "$hdd"
	out_has 'aaaaaaaa-0000-4000-8000-000000000002 +aaaaaaaa-0000-4000-8000-000000000001 .*yes'
	# Into the store, where the snapshots come along.
	expect 0 run_stor volume clone "$hdd" web
	expect 0 run_stor volume merge web aaaaaaaa-0000-4000-8000-000000000001
	expect 0 run_stor volume rollback web aaaaaaaa-0000-4000-8000-000000000002
	expect 0 run_stor run --rm --root web -- cat /etc/motd
	same "$(cat "$OUT")" second
	quiet ploop check "$(data web)/$X"
	expect 0 run_stor volume convert -o format=v2 web
	expect 0 run_stor run --rm --root web -- cat /etc/motd
	# The one that was brought stays as it was.
	expect 0 run_stor run --rm --read-only --root "$hdd" -- cat /etc/motd
	same "$(cat "$OUT")" 'of OpenVZ'
}

test_other_layouts() {
	needs
	local layout
	tree
	disk
	for layout in preallocated raw; do
		private "private/$layout"
		quiet ploop convert -f $layout "private/$layout/root.hdd/$X"
		bring "private/$layout/root.hdd"
		back "private/$layout/root.hdd"
		# Plain under an expandable delta.
		quiet ploop snapshot "private/$layout/root.hdd/$X"
		bring_again "private/$layout/root.hdd"
	done
	private private/v2
	"$CTL" version private/v2/root.hdd 2
	bring private/v2/root.hdd
	back private/v2/root.hdd
}

run_tests "$@"
