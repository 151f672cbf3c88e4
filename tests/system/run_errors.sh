#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What can go wrong at the start of a container: each a clear message with the remedy, the documented
# exit status, and nothing left.
# shellcheck source=tests/lib.sh
TIME_LIMIT=240
. "$(dirname "$0")/../lib.sh"

# refused STATUS TEXT HINT COMMAND…: and nothing of the container is left.
refused() {
	local status=$1 text=$2 hint=$3
	shift 3
	expect "$status" "$@"
	err_has "^stor: .*$text"
	[ -z "$hint" ] || err_has "^  hint: .*$hint"
	nothing_left
}
nothing_left() {
	same "$(find "$STOR_STORE/containers" "$STOR_STORE/tmp" "$STOR_STORE/names" "$STOR_STATE/live" "$STOR_STATE/users" \
		-mindepth 1 2>/dev/null)" ""
}
run_rm() { run_stor run --rm "$@"; }
# in_mounts SCRIPT COMMAND…: in a mount namespace of its own, changed by the script first.
in_mounts() {
	# shellcheck disable=SC2016 # the inner shell expands it
	unshare -m bash -c 'set -e; eval "$1"; shift; exec "$@"' bash "$@"
}

# A disk that fills up: at each size there is room for more of what a first run makes.
test_full_disk() {
	local b size failures status
	mkdir disk
	mount -t tmpfs tmpfs disk
	export STOR_STORE=$T/disk/store
	for b in dir loop; do
		failures=0
		for size in 64 1500 2300 3000 4200 4400 16000; do
			rm -rf "$STOR_STORE" "$STOR_STATE"
			mount -o "remount,size=${size}k" disk
			status=0
			run_rm --backend $b true 2>"$ERR" || status=$?
			if [ $status != 0 ]; then
				same $status 125
				err_has '^stor: .*No space left on device'
				err_has '^  hint: .*(free|full)'
				same "$(find "$STOR_STORE/golden" -mindepth 1 2>/dev/null)" ""
				failures=$((failures + 1))
			fi
			nothing_left
		done
		[ $failures -ge 3 ] || fail "$b: only $failures sizes were too small"
		same "$status" 0
		# Full when the container starts.
		dd if=/dev/zero of=disk/fill bs=4k 2>/dev/null || true
		refused 125 'No space left on device' 'free|full' run_rm --backend $b true
		refused 125 'No space left on device' 'free|full' run_rm --backend $b -o clone=copy true
		# Room for the records, but not for a copy of the root.
		truncate -s -32K disk/fill
		refused 125 'No space left on device' 'free|full' run_rm --backend $b -o clone=copy true
		rm disk/fill
		expect 0 run_rm --backend $b true
	done
	umount disk
}

test_read_only_store() {
	local b
	for b in dir loop; do expect 0 run_rm --backend $b true; done
	for b in dir loop; do
		refused 125 'Read-only file system' 'read-only.*--store' \
			in_mounts "mount --bind '$STOR_STORE' '$STOR_STORE'; mount -o remount,bind,ro '$STOR_STORE'" \
			"$STOR" run --rm --backend $b true
		refused 125 'Read-only file system' 'read-only.*--s' \
			in_mounts "mount --bind '$STOR_STATE' '$STOR_STATE'; mount -o remount,bind,ro '$STOR_STATE'" \
			"$STOR" run --rm --backend $b true
	done
}

test_no_loop_device() {
	local devices='mount -t tmpfs -o mode=755 tmpfs /dev; mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/urandom c 1 9'
	expect 0 run_rm --backend loop true
	refused 125 'loop-control: No such file' 'modprobe loop' in_mounts "$devices" \
		"$STOR" run --rm --backend loop true
	# A device that gives none, as a container's might.
	refused 125 'no free loop device' 'losetup' in_mounts 'mount --bind /dev/null /dev/loop-control' \
		"$STOR" run --rm --backend loop true
	# Nor may one be made.
	refused 125 'open /dev/loop[0-9]+' '/dev/loop[0-9]+' in_mounts "$devices; mknod /dev/loop-control c 10 237
		mount -o remount,ro /dev" "$STOR" run --rm --backend loop true
	# dir needs none.
	expect 0 in_mounts "$devices" "$STOR" run --rm --backend dir true
}

test_damaged_image() {
	local golden
	expect 0 run_stor volume create --backend loop --image busybox --size 64M whole
	damaged() { cp --sparse=always "$STOR_STORE/volumes/whole/data/image" image; }
	damaged
	dd if=/dev/urandom of=image bs=1k count=64 conv=notrunc 2>/dev/null
	refused 125 "volume $T/image: .*holds no filesystem" 'stor volume check' run_rm --backend loop --root "$T/image" true
	damaged
	debugfs -w -R 'clri <2>' image 2>/dev/null
	refused 125 "volume $T/image: mount .*(needs cleaning|corrupt)" 'damaged' run_rm --backend loop --root "$T/image" true
	damaged
	truncate -s 1M image
	refused 125 "volume $T/image: .*needs 64" 'cut short' run_rm --backend loop --root "$T/image" true
	damaged
	debugfs -w -R 'clri /bin/busybox' image 2>/dev/null
	refused 126 'cannot execute .*cleaning' 'volume check' run_rm --backend loop --root "$T/image" true
	# The copy of an image that runs share: said, and made anew.
	expect 0 run_rm --backend loop true
	golden=$(ls -d "$STOR_STORE"/golden/*-loop-*)
	dd if=/dev/urandom of="$golden/data/image" bs=1k count=64 conv=notrunc 2>/dev/null
	refused 125 "copy ${golden##*/} on loop: .*holds no filesystem" 'stor image rm --golden' run_rm --backend loop true
	expect 0 run_stor image rm --golden busybox
	expect 0 run_rm --backend loop true
}

test_commands_that_cannot_run() {
	local b
	mkdir programs
	printf '#!/no/such/interpreter -x\n' >programs/script
	printf 'true\n' >programs/plain
	printf '\177ELF' >programs/elf
	head -c 200 /dev/zero >>programs/elf
	chmod 755 programs/*
	printf '#!/bin/sh\n' >programs/not-executable
	for b in dir loop; do
		for init in '' --init; do
			# shellcheck disable=SC2086 # perhaps no word
			at() { refused "$1" "$2" "$3" run_rm --backend $b $init -v "$T/programs:/p" "${@:4}"; }
			at 127 'command "missing" not found' 'PATH is /' missing
			at 127 'command "/p/missing" not found' '' /p/missing
			at 126 'cannot execute /p/not-executable: Permission denied' 'execute permission' /p/not-executable
			at 126 'cannot execute /p: ' 'directory' /p
		done
		init=
		at 126 'cannot execute /p/script: its interpreter /no/such/interpreter is missing' '' /p/script
		at 126 'cannot execute /p/plain: Exec format error' 'without #!' /p/plain
		at 126 'cannot execute /p/elf: ' 'no program' /p/elf
		at 125 'entrypoint|unknown option --no-such' 'help' --no-such true
	done
}

test_missing_rights() {
	local b
	refused 125 'run needs root privileges' 'as root' \
		setpriv --reuid 65534 --regid 65534 --clear-groups "$STOR" run --rm true
	for b in dir loop; do
		refused 125 'CAP_SYS_ADMIN' 'privileged|host' setpriv --bounding-set -sys_admin "$STOR" run --rm --backend $b true
	done
	refused 125 'CAP_SYS_ADMIN' 'privileged|host' unshare --user --map-root-user setpriv --bounding-set -sys_admin "$STOR" run --rm true
}

# Where / is a plain folder of the host.
test_in_a_chroot() {
	cat >chroot.sh <<-'END'
		for path in /*; do
			if [ -h "$path" ]; then cp -a "$path" root/; elif [ -d "$path" ]; then mkdir "root$path" && mount --rbind "$path" "root$path"; fi
		done
		exec chroot root "$@"
	END
	mkdir root
	expect 0 run_rm true
	refused 125 'make mounts private: Invalid argument' 'in a chroot / is no mount point' unshare -m bash chroot.sh "$STOR" run --rm true
}

test_entrypoint_and_groups() {
	expect 0 run_rm --entrypoint echo one two
	same "$(cat "$OUT")" 'one two'
	refused 127 'command "missing" not found' '' run_rm --entrypoint missing one
	expect 0 run_rm --entrypoint '' id -u
	same "$(cat "$OUT")" 0
	expect 0 run_rm --group-add 4321 --group-add users id -G
	same "$(cat "$OUT")" '0 100 4321'
	refused 125 'group-add: group "nobodies" is not in the root' '' run_rm --group-add nobodies true
	refused 125 'group-add' '' run_rm --group-add '' true
}

test_refused_options() {
	refused 125 '/dev/null is no free place below /dev' ':/dev/NAME' run_rm --device /dev/null true
	refused 125 'userns host is not supported yet' '' run_rm --userns host true
	refused 125 'label=x: security labels are not supported yet' '' run_rm --security-opt label=x true
	refused 125 'dir' 'size|backend' run_rm --backend dir --size 1G true
}

test_a_hundred_at_once() {
	local b i pids status
	for b in dir loop; do
		pids=()
		for i in {1..100}; do
			run_rm --backend $b /bin/true 2>"err.$i" &
			pids+=($!)
		done
		for i in {1..100}; do
			status=0
			wait "${pids[i - 1]}" || status=$?
			[ $status = 0 ] || fail "$b, run $i: status $status: $(cat "err.$i")"
			# On a slow machine those that wait for the golden volume say so.
			same "$(grep -v 'warning: waiting for another stor' "err.$i" || true)" ''
		done
		nothing_left
	done
}

run_tests "$@"
