#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor volume snapshot|snapshots|snapshot-rm|rollback|merge|compact|convert, on the example backend
# with snapshots, and where a backend lacks them.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# Have the example among the backends.
with_snapdir() {
	mkdir -p modules/backends
	ln -s "$B/modules/internal" modules/internal
	ln -s "$B/modules/backends/"*.so "$B/tests/backends/stor-snapdir.so" modules/backends/
	export STOR_MODULES=$T/modules
}

# in_volume NAME COMMAND…: run it with the volume mounted at ./m.
in_volume() {
	local name=$1
	shift
	mkdir -p m
	run_stor volume mount "$name" m
	"$@"
	run_stor volume umount "$name"
}
put() { in_volume v sh -c "echo '$1' >m/f"; }
holds() { in_volume v grep -qx "$1" m/f || fail "the volume does not hold: $1"; }
ids() { run_stor volume snapshots --format json v | python3 -c '
import json, sys
print(*(s["id"] + "*" * s["is_current"] + "<" + (s["parent"] or "-") for s in json.load(sys.stdin)))'; }

test_snapshots_and_rollback() {
	with_snapdir
	expect 0 run_stor volume create --backend snapdir v
	expect 0 run_stor volume snapshots --format json v
	same "$(cat "$OUT")" "[]"
	put one
	expect 0 run_stor volume snapshot v first
	put two
	expect 0 run_stor volume snapshot v second
	put three
	same "$(ids)" "first<- second*<first"
	expect 0 run_stor volume snapshots v
	out_has '^ID +PARENT +CREATED +CURRENT'
	out_has '^second +first +20[0-9-]+ [0-9:]+ +yes'
	expect 2 run_stor volume snapshot v first
	err_has 'a snapshot first exists'
	expect 2 run_stor volume snapshot v ../x
	expect 3 run_stor volume rollback v third
	expect 3 run_stor volume snapshot-rm v third
	expect 3 run_stor volume snapshot none first
	holds three
	expect 0 run_stor volume rollback v first
	holds one
	same "$(ids)" "first*<- second<first"
	expect 0 run_stor volume rollback v second
	holds two
	expect 0 run_stor volume snapshot-rm v first second
	same "$(ids)" ""
	holds two
	# A name is made up, and told.
	expect 0 run_stor volume snapshot v
	out_has '^20[0-9]{6}-[0-9]{6}$'
	same "$(ids)" "$(cat "$OUT")*<-"
	expect 0 run_stor volume rm v
}

test_volume_in_use_is_refused() {
	with_snapdir
	expect 0 run_stor volume create --backend snapdir v
	expect 0 run_stor volume snapshot v s
	mkdir m
	expect 0 run_stor volume mount v m
	local command
	for command in "snapshot v t" "snapshot-rm v s" "rollback v s"; do
		# shellcheck disable=SC2086 # words
		expect 4 run_stor volume $command
		err_has 'in use|mounted at'
	done
	expect 0 run_stor volume umount v
	# Nor while it is read, where nobody writes to it who could be asked to stand still.
	expect 0 run_stor volume mount -r v m
	for command in "snapshot v t" "rollback v s"; do
		# shellcheck disable=SC2086 # words
		expect 4 run_stor volume $command
		err_has "volume v: in use, mounted at $T/m"
	done
	expect 0 run_stor volume umount v
	same "$(ids)" "s*<-"
}

test_what_a_backend_lacks() {
	expect 0 run_stor volume create --backend dir v
	local command
	for command in "snapshot v s" "snapshots v" "snapshot-rm v s" "rollback v s" "merge v s" \
		"merge --until t v s" "compact v"; do
		# shellcheck disable=SC2086 # words
		expect 5 run_stor volume $command
		err_has '"dir"'
	done
	expect 2 run_stor volume convert v
	err_has 'nothing to change'
	expect 2 run_stor volume convert -o no-such=1 v
	expect 2 run_stor volume merge v
	expect 2 run_stor volume rollback v
	expect 2 run_stor volume snapshot-rm v
}

run_tests "$@"
