#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the makefile promises to whoever has just cloned the sources: packages, the demo that the README
# shows, the last line of CI.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# program NAME SCRIPT: a stand-in, found first.
program() {
	mkdir -p bin
	printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"
	chmod 755 . .. bin "bin/$1"
}

copy_deps() {
	cp "$TOP/tests/deps" .
	chmod 755 . .. deps
}

test_packages_that_are_there_are_not_asked_for() {
	# Neither with a network, nor as another user, who may not enter the folders above.
	copy_deps
	expect 0 unshare -n setpriv --reuid 65534 --regid 65534 --clear-groups sh deps
	same "$(cat "$OUT" "$ERR")" ''
	expect 0 unshare -n sh "$TOP/tests/deps" build
	same "$(cat "$OUT" "$ERR")" ''
}

test_missing_packages_are_installed() {
	# What dpkg-query says there: all but three, one of them half removed.
	program dpkg-query "$(command -v dpkg-query) \"\$@\" | sed '/^ii  *make /d; /^ii  *valgrind /d; s/^ii  *gcc /rc gcc /'"
	program apt-get "echo \"apt-get \$*\" >>'$T/asked'; [ ! -e '$T/fails' ] || { echo 'E: no space'; exit 100; }"
	expect 0 env "PATH=$T/bin:$PATH" sh "$TOP/tests/deps"
	same "$(cat asked)" 'apt-get -qq update
apt-get -qq -y --no-install-recommends install gcc make valgrind'
	same "$(cat "$OUT")" 'deps: installing gcc make valgrind'
	rm asked
	expect 0 env "PATH=$T/bin:$PATH" sh "$TOP/tests/deps" build
	same "$(tail -n 1 asked)" 'apt-get -qq -y --no-install-recommends install gcc make'
	touch fails
	expect 1 env "PATH=$T/bin:$PATH" sh "$TOP/tests/deps"
	err_has '^E: no space$'
	err_has '^deps: apt-get -qq update failed$'
	copy_deps
	expect 1 env "PATH=bin:$PATH" setpriv --reuid 65534 --regid 65534 --clear-groups sh deps
	err_has '^deps: missing packages; as root run: apt-get install gcc make valgrind$'
}

# The same on any machine: without its numbers, and without the mounts and devices that it has besides.
comparable() {
	sed -E 's/ +$//; s/[0-9]+(\.[0-9]+)?[KMGTB]?%?/N/g; /^(tmpfs|proc|sysfs|mqueue) on /d; / on \/home type /s/.*/HOME/
		s/^overlay on \/ .*/ROOT/; s/ +/ /g; s/[A-Z][a-z]{2} N N:N/DATE/; /^(\/dev\/[a-z]+N?|[a-z\/]+N?) N N N N \/home$/s/.*/DF/'
}
test_demo_is_what_the_readme_shows() {
	expect 0 "$TOP/tests/demo"
	out_has '^ +1 root +sh -c'
	out_has '^overlay on / type overlay \(rw,nodev'
	out_has '^1: lo: '
	same "$(grep -c '^made on ' "$OUT")" 2
	# Nothing is left of it; and what came before and after is not the demo's.
	sed -n '/^`make demo` prints/,/^`make install`/s/^    //p' "$TOP/README.md" | comparable >readme
	# But what the machine has of loop devices is its own.
	same "$(sed -n '/^\$ losetup --list/,$p' "$OUT" | grep stor-demo)" ''
	sed '1d; /^\$ losetup --list/q' "$OUT" | grep -v '^$' | comparable >demo
	same "$(grep -v '^$' readme | diff - demo)" ''
}

test_the_last_line_of_ci_is_the_summary() {
	mkdir -p .ci
	cp "$TOP/.ci/run" .ci/
	# shellcheck disable=SC2016
	program make 'echo "asked: make $* with CI=$CI in $PWD"; mkdir -p build; . ./result'
	ci() { env -C / "PATH=$T/bin:$PATH" "$T/.ci/run"; }
	echo 'echo 3 passed, 0 failed | tee build/summary' >result
	expect 0 ci
	out_has "^asked: make check with CI=true in $T\$"
	same "$(tail -n 1 "$OUT")" '3 passed, 0 failed'
	echo 'echo 2 passed, 1 failed | tee build/summary; echo "make: *** Error 1"; exit 2' >result
	expect 2 ci
	same "$(tail -n 1 "$OUT")" '2 passed, 1 failed'
	# Where it did not come as far as that; an old summary does not count.
	echo 'exit 2' >result
	expect 2 ci
	same "$(tail -n 1 "$OUT")" '0 passed, 1 failed'
}

test_clean_leaves_the_sources() {
	mkdir source
	tar -C "$TOP" --exclude=./build --exclude=./.git -cf - . | tar -C source -xf -
	find source -print | sort >before
	mkdir -p source/build/obj
	touch source/build/obj/file
	expect 0 make -s -C source clean
	same "$(find source -print | sort | diff before -)" ''
}

run_tests "$@"
