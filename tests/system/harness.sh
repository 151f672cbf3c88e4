#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The harness itself: what it must find, and what the runner must count.
. "$(dirname "$0")/../lib.sh"
OPTIONS=()

test_version_is_printed() {
	expect 0 run_stor version
	out_has '^stor [0-9]+\.[0-9]+\.[0-9]+$'
	expect 2 run_stor no-such-command
	err_has 'unknown command'
}

# inner BODY: a test file of one test, run by the harness with $T/tmp as its temporary folder.
inner() {
	mkdir -p tmp
	cat >inner.sh <<-END
		. "$TOP/tests/lib.sh"
		TIME_LIMIT=1
		test_it() {
			$1
		}
		run_tests "\$@"
	END
	SETTLE_TENTHS=5 TMPDIR=$T/tmp bash inner.sh
}
finds() {
	expect 1 inner "$1"
	out_has "$2"
	out_has '^not ok 1 - it'
	same "$(ls tmp)" ""
}

test_a_good_test_passes() {
	expect 0 inner 'expect 3 sh -c "echo hello; exit 3"; out_has "^hell"; out_lacks bye'
	out_has '^ok 1 - it$'
}
test_a_wrong_status_is_found() { finds 'expect 3 true' 'exit status 0, wanted 3'; }
test_a_failing_command_ends_the_test() { finds 'false; true' 'status 1'; }
test_missing_output_is_found() { finds 'expect 0 echo a; out_has b' 'output lacks: b'; }
test_a_left_process_is_found() {
	finds 'setsid -f sleep 60 </dev/null >/dev/null 2>&1' 'left behind: process .*sleep 60'
}
test_a_hung_test_is_ended() { finds 'sleep 61' 'ended before it was done: process .*sleep 61'; }
test_a_left_mount_is_found() { finds 'mkdir m; mount -t tmpfs none m' 'left behind: mount: '; }
test_a_left_loop_device_is_found() {
	finds 'truncate -s 1M f; losetup -f f' 'left behind: loop device: '
	! grep -F "$T/" /sys/block/loop*/loop/backing_file || fail "the loop device is still there"
}
test_a_file_beside_the_folder_is_found() { finds 'touch ../stray' 'left behind: file: .*/stray'; }
test_a_left_cgroup_is_found() {
	local root=/sys/fs/cgroup
	[ -e $root/cgroup.procs ] || root=$(dirname "$(find $root -maxdepth 2 -name cgroup.procs | head -n1)")
	expect 1 inner "mkdir $root/stor-test-$$"
	rmdir "$root/stor-test-$$"
	out_has "left behind: cgroup: .*stor-test-$$"
	# Not one that another test answers for.
	mkdir -p tmp/stor-test-of-others/t/state/cgroups
	: >"tmp/stor-test-of-others/t/state/cgroups/test-$$"
	expect 0 inner "mkdir $root/stor-test-$$"
	rmdir "$root/stor-test-$$"
}
test_a_skip_is_no_pass() {
	expect 0 inner 'skip no such thing'
	out_has '^ok 1 - it # SKIP no such thing'
}

# run_file CI TAP…: tests/run, with ${OPTIONS[@]}, over a file that prints this.
run_file() {
	local ci=$1
	shift
	mkdir -p system
	printf 'echo "%s"\n' "$@" >system/x.sh
	CI=$ci "$TOP/tests/run" --build "$B" "${OPTIONS[@]}" system/x.sh
}
last_line() { tail -n1 "$OUT"; }

test_passes_are_counted() {
	expect 0 run_file false 'ok 1 - a' 'ok 2 - b' '1..2'
	same "$(last_line)" '2 passed, 0 failed'
}
test_failures_are_counted() {
	expect 1 run_file false '1..2' 'ok 1 - a' 'not ok 2 - b' '# because'
	same "$(last_line)" '1 passed, 1 failed'
	out_has 'because'
}
test_skips_are_counted_apart() {
	expect 0 run_file false 'ok 1 - a' 'ok 2 - b # SKIP no' '1..2'
	same "$(last_line)" '1 passed, 0 failed, 1 skipped'
}
test_ci_refuses_skips() {
	expect 1 run_file true 'ok 1 - a' 'ok 2 - b # SKIP no' '1..2'
	same "$(last_line)" '1 passed, 1 failed'
	out_has 'must run, was skipped: no'
}
test_what_is_left_out_is_named_and_must_not_pass() {
	local OPTIONS=(--left-out left)
	echo 'system/x.sh:b no such call' >left
	expect 1 run_file false '1..2' 'ok 1 - a' 'not ok 2 - c'
	same "$(last_line)" '1 passed, 1 failed'
	expect 0 run_file false '1..2' 'ok 1 - a' 'not ok 2 - b Could not run' '# because'
	same "$(last_line)" '1 passed, 0 failed'
	out_has 'left out: b: no such call'
	expect 1 run_file false '1..2' 'ok 1 - a' 'ok 2 - b'
	same "$(last_line)" '1 passed, 1 failed'
	out_has 'failed: b \(passes'
	echo 'system/x.sh no such call' >left
	expect 0 run_file false 'ok 1 - a' '1..1'
	same "$(last_line)" '0 passed, 0 failed'
	out_has 'left out: all of it: no such call'
}
test_refused_lines_are_failures() {
	local OPTIONS=(--refuse '^==.* lost')
	expect 1 run_file false 'ok 1 - a' '==7== 13 bytes lost' '1..1'
	same "$(last_line)" '1 passed, 1 failed'
	out_has 'refused: ==7== 13 bytes lost'
	expect 0 run_file false 'ok 1 - a' 'nothing lost' '1..1'
}
test_half_a_file_has_failed() {
	expect 1 run_file false '1..2' 'ok 1 - a'
	same "$(last_line)" '1 passed, 1 failed'
	expect 1 run_file false 'ok 1 - a'
	out_has 'without a plan'
	expect 1 run_file false '1..0'
	out_has 'no test in it'
}
test_a_bad_end_has_failed() {
	mkdir system
	printf 'echo ok 1 - a; echo 1..1; exit 3\n' >system/x.sh
	expect 1 "$TOP/tests/run" --build "$B" system/x.sh
	same "$(last_line)" '1 passed, 1 failed'
}
test_tests_are_chosen_by_pattern() {
	cp "$TOP/tests/system/harness.sh" x.sh
	sed -i "s|^\. .*|. '$TOP/tests/lib.sh'|" x.sh
	mkdir system
	mv x.sh system
	expect 0 env "TESTS=system/x.sh:version_*" "$TOP/tests/run" --build "$B" system/x.sh
	same "$(last_line)" '1 passed, 0 failed'
	expect 1 env TESTS=nothing "$TOP/tests/run" --build "$B" system/x.sh
	same "$(last_line)" '0 passed, 1 failed'
}

run_tests "$@"
