#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# attach=kernel against a driver and a libploop that are both fakes (tests/driver): no kernel that
# stor runs on has the driver. What is shown is what stor does with them, whoever dies when.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/ploop_lib.sh
. "$TOP/tests/ploop_lib.sh"
# shellcheck source=tests/kill.sh
. "$TOP/tests/kill.sh"

# shellcheck disable=SC2034 # lib.sh reads it
TIME_LIMIT=300
X=DiskDescriptor.xml

fakes() {
	mkdir -p fake/block fake/dev fake/lib
	touch fake/ploop_minor
	cc -shared -fPIC -O1 -Wl,-soname,libploop.so.1 -o fake/lib/libploop.so.1 "$TOP/tests/driver/libploop.c"
	cc -shared -fPIC -O1 -o fake/kernel.so "$TOP/tests/driver/kernel.c" -ldl
}
# vz COMMAND…: on that kernel, with that library.
vz() { FAKE_PLOOP=$T/fake LD_PRELOAD=$T/fake/kernel.so LD_LIBRARY_PATH=$T/fake/lib "$@"; }
# badly WHAT COMMAND…: the same, and what the library does goes wrong.
badly() {
	local what=$1
	shift
	FAKE_PLOOP_DO=$what vz "$@"
}
# begin ARGUMENT…: stor there, in the background, until it has the volume.
begin() {
	env FAKE_PLOOP="$T/fake" LD_PRELOAD="$T/fake/kernel.so" LD_LIBRARY_PATH="$T/fake/lib" "$STOR" "$@" &
	PID=$!
	wait_for is_attached
}
# What stays until then: the first process of a container ignores what it has no handler for.
STAY='trap exit TERM; while :; do sleep 0.05; done'
finish() {
	kill -TERM "$PID"
	wait "$PID" || true
}
calls() { cat fake/calls 2>/dev/null || true; }
count_calls() { calls | grep -c "^$1 " || true; }
devices() { find fake/block -mindepth 1 -maxdepth 1 -printf '%f\n' | sort; }
how() { sed -n 's/^how=//p' "$STOR_STATE"/users/*; }
is_attached() { [ -n "$(how)" ]; }
# Nothing is left of any attachment.
all_gone() {
	same "$(devices)" ''
	same "$(ls "$STOR_STATE/users")" ''
	same "$(losetup -ln -O BACK-FILE | grep -F "$T/" || true)" ''
}
# What the fake can serve.
prepare() {
	fakes
	expect 0 run_stor volume create --backend ploop --size 32M --image busybox -o layout=preallocated v
}
# A device as `ploop mount` makes one, by somebody else; and taken down again.
others_device() {
	mkdir -p fake/block/ploop9/pdelta/0 fake/block/ploop9/pstate
	echo >fake/block/ploop9/pstate/cookie
	echo "$1" >fake/block/ploop9/pdelta/0/ro
	# The driver knows its files whatever they are called by now.
	ln -f "$2" fake/image
	echo "$T/fake/image" >fake/block/ploop9/pdelta/0/image
}
no_others_device() { rm -r fake/block/ploop9; }

test_a_run() {
	prepare
	begin run --root v -o attach=kernel -- sh -c "echo kept >/file; $STAY"
	same "$(how)" kernel
	same "$(devices)" ploop700
	grep -qxE 'stor-[0-9a-f]{16}' fake/block/ploop700/pstate/cookie
	same "$(calls)" "mount $(data v)/$X"
	expect 0 vz "$STOR" volume inspect v
	out_has '"how": "kernel"'
	out_has '"attach": "kernel: there is a ploop driver"'
	finish
	same "$(count_calls umount)" 1
	all_gone
	# Another way reads what this one wrote.
	expect 0 run_stor run --root v -- cat /file
	same "$(cat "$OUT")" kept
}

test_what_auto_means() {
	prepare
	expect 0 vz "$STOR" --debug run --root v -- true
	err_has 'root in place, kernel'
	# What only reads, and what is thrown away.
	expect 0 vz "$STOR" --debug run --read-only --root v -- true
	err_has 'root in place, direct'
	expect 0 vz "$STOR" run --rm --backend ploop -- true
	same "$(count_calls mount)" 1
	# What libploop might mend otherwise.
	printf '\x59\x6e\x6f\x74' | dd of="$(data v)/root.hds" bs=1 seek=44 conv=notrunc status=none
	expect 0 vz "$STOR" --debug run --root v -- true
	err_has 'not closed by its last user'
	expect 0 vz "$STOR" --debug run --root v -- true
	err_has 'root in place, kernel'
	# What libploop does not want.
	expect 0 badly refuse "$STOR" --debug run --root v -- true
	err_has 'libploop refused \(21\): the fake does not want to'
	err_has 'root in place, direct'
	all_gone
	expect 0 run_stor volume inspect v
	rm fake/ploop_minor
	expect 0 vz "$STOR" --debug run --root v -- true
	err_has 'no ploop driver'
	err_has 'root in place, direct'
}

test_what_is_refused() {
	prepare
	expect 125 badly refuse "$STOR" run --root v -o attach=kernel -- true
	err_has 'libploop refused \(21\): the fake does not want to'
	expect 125 vz "$STOR" run --read-only --root v -o attach=kernel -- true
	err_has 'not for reading alone'
	printf '\x76\x32\x2e\x31' | dd of="$(data v)/root.hds" bs=1 seek=44 conv=notrunc status=none
	expect 125 vz "$STOR" run --root v -o attach=kernel -- true
	err_has 'change tracking data'
	expect 125 vz "$STOR" run --root "$(data v)/root.hds" -o attach=kernel -- true
	err_has "has no $X"
	same "$(count_calls mount)" 1
	rm fake/ploop_minor
	expect 125 vz "$STOR" run --root v -o attach=kernel -- true
	err_has 'this kernel has no ploop driver'
	all_gone
}

test_without_libploop() {
	prepare
	: >fake/lib/libploop.so.1
	expect 125 vz "$STOR" run --root v -o attach=kernel -- true
	err_has 'libploop, of the package ploop, cannot be loaded: '
	expect 0 vz "$STOR" --debug run --root v -- true
	err_has 'root in place, direct'
	all_gone
	# Gone while a device is there: it is told, and when it is back the next command does it.
	fakes
	begin run --root v -o attach=kernel -- sh -c "$STAY"
	: >fake/lib/libploop.so.1
	finish
	same "$(devices)" ploop700
	fakes
	expect 0 vz "$STOR" ps
	all_gone
}

# Whoever has the volume by the driver, through stor or not, keeps others from it.
test_one_at_a_time() {
	local access
	prepare
	expect 0 run_stor volume snapshot v s
	expect 0 run_stor volume merge v s
	begin run --root v -o attach=kernel -- sh -c "$STAY"
	for access in kernel engine direct; do
		expect 125 vz "$STOR" run --root v -o attach=$access -- true
		err_has 'in use by container'
	done
	expect 4 vz "$STOR" volume check --repair v
	expect 4 vz "$STOR" volume rm v
	expect 5 vz "$STOR" volume resize v 40M
	err_has "attached by the kernel's driver, and cannot grow"
	expect 5 vz "$STOR" volume snapshot v s
	err_has "attached by the kernel's driver, and has no server"
	expect 5 vz "$STOR" volume compact v
	err_has "attached by the kernel's driver"
	finish
	all_gone
	others_device 0 "$(data v)/root.hds"
	for access in auto kernel engine direct; do
		expect 125 vz "$STOR" run --root v -o attach=$access -- true
		err_has "in use: the kernel's driver has it as ploop9"
	done
	expect 125 vz "$STOR" run --read-only --root v -- true
	expect 4 vz "$STOR" volume resize v 40M
	expect 4 vz "$STOR" volume snapshot v s
	expect 4 vz "$STOR" volume convert -o format=v1 v
	expect 4 vz "$STOR" volume check --repair v
	expect 4 vz "$STOR" volume rm v
	expect 0 vz "$STOR" volume inspect v
	out_has '"in_use": true'
	# One that only reads from it.
	others_device 1 "$(data v)/root.hds"
	expect 0 vz "$STOR" run --read-only --root v -- true
	expect 125 vz "$STOR" run --root v -- true
	err_has ploop9
	expect 4 vz "$STOR" volume snapshot v s
	expect 4 vz "$STOR" volume rm v
	err_has ploop9
	# It is waited for as it goes.
	(sleep 0.5 && no_others_device) &
	expect 0 vz "$STOR" run --root v -- true
	wait $!
	all_gone
}

# ploop holds the descriptor's lock while it works on the files.
test_the_descriptor_is_locked() {
	prepare
	expect 125 vz flock "$(data v)/$X.lck" "$STOR" run --root v -o attach=kernel -- true
	err_has 'in use'
	all_gone
}

test_mounted_on_the_host() {
	prepare
	mkdir m
	expect 0 vz "$STOR" volume mount v "$T/m"
	same "$(findmnt -no SOURCE "$T/m")" "$T/fake/dev/ploop700p1"
	echo kept >m/file
	expect 125 vz "$STOR" run --root v -- true
	err_has 'mounted at'
	# What is mounted is not taken down.
	exec 9<m/file
	expect 4 vz "$STOR" volume umount v
	exec 9<&-
	same "$(devices)" ploop700
	expect 0 vz "$STOR" volume umount v
	all_gone
	expect 0 run_stor run --root v -- cat /file
	same "$(cat "$OUT")" kept
}

# What somebody else has mounted is not taken down, and not waited for for ever.
test_busy() {
	local holder
	prepare
	mkdir m
	begin run --root v -o attach=kernel -- sh -c "$STAY"
	# In a namespace of its own, or other tests' namespaces would have it too.
	unshare -m --propagation private sh -c 'mount fake/dev/ploop700p1 m && touch held && exec sleep 100' &
	holder=$!
	wait_for test -e held
	finish
	same "$(devices)" ploop700
	expect 125 vz "$STOR" run --root v -- true
	err_has '/dev/ploop700 is still in use'
	same "$(devices) $(count_calls umount)" 'ploop700 0'
	kill $holder
	wait $holder 2>/dev/null || true
	expect 0 vz "$STOR" ps
	all_gone
}

test_killed() {
	prepare
	begin run --root v -o attach=kernel -- sh -c "echo kept >/file; sync; $STAY"
	sleep 0.5
	kill -KILL "$PID"
	wait "$PID" 2>/dev/null || true
	same "$(devices)" ploop700
	# Any command, and none that names the volume.
	expect 0 vz "$STOR" ps
	same "$(count_calls umount)" 1
	all_gone
	expect 0 vz "$STOR" run --root v -- cat /file
	same "$(cat "$OUT")" kept
}

# In the middle of the library's work, at whatever point of it.
test_killed_in_the_library() {
	local point
	prepare
	for point in killed-before killed-half-way killed-after outlive; do
		expect 137 badly $point "$STOR" run --root v -o attach=kernel -- true
		expect 0 vz "$STOR" ps
		# Or it would make one when nobody looks any more.
		[ $point != outlive ] || wait_for grep -q '^outlived' fake/calls
		all_gone
		expect 0 vz "$STOR" run --root v -o attach=kernel -- true
	done
	expect 137 badly killed-after-umount "$STOR" run --root v -o attach=kernel -- true
	expect 0 vz "$STOR" ps
	all_gone
}

test_a_library_that_crashes() {
	local point
	prepare
	# Sanitizers would tell of the crash, and end otherwise.
	export ASAN_OPTIONS=${ASAN_OPTIONS:-}:handle_segv=0
	for point in crash crash-after; do
		expect 125 badly $point "$STOR" run --root v -o attach=kernel -- true
		err_has 'ended by signal 11'
		all_gone
	done
	expect 125 badly umount-crash "$STOR" run --root v -o attach=kernel -- true
	err_has 'take down /dev/ploop700'
	same "$(devices)" ploop700
	expect 0 vz "$STOR" ps
	all_gone
	expect 125 badly umount-refuse "$STOR" run --root v -o attach=kernel -- true
	err_has 'take down /dev/ploop700: libploop refused \(12\)'
	expect 0 vz "$STOR" ps
	all_gone
	expect 0 vz "$STOR" run --root v -o attach=kernel -- true
}

# At each of stor's own steps.
test_killed_at_each_step() {
	kill_build
	fakes
	# shellcheck disable=SC2034 # kill.sh reads it
	AT_LEAST=5
	before() {
		rm -f fake/calls
		"$KILL/stor" volume create --backend ploop --size 32M --image busybox -o layout=preallocated v
	}
	after() {
		same "$1: $(devices)" "$1: "
		same "$1: $(count_calls umount)" "$1: $(count_calls mount)"
		vz "$KILL/stor" run --root v -o attach=kernel -- true
		same "$1: $(devices)" "$1: "
	}
	export FAKE_PLOOP=$T/fake LD_PRELOAD=$T/fake/kernel.so LD_LIBRARY_PATH=$T/fake/lib
	killed_at_each "$KILL/stor" run --rm --root v -o attach=kernel -- true
	grep -q . fake/calls
}

run_tests "$@"
