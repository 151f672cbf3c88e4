# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What system tests share. A test file sources this, defines functions named test_…, and ends with
# `run_tests "$@"`. Each function runs in a bash of its own with `set -eu`, in an empty folder $T
# with its own store and state; it passes when it returns 0 and leaves nothing behind: no process,
# no mount, no loop device, no cgroup, no named network namespace, no file beside $T. Output is TAP.
# `tests/system/x.sh NAME…` runs only those tests. A test may take TIME_LIMIT seconds (120).
#
# In a test: $STOR is the program, run_stor its short form; expect N cmd… runs cmd and wants exit
# status N; output goes to $OUT and errors to $ERR (files) for `grep`; skip REASON ends the test as
# skipped, which CI refuses for every test that tests/must-run lists.

set -u
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
B=${B:-$TOP/build}
STOR=${STOR:-$B/stor}
TOOLS=$B/tests/tools
# script(1) starts this one, and where there is none, sh.
export SHELL=/bin/sh

fail() { echo "# FAIL: $*" >&2; exit 1; }
skip() { echo "skip: $*" >"$T.skip"; exit 77; }
run_stor() { "$STOR" "$@"; }

# expect STATUS COMMAND…: run it, output to $OUT, errors to $ERR.
expect() {
	local want=$1 got=0
	shift
	"$@" >"$OUT" 2>"$ERR" </dev/null || got=$?
	[ "$got" = "$want" ] && return 0
	echo "# $*: exit status $got, wanted $want" >&2
	sed 's/^/#   out: /' "$OUT" | tail -n 20 >&2
	sed 's/^/#   err: /' "$ERR" | tail -n 20 >&2
	exit 1
}
# The last expect's output must (not) match a regular expression.
out_has() { grep -Eq -- "$1" "$OUT" || { sed 's/^/#   out: /' "$OUT" | head -n 30 >&2; fail "output lacks: $1"; }; }
out_lacks() { ! grep -Eq -- "$1" "$OUT" || fail "output has: $1"; }
err_has() { grep -Eq -- "$1" "$ERR" || { sed 's/^/#   err: /' "$ERR" | head -n 30 >&2; fail "errors lack: $1"; }; }
same() { [ "$1" = "$2" ] || fail "\"$1\" is not \"$2\""; }

# soon COMMAND…: tries for WAIT_SECONDS (60) whether it succeeds; its output goes nowhere.
soon() {
	local i
	for ((i = 0; i < 20 * ${WAIT_SECONDS:-60} * ${TIME_FACTOR:-1}; i++)); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.05
	done
	return 1
}
# wait_for COMMAND…: it must, some time.
wait_for() { soon "$@" || fail "waited in vain for: $*"; }
# is_running [N]: do N containers (1) run?
is_running() { [ "$(run_stor ps | grep -c ' running ')" -ge "${1:-1}" ]; }

# What $T still holds of the kernel's things, and what lies beside it.
_leaks() {
	grep -F " $T/" /proc/self/mountinfo | sed 's/^/mount: /'
	local f
	for f in /sys/block/loop*/loop/backing_file; do
		[ -e "$f" ] && grep -qF "$T/" "$f" 2>/dev/null && echo "loop device: $f $(cat "$f")"
	done
	find "${T%/t}" -mindepth 1 -maxdepth 1 ! -name t ! -name t.log ! -name t.skip -printf 'file: %p\n'
	_named_things | grep -vxF "$BEFORE"
	return 0
}

# What has no $T in its name: empty cgroups and network namespaces that bear stor's. Tests run side
# by side; so only what is there for seconds is somebody's leak, and a cgroup that another test's
# stor has on record, for which that test is asked, is not.
_named_things() {
	local cgroup
	find /sys/fs/cgroup -maxdepth 5 -type d -name 'stor*' 2>/dev/null | while read -r cgroup; do
		! _is_recorded_elsewhere "${cgroup##*/stor-}" || continue
		[ -n "$(find "$cgroup" -name cgroup.procs -exec cat {} + 2>/dev/null | head -n1)" ] ||
			echo "cgroup: $cgroup"
	done
	ls /run/netns 2>/dev/null | sed -n 's/^stor/network namespace: &/p'
	echo "(nothing)"
}

_is_recorded_elsewhere() {
	local record above=${T%/*/*}
	for record in "$above"/stor-test-*/t/*/cgroups/"${1%%/*}" "${above%/*}"/stor-*/stor-test-*/t/*/cgroups/"${1%%/*}"; do
		if [ -e "$record" ] && [[ $record != "$T/"* ]]; then return 0; fi
	done
	return 1
}

# Take away what a test left, so that it harms no other.
_clean_up() {
	local device record
	grep -F " $T/" /proc/self/mountinfo | awk '{print $5}' | sort -r | xargs -r -n1 umount -l
	for device in /sys/block/loop*; do
		grep -qsF "$T/" "$device/loop/backing_file" && losetup -d "/dev/${device##*/}"
	done
	# Nobody else knows whose these are, once the records are gone.
	for record in "$T"/*/cgroups/*; do
		[ -e "$record" ] || continue
		find /sys/fs/cgroup -depth -type d -path "*/stor-${record##*/}*" -exec rmdir {} + 2>/dev/null
	done
}

# Runs in a process of its own, below `reap`.
_run_one() {
	T=$2 OUT=$T/out ERR=$T/err
	export STOR_STORE=$T/store STOR_STATE=$T/state T
	cd "$T" || exit 1
	set -e
	"$1"
}

# A loop device is freed a moment after its last user; give it one.
_settled_leaks() {
	local i leaks
	for ((i = 0; i < ${SETTLE_TENTHS:-30}; i++)); do
		leaks=$(_leaks)
		[ -z "$leaks" ] && return 0
		sleep 0.1
	done
	echo "$leaks"
	return 0
}

run_tests() {
	if [ "${1:-}" = --one ]; then
		_run_one "$2" "$3"
		exit
	fi
	local name status leaks failed=0 n=0 self BEFORE
	self=$(realpath "$0")
	for name in $(declare -F | awk '$3 ~ /^test_/ {print $3}'); do
		if [ $# -gt 0 ] && ! printf '%s\n' "$@" | grep -qxE "(test_)?${name#test_}"; then continue; fi
		n=$((n + 1))
		T=$(mktemp -d "${TMPDIR:-/tmp}/stor-test-XXXXXX")/t
		mkdir "$T"
		BEFORE=$(_named_things)
		status=0
		"$TOOLS/reap" -t $((${TIME_LIMIT:-120} * ${TIME_FACTOR:-1})) bash "$self" --one "$name" "$T" </dev/null >"$T.log" 2>&1 || status=$?
		leaks=$(_settled_leaks)
		if [ -n "$leaks" ]; then
			echo "$leaks" | sed 's/^/# left behind: /'
			_clean_up
			status=98
		fi
		if [ "$status" = 77 ] && [ -e "$T.skip" ]; then
			echo "ok $n - ${name#test_} # SKIP $(cut -d' ' -f2- "$T.skip")"
		elif [ "$status" = 0 ]; then
			echo "ok $n - ${name#test_}"
		else
			failed=1
			sed 's/^/# /' "$T.log" | tail -n 60
			echo "not ok $n - ${name#test_} (status $status)"
		fi
		rm -rf --one-file-system "${T%/t}" || failed=1
	done
	echo "1..$n"
	exit $failed
}
