#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What `make install` lays below a DESTDIR works from there, and `make uninstall` takes it back.
. "$(dirname "$0")/../lib.sh"

# make on the build that is being tested.
make_stor() {
	local variables=()
	case $B in */san) variables+=('SAN=address,undefined') ;; esac
	make -s -C "$TOP" "${variables[@]}" PREFIX=/usr DESTDIR="$T/dest" "$@" >log 2>&1 ||
		{ cat log >&2; fail "make $*"; }
}

test_installed_program_works() {
	local stor=$T/dest/usr/bin/stor module
	make_stor install
	expect 0 "$stor" version
	same "$(cat "$OUT")" "$("$STOR" version)"
	for module in $(cd "$B/modules" && find . -type f); do
		[ -x "$T/dest/usr/lib/stor/$module" ] || fail "$module is not installed"
	done
	[ -s "$T/dest/usr/share/man/man1/stor.1" ] || fail "no manual page"
	[ -s "$T/dest/usr/share/bash-completion/completions/stor" ] || fail "no completion"
	grep -qx 'ExecStart=/usr/bin/stor start --boot' "$T"/dest/usr/lib/systemd/system/stor.service || fail "no unit"
	[ -s "$T/dest/usr/share/doc/stor/LICENSE" ] || fail "no licence"
	mv dest moved
	expect 0 "$T/moved/usr/bin/stor" version
	# With its modules, its reaper and its profiles from there: nothing of the build is asked.
	printf '{"defaultAction":"SCMP_ACT_ALLOW"}' >profile.json
	for b in dir loop; do
		expect 0 env -u STOR_MODULES "$T/moved/usr/bin/stor" run --rm --init --backend $b \
			--security-opt "seccomp=$T/profile.json" sh -c 'cat /proc/1/comm; echo inside'
		same "$(cat "$OUT")" "stor-init
inside"
	done
}

test_uninstall_leaves_nothing() {
	make_stor install
	make_stor uninstall
	same "$(find dest -not -type d)" ""
	same "$(find dest -name '*stor*')" ""
}

test_another_users_files_stay() {
	make_stor install
	touch dest/usr/share/doc/stor/notes
	make_stor uninstall
	same "$(find dest -not -type d)" "dest/usr/share/doc/stor/notes"
}

run_tests "$@"
