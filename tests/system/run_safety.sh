#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a hostile command or root cannot do: see the threat model in the README.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

run_rm() { run_stor run --rm "$@"; }
out_is() { same "$(cat "$OUT")" "$1"; }
# with_root BACKEND COMMAND…: makes the volume root-BACKEND of busybox, and runs the command in its
# root directory on the host.
with_root() {
	expect 0 run_stor volume create --backend "$1" --image busybox "root-$1"
	with_root_again "$@"
}
# The same with the volume that is there.
with_root_again() {
	local backend=$1
	shift
	mkdir -p mounted
	expect 0 run_stor volume mount "root-$backend" mounted
	(cd mounted && "$@")
	expect 0 run_stor volume umount "root-$backend"
}
# As CVE-2019-5736: the runtime executes itself in a root whose dynamic linker is hostile.
attack() {
	mkdir -p lib64
	cp "$TOOLS/capture" lib64/ld-linux-x86-64.so.2
	printf '#!/proc/self/exe\n' >script
	ln -s /proc/self/exe link
	cat >attack <<-'SH'
		echo attacking
		ls -lL /proc/self/fd/9
		(echo overwritten >>/proc/self/fd/9) && echo written
	SH
	chmod +x script attack
}
test_the_runtime_cannot_be_overwritten() {
	local b command before
	before=$(sha256sum "$STOR" "$B"/modules/internal/* "$B"/modules/backends/*)
	for b in dir loop; do
		with_root $b attack
		for command in /proc/self/exe /script /link /proc/thread-self/exe; do
			expect 126 run_rm --root root-$b $command
			out_lacks 'attacking|written'
			err_has "cannot execute $command: it leads to stor itself"
			expect 125 run_rm --init --root root-$b $command
			out_lacks 'attacking|written'
		done
	done
	# shellcheck disable=SC2016
	expect 0 run_rm --init sh -c 'for f in /proc/1/exe /proc/self/exe; do
		if (echo overwritten >>$f) 2>/dev/null; then echo "written $f"; fi; done; cat /proc/1/exe >/dev/null; true'
	out_lacks 'written /proc/1'
	err_has '/proc/1/exe.*Permission denied'
	same "$(sha256sum "$STOR" "$B"/modules/internal/* "$B"/modules/backends/*)" "$before"
}

# Where somebody else can write, the command leads to stor only after stor has looked at it: then its
# file is on a read-only mount. Whether the race was won shows when the attack runs.
racing() {
	local i flipper
	rm -f folder/command folder/other
	ln -s /bin/true folder/command
	ln -s /proc/self/exe folder/other
	timeout 60 "$TOOLS/flip" folder/command folder/other &
	flipper=$!
	for ((i = 0; i < 300; i++)); do
		run_rm "$@" >out 2>err || true
		! grep -q changed out || break
		! grep -q 'Read-only file system' err || break
	done
	kill $flipper
	wait $flipper || true
	cat out err
}
test_a_swapped_command_does_not_reach_the_runtime() {
	local before result
	before=$(stat -c '%a %Z' "$STOR")
	mkdir folder
	with_root dir attack
	echo 'chmod 711 /proc/self/fd/9 && echo changed' >"$STOR_STORE/volumes/root-dir/data/rootfs/attack"
	cp -a "$STOR_STORE/volumes/root-dir/data/rootfs" tree
	result=$(racing --root root-dir -v "$T/folder:/folder" /folder/command)
	case $result in *'Read-only file system'*) ;; *) fail "by a bind: $result" ;; esac
	mv folder tree/folder
	ln -s tree/folder folder
	result=$(racing --backend dir --root "$T/tree" /folder/command)
	case $result in *'Read-only file system'*) ;; *) fail "in a shared root: $result" ;; esac
	same "$(stat -c '%a %Z' "$STOR")" "$before"
}

# An image that carries the node of the disk that the host's / lies on, and a harmless one.
nodes() {
	local device
	device=$(stat -c '%Hd %Ld' /)
	[ -e "/sys/dev/block/${device/ /:}" ] || device='7 0'
	# shellcheck disable=SC2086 # two words
	mknod disk b $device
	mknod zero c 1 5
	chmod 666 disk zero
}
test_nodes_of_an_image_are_dead() {
	local b
	for b in dir loop; do
		with_root $b nodes
		for node in disk zero; do
			expect 1 run_rm --root root-$b head -c 1 /$node
			err_has "$node: Permission denied"
			expect 1 run_rm --root root-$b --cap-add ALL head -c 1 /$node
			err_has "$node: Permission denied"
		done
		expect 0 run_rm --root root-$b head -c 1 /dev/zero
	done
	# Nor do those of a folder of the host.
	mkdir folder
	(cd folder && nodes)
	expect 1 run_rm -v "$T/folder:/folder" head -c 1 /folder/zero
	err_has 'zero: Permission denied'
}

test_mounts_below_a_bind_are_as_it() {
	mkdir -p folder/below
	expect 0 unshare -m bash -c 'mount -t tmpfs none folder/below && mknod -m 666 folder/below/zero c 1 5 && exec "$@"' bash \
		"$STOR" run --rm -v "$T/folder:/folder:ro" sh -c 'head -c 1 /folder/below/zero; (echo x >/folder/below/file); ls /folder/below'
	out_is zero
	err_has 'zero: Permission denied'
	err_has 'file: Read-only file system'
}

# Neither way: the folder is on a mount whose events go to all copies of it.
test_no_mount_passes_between_host_and_container() {
	mkdir folder
	cat >both.sh <<-'END'
		set -e
		mount -t tmpfs none folder
		mount --make-shared folder
		mkdir folder/in folder/out
		"$STOR" run --rm --cap-add SYS_ADMIN -v "$PWD/folder:/folder" sh -c 'mount -t tmpfs none /folder/in && touch /folder/in/file /folder/ready
			i=0; while [ ! -e /folder/go ] && [ $i -lt 600 ]; do i=$((i + 1)); sleep 0.1; done; echo inside /folder/out/*' &
		for _ in $(seq 600); do [ -e folder/ready ] && break; sleep 0.1; done
		mount -t tmpfs none folder/out
		touch folder/out/file
		echo outside folder/in/*
		touch folder/go
		wait $!
	END
	STOR=$STOR expect 0 unshare -m bash both.sh
	out_is 'outside folder/in/*
inside /folder/out/*'
}

test_no_descriptor_gets_in() {
	local fds
	mkdir folder
	for fds in '' --init; do
		# shellcheck disable=SC2016,SC2086
		expect 0 bash -c 'exec 3</ 4</etc/passwd 5>folder/file 6<>folder/other 7<folder 8</dev/null 9<&8
			exec "$@"' bash "$STOR" run --rm $fds sh -c 'cd /proc/self/fd; echo *; cd /proc/1/fd 2>/dev/null && echo *'
		# The shell itself, and its folder are seen by `echo *` as 0 to 2, and 3 while it reads.
		same "$(head -n1 "$OUT" | tr ' ' '\n' | grep -vxE '0|1|2|3' | paste -sd' ')" ''
	done
	expect 0 bash -c 'exec 3</ 4</etc/passwd 9</dev/null; exec "$@"' bash "$STOR" run --rm ls -l /proc/self/fd/
	out_lacks '(passwd|-> /$)'
}

# Nor does the command's own path, or the folder it starts in, lead out by what stor has open.
test_no_path_through_descriptors() {
	local up=../../../../../../../../../.. fd b
	printf '#!/bin/sh\necho of the host\n' >program
	cp /bin/busybox host-program
	chmod +x program host-program
	for fd in {3..20}; do
		expect 127 run_rm "/proc/self/fd/$fd/$up$T/host-program" true
	done
	for b in dir loop; do
		for fd in 3 4 5 6 7 8; do
			expect 125 run_rm --backend $b --workdir "/proc/self/fd/$fd/$up" ls
			expect 127 run_rm --backend $b --init "/proc/self/fd/$fd/$up$T/program"
		done
	done
}

test_nothing_of_the_host_is_seen() {
	local b
	echo secret >secret
	for b in dir loop; do
		# shellcheck disable=SC2016
		expect 0 run_rm --backend $b sh -c "cat '$T/secret' /proc/1/root$T/secret /proc/self/cwd/../../..$T/secret
			ls /proc/1/root; ls -d /proc/[0-9]*; cat /proc/self/mountinfo"
		out_lacks "secret|$T|oldroot"
		same "$(grep -cE '^/proc/[0-9]+$' "$OUT")" 1
	done
}

test_masked_and_read_only() {
	local b
	for b in dir loop; do
		# shellcheck disable=SC2016
		expect 0 run_rm --backend $b --cap-add ALL --security-opt seccomp=unconfined sh -c '
			for f in /proc/acpi /proc/asound /proc/scsi /sys/firmware /sys/devices/virtual/powercap; do
				[ ! -e $f ] || [ -z "$(ls -A $f)" ] || echo "seen $f"; done
			for f in interrupts kcore keys latency_stats sched_debug timer_list timer_stats; do
				[ ! -e /proc/$f ] || [ -z "$(head -c 1 /proc/$f)" ] || echo "seen $f"; done
			for d in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger /sys; do
				grep -qE " $d ro," /proc/self/mountinfo || [ ! -e $d ] || echo "writable $d"; done
			(echo 1 >/proc/sys/kernel/panic) 2>/dev/null && echo "written"; true'
		out_is ''
	done
}

# Where /proc and /sys go is no link of the root's, nor a file.
link_of() { rm -rf "$1" && ln -s /etc "$1"; }
file_as() { rm -rf "$1" && touch "$1"; }
test_system_folders_are_folders() {
	local b folder
	for b in dir loop; do
		with_root $b true
		for folder in proc sys dev; do
			with_root_again $b link_of $folder
			expect 125 run_rm --root root-$b true
			err_has "/?$folder"
			with_root_again $b file_as $folder
			expect 125 run_rm --root root-$b true
			err_has "/?$folder"
			with_root_again $b rm $folder
			expect 0 run_rm --root root-$b true
		done
	done
}

# The keys of whoever starts stor stay outside.
test_keyring_is_the_containers_own() {
	local own
	own=$("$TOOLS/calls" keyring)
	[[ $own == 'keyring: '[1-9]* ]] || skip 'this kernel has no keyrings'
	expect 0 run_rm -v "$TOOLS:/tools:ro" --security-opt seccomp=unconfined /tools/calls keyring
	out_has '^keyring: [1-9]'
	out_lacks "^$own\$"
}

# A directory whose owners are mapped, through the interface that backends have for it.
test_idmapped_dir() {
	expect 0 run_stor volume create --backend dir mapped
	root=$STOR_STORE/volumes/mapped/data/rootfs
	echo content >"$root/of-root"
	echo content >"$root/of-app"
	chown 7:8 "$root/of-app"
	chmod 600 "$root"/of-*
	expect 0 "$TOOLS/idmapped" mapped 200000 sh -c 'cat /proc/self/uid_map; cat of-root of-app
		stat -c "%n %u:%g" of-root of-app; touch new; chown 9:10 new'
	out_has '^ +0 +200000 +65536$'
	same "$(tail -n +2 "$OUT")" 'content
content
of-root 0:0
of-app 7:8'
	# On the disk they are those of the namespace, not those of the host.
	same "$(stat -c '%u:%g' "$root/new")" 9:10
	# Without the mapping that same user sees nobody's files, and may read none.
	expect 1 setpriv --reuid 200000 --regid 200000 --clear-groups cat "$root/of-root"
}

run_tests "$@"
