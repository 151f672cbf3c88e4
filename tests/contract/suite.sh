#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every backend of the tree, and the example, pass the conformance suite; what they skip is only what
# they do not have.
. "$(dirname "$0")/../lib.sh"

# passes NAME|FILE: and each skip is of a callback that info says is absent.
passes() {
	local what=$1 lacking
	TMPDIR=$T expect 0 "$STOR" backend check "$what"
	out_has '^# [1-9][0-9]+ passed, 0 failed'
	"$STOR" backend info "$what" >info
	for lacking in $(sed -n 's/^ok.*# SKIP the backend has no \([a-z]*\)$/\1/p' "$OUT"); do
		case $lacking in parameter) continue ;; snapshots) lacking=snapshot ;; esac
		grep -qx "has_$lacking=no" info || fail "$what: skipped $lacking, which it has"
	done
	[ -z "$(find "$T" -name 'stor-check-*')" ] || fail "the suite left its folder behind"
}

test_dir() { passes dir; }
test_loop() { passes loop; }
test_ploop() { passes ploop; }
test_snapdir() { passes "$B/tests/backends/stor-snapdir.so"; }

test_one_backend_after_another_is_covered() {
	local name
	for name in $(cd "$B/modules/backends" && ls); do
		name=${name#stor-}
		declare -F "test_${name%.so}" >/dev/null || fail "no test runs the suite over ${name%.so}"
	done
}

test_options() {
	expect 0 "$STOR" backend check --list dir
	out_has '^kill-inside$'
	expect 0 "$STOR" backend check --test texts --test info dir
	out_has '^1\.\.2$'
	expect 3 "$STOR" backend check --test nonsense dir
	expect 2 "$STOR" backend check
	expect 2 "$STOR" backend check --test texts -o nonsense=1 dir
	expect 3 "$STOR" backend check nonsense
}

run_tests "$@"
