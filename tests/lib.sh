# SPDX-License-Identifier: GPL-2.0-or-later
# What system tests share. A test file sources this, defines functions named test_…, and ends with
# `run_tests "$@"`. Each function runs in a bash of its own with `set -eu`, in an empty folder $T
# with its own store and state; it passes when it returns 0 and leaves nothing behind: no process,
# no mount, no loop device. Output is TAP. `tests/system/x.sh NAME…` runs only those tests.
#
# In a test: $STOR is the program, run_stor its short form; expect N cmd… runs cmd and wants exit
# status N; output goes to $OUT and errors to $ERR (files) for `grep`; skip REASON ends the test as
# skipped, which CI refuses for every test that tests/must-run lists.

set -u
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
B=${B:-$TOP/build}
STOR=${STOR:-$B/stor}
TOOLS=$B/tests/tools

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

# What $T still holds of the kernel's things.
_leaks() {
	grep -F " $T/" /proc/self/mountinfo | sed 's/^/mount: /'
	local f
	for f in /sys/block/loop*/loop/backing_file; do
		[ -e "$f" ] && grep -qF "$T/" "$f" 2>/dev/null && echo "loop device: $f $(cat "$f")"
	done
	return 0
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
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
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
	local name status leaks failed=0 n=0 self
	self=$(realpath "$0")
	for name in $(declare -F | awk '$3 ~ /^test_/ {print $3}'); do
		if [ $# -gt 0 ] && ! printf '%s\n' "$@" | grep -qxE "(test_)?${name#test_}"; then continue; fi
		n=$((n + 1))
		T=$(mktemp -d "${TMPDIR:-/tmp}/stor-test-XXXXXX")
		status=0
		"$TOOLS/reap" bash "$self" --one "$name" "$T" </dev/null >"$T.log" 2>&1 || status=$?
		leaks=$(_settled_leaks)
		if [ -n "$leaks" ]; then
			echo "$leaks" | sed 's/^/# left behind: /'
			grep -F " $T/" /proc/self/mountinfo | awk '{print $5}' | sort -r | xargs -r -n1 umount -l
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
		rm -rf "$T.log" "$T.skip"
		rm -rf --one-file-system "$T" || failed=1
	done
	echo "1..$n"
	exit $failed
}
