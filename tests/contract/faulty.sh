#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The conformance suite fails a backend in each way in which one can break its contract, and says
# how; the same backend without a fault passes.
. "$(dirname "$0")/../lib.sh"
FAULTY=$B/tests/backends/stor-faulty.so

# In a mount namespace of its own, for one fault mounts something in the host's table; and on a tmpfs
# there, for what is tested is the suite and not the disk.
check() {
	mkdir -p fast
	# shellcheck disable=SC2016
	TMPDIR=$T/fast unshare -m sh -c 'mount -t tmpfs none "$TMPDIR" && "$@" &&
		[ -z "$(ls "$TMPDIR")" ] || { status=$?; ls "$TMPDIR" >left; exit $status; }' \
		sh "$STOR" backend check "$FAULTY" "$@"
}

# finds FAULT TEST MESSAGE: with the fault, the test fails and says so.
finds() {
	STOR_FAULT=$1 expect 1 check --test "$2"
	out_has "^not ok 1 - $2\$"
	out_has "^#   .*$3"
	[ ! -s left ] || fail "$1: the suite left its folder behind"
}

# beside FAULT TEST: in the background, a fault that keeps the volume in use; adds to $finders.
beside() {
	(OUT=$OUT.$2 ERR=$ERR.$2; finds "$1" "$2" 'in_use is still true') &
	finders+=($!)
}

test_without_a_fault_all_pass() {
	expect 0 check
	out_lacks '^not ok'
	out_has '^# [0-9]+ passed, 0 failed'
}

# So that no test of the suite is one that nothing can fail. Of these the callbacks are core's own.
test_each_test_has_a_fault() {
	expect 0 "$STOR" backend check --list "$FAULTY"
	grep -vxE 'params-read-back|absent-callbacks' "$OUT" | sort >listed
	same "$(sed -n 's/^[[:space:]]*\(finds\|beside\) [a-z-]* \([a-z-]*\).*/\2/p' "$(realpath "$0")" | sort -u | comm -13 - listed)" ''
	# And the other way: each fault is found.
	sed -n 's/.*has_fault("\([a-z-]*\)").*/\1/p' "$TOP/tests/backends/faulty.c" | sort -u >faults
	same "$(sed -n 's/^[[:space:]]*\(finds\|beside\) \([a-z-]*\) .*/\2/p' "$(realpath "$0")" | sort -u | comm -13 - faults)" ''
}

test_content() {
	finds loses-xattrs create-from-tree 'lost its attribute trusted.stor'
	finds rounds-times create-from-tree 'modified at'
	finds breaks-hard-links create-from-tree '(bytes, not|names, not|no longer a hard link)'
	finds fills-holes create-from-tree 'lost its holes'
	finds drops-set-user-id create-from-tree 'has mode 0755, not 6755'
	finds loses-an-entry create-from-tree '(is missing|many was modified)'
	finds changes-a-byte create-from-tree 'differs between bytes'
	finds hides-the-root create-empty 'mode 0700'
	finds changes-its-source create-from-tree 'changed its source'
	finds closes-the-source create-from-tree 'closed a descriptor that is not its own'
	finds is-wordy texts 'ends in a full stop'
	finds chokes-on-a-choice every-choice-works 'with copy=.*: faulty: create'
	finds destroys-once kill-during-create 'destroy after create was killed'
}

test_process() {
	finds leaks-descriptor info 'left 1 descriptors open'
	finds leaks-on-failure write-persists 'left 1 descriptors open'
	finds changes-folder info 'changed the working directory'
	finds changes-umask info 'changed the umask'
	finds leaves-thread info 'left a thread'
	finds leaves-handler info 'changed a signal handler'
	finds prints info 'printed something'
	finds leaves-process info 'left a process behind'
	finds crashes info 'ended by signal 6'
}

test_errors() {
	finds fails-silently missing-content-is-reported 'without saying why'
	finds reports-and-goes-on full-disk 'reported a failure and went on'
	finds busy-as-failure one-writer 'reported as a failure, not as busy'
}

test_attach() {
	finds takes-no-lock one-writer 'a second attach for writing succeeded'
	finds returns-no-descriptor write-persists 'no open descriptor'
	finds ignores-read-only many-readers 'in use'
	finds locks-neighbours several-in-one-process 'another volume is in use'
	finds locks-neighbours parallel-volumes 'another volume is in use'
	finds says-wrong-kind write-persists 'no block device'
	finds returns-plain-folder write-persists 'no detached mount'
	finds returns-attached-mount write-persists 'no detached mount'
	finds ignores-read-only read-only 'can be written'
	finds never-waits waits-for-release 'did not wait'
	finds never-waits one-writer 'did not wait for busy_wait_ms'
	finds waits-too-long one-writer 'waited far longer'
	finds ignores-user-namespace mapped-ids 'shows owner 0:0'
	finds attaches-with-unknown-flags write-persists 'flags 0x80, which this stor does not know'
	finds forgets-writes write-persists 'file-0 is not in the volume'
	finds mounts-on-the-host host-sees-no-mount '(a mount shows|left 1 mounts) in the host'
	# Each waits for ten seconds that the volume is free.
	local finders=() finder
	beside survives-kill kill-attached
	beside survives-kill kill-while-writing
	beside survives-kill kill-inside
	beside survives-kill kill-during-attach
	for finder in "${finders[@]}"; do wait "$finder" || fail 'see above'; done
}

test_info_destroy_check() {
	finds info-says-idle info 'in_use is false while it is attached'
	finds info-says-busy info 'in_use is true of a volume that nobody has'
	finds info-says-small info 'allocated grew from'
	finds info-writes info 'info changed the volume'
	finds destroys-once destroy-twice 'destroy of an empty directory'
	finds destroys-attached destroy-of-attached-is-busy 'succeeded'
	finds destroy-leaves create-empty 'left something in the volume'
	finds check-is-blind check-damaged 'clean whose content is gone'
	finds check-sees-ghosts check-good 'not clean'
	finds check-repairs-unasked check-good 'not clean'
	finds examines-unsized examine 'examine: a struct_size of 0'
	finds examines-in-part examine 'a finding without'
	finds probe-is-greedy probe-is-modest 'probe takes'
}

test_clones_and_snapshots() {
	finds clone-loses-an-entry clone-keeps-everything '(is missing|many was modified)'
	finds resizes-nothing resize 'info: the size is'
	finds compacts-nothing compact 'allocated went from'
	finds convert-loses convert 'file is not in the volume'
	finds converts-to-nothing convert 'convert nothing'
	finds sends-nothing send-and-receive 'send wrote nothing'
	finds clone-shares clone '(changed in the clone|is in its source)'
	finds snapshot-follows snapshots 'in the volume holds'
	finds rolls-nothing-back rollback 'in the volume holds'
	finds lists-unsized snapshots 'snapshot_list: a struct_size of 0'
	finds list-forgets snapshots '0 snapshots are listed'
	finds snapshots-twice snapshot-errors 'a second snapshot of the same id succeeded'
	finds merges-nothing merge 'not s2 alone is listed'
	finds deletes-nothing delete-snapshot '2 snapshots are listed'
}

run_tests "$@"
