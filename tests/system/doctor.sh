#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor doctor: what it finds on this machine, and on one that lacks things.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# finding AREA WHAT: the rest of its line in the table that was printed last.
finding() { sed -n "s|^$1 \+$2 \+||p" "$OUT"; }
# is AREA WHAT PATTERN: the finding's status and detail.
is() { finding "$1" "$2" | grep -Eq "^$3" || { cat "$OUT" >&2; fail "$1, $2: $(finding "$1" "$2")"; }; }

test_this_machine_has_what_containers_need() {
	expect 0 run_stor doctor
	is kernel version "ok +Linux $(uname -r)"
	is kernel 'system calls' 'ok '
	is kernel 'overlay filesystem' 'ok '
	is privileges CAP_SYS_ADMIN 'ok '
	is cgroups memory "ok +version [12] at /"
	is store space "ok .*MiB left"
	is modules backends/dir 'ok '
	is 'backend loop' 'loop devices' 'ok +/dev/loop[0-9]+ is free'
	is 'backend ploop' libploop 'ok +/.*/libploop\.so'
	out_has '^[0-9]+ ok, [0-9]+ limited, 0 missing$'
	[ ! -e "$STOR_STORE/state" ] || fail 'it made a store'
}

test_json_has_the_same() {
	expect 0 run_stor doctor --format json
	python3 - "$OUT" <<-'END'
		import json, sys
		findings = json.load(open(sys.argv[1]))
		names = [(f["area"], f["what"]) for f in findings]
		assert len(names) == len(set(names)) > 30, names
		for f in findings:
		    assert set(f) == {"area", "what", "status", "detail", "remedy"} and f["detail"], f
		    assert f["status"] in ("ok", "limited", "missing"), f
	END
	expect 2 run_stor doctor --format xml
	expect 2 run_stor doctor more
}

test_without_privileges_nothing_runs() {
	expect 1 setpriv --bounding-set -all --inh-caps -all "$STOR" doctor --trouble
	is kernel 'system calls' 'missing +not permitted: fsopen'
	is privileges CAP_SYS_ADMIN 'missing +not there: no namespaces and mounts'
	out_has '^privileges, CAP_SYS_ADMIN: run stor as root'
	! grep -q ' ok ' "$OUT" || fail 'more than trouble'
}

test_what_backends_lack_is_named() {
	expect 0 unshare -m --propagation private sh -ec '
		mount -t tmpfs none /dev
		PATH=/nowhere "$0" doctor --trouble' "$STOR"
	is 'backend loop' 'loop devices' 'limited +/dev/loop-control: No such file'
	is 'backend loop' e2fsck 'limited +not there: no stor volume check'
	is 'backend ploop' /dev/fuse 'limited +No such file'
	out_has '^backend loop, loop devices: modprobe loop'
	out_has '^backend loop, e2fsck: install it: the package e2fsprogs'
}

test_a_broken_module_is_named() {
	cp -r "$B/modules" modules
	rm modules/net/nft.so
	echo nonsense >modules/backends/stor-loop.so
	STOR_MODULES=$PWD/modules expect 0 run_stor doctor --trouble
	is modules net/nft 'limited +no --net bridge'
	is modules backends/loop 'limited +no volumes of it: '
}

test_a_store_that_cannot_hold_files_is_named() {
	expect 1 "$STOR" --store /proc/nowhere doctor --trouble
	is store files 'missing +cannot be made'
	expect 1 "$STOR" --store /dev/null/x doctor --trouble
	is store folder 'missing +/dev/null/x: Not a directory'
}

run_tests "$@"
