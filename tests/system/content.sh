#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor export, diff and commit: a container's files, seen from outside, on each backend.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

CHANGES='echo new >/etc/new; rm /bin/vi; mkdir -p /a/b; touch /a/b/c; chmod 711 /root
	ln -s y /tmp/l; echo more >>/etc/passwd; rm -r /var/run; mkdir /var/run'
CHANGED='A /a
A /a/b
A /a/b/c
C /bin
D /bin/vi
C /etc
A /etc/new
C /etc/passwd
C /root
C /tmp
A /tmp/l
C /var
D /var/run
A /var/run'

nothing_left() {
	expect 0 run_stor gc
	same "$(cat "$OUT")" ''
	same "$(find "$STOR_STATE"/{live,users,cgroups} -mindepth 1 2>/dev/null)" ''
}

_of_a_stopped_one() {
	expect 0 run_stor run --backend "$1" --name stopped -e A=b -w /a --entrypoint sh -- -c "$CHANGES"
	expect 0 run_stor diff stopped
	same "$(cat "$OUT")" "$CHANGED"
	mkdir tree
	run_stor export stopped - | tar -x -C tree
	same "$(cat tree/etc/new) $(stat -c %a tree/root) $(readlink tree/tmp/l)" 'new 711 y'
	[ ! -e tree/bin/vi ] && [ -d tree/a/b ] || fail 'the archive has other files'
	same "$(ls tree/proc tree/dev)" "$(printf 'tree/dev:\n\ntree/proc:')"
	expect 0 run_stor commit stopped copy
	expect 0 run_stor run --rm --image copy -- sh -c 'cat /etc/new; pwd; echo $A; ls /bin/vi; true'
	out_has '^new$' && out_has '^/a$' && out_has '^b$'
	# It is as it was, and can run again.
	expect 0 run_stor diff stopped
	same "$(cat "$OUT")" "$CHANGED"
	expect 4 run_stor commit stopped copy
	expect 0 run_stor commit -q --replace stopped copy
	same "$(cat "$OUT")" ''
	expect 0 run_stor rm stopped
	nothing_left
}
test_a_stopped_one_on_dir() { _of_a_stopped_one dir; }
test_a_stopped_one_on_loop() { _of_a_stopped_one loop; }
test_a_stopped_one_on_ploop() { _of_a_stopped_one ploop; }

_of_a_running_one() {
	echo outside >file
	mkdir folder
	echo outside >folder/file
	expect 0 run_stor run -d --backend "$1" --name up -v "$PWD/file:/etc/group" -v "$PWD/folder:/mnt" \
		--tmpfs /var/tmp -- sh -c 'echo in >/etc/in; echo x >/var/tmp/x; while :; do echo >>/beat; sleep 0.05; done'
	wait_for run_stor_has /etc/in
	expect 0 run_stor diff --format json up
	python3 - "$OUT" <<-'END'
		import json, sys
		found = {(c["change"], c["path"]) for c in json.load(open(sys.argv[1]))}
		assert {("added", "/etc/in"), ("changed", "/etc"), ("added", "/beat")} <= found, found
		assert not [p for _, p in found if p.startswith(("/mnt", "/proc", "/dev/", "/var/tmp/"))], found
	END
	expect 0 run_stor export up up.tar.gz
	mkdir tree
	tar -xf up.tar.gz -C tree
	same "$(cat tree/etc/in)" in
	same "$(ls -A tree/mnt tree/proc)" "$(printf 'tree/mnt:\n\ntree/proc:')"
	! grep -q outside tree/etc/group || fail 'a mounted file is in the archive'
	expect 0 run_stor commit up copy
	expect 0 run_stor run --rm --image copy -- cat /etc/in
	same "$(cat "$OUT")" in
	# It goes on.
	same "$(run_stor ps --format json | jq -r '.[].status')" running
	local before
	before=$(stat -c %s "/proc/$(run_stor ps --format json | jq -r '.[].pid')/root/beat")
	beats() { [ "$(stat -c %s "/proc/$(run_stor ps --format json | jq -r '.[].pid')/root/beat")" -gt "$before" ]; }
	wait_for beats
	expect 0 run_stor rm -f up
	nothing_left
}
run_stor_has() { run_stor diff up | grep -q "A $1\$"; }
test_a_running_one_on_dir() { _of_a_running_one dir; }
test_a_running_one_on_ploop() { _of_a_running_one ploop; }

test_what_cannot_be_done_is_said() {
	expect 0 run_stor volume create --backend loop --size 64M --image busybox v
	expect 0 run_stor run --name inplace --root v -- sh -c 'echo x >/etc/x'
	expect 5 run_stor diff inplace
	err_has 'it runs on a volume, not on an image'
	run_stor export inplace - | tar -t | grep -qx ./etc/x || fail 'no such file in the archive'
	expect 3 run_stor diff nobody
	expect 3 run_stor export nobody x.tar
	expect 3 run_stor commit nobody x
	mkdir -p own/bin
	cp /bin/busybox own/bin/sh
	expect 0 run_stor image import -q own own
	expect 0 run_stor run --name mine --image own -- sh -c :
	expect 0 run_stor image import -q --replace own own
	expect 3 run_stor diff mine
	err_has 'the image "own" that it was made of was replaced'
	expect 1 run_stor export mine /nowhere/x.tar
	expect 2 run_stor commit mine ../x
	expect 0 run_stor rm mine inplace
	# A golden volume of the image that was replaced.
	expect 0 run_stor gc
	nothing_left
}

test_a_full_disk_leaves_no_archive() {
	expect 0 run_stor run --name one -- sh -c 'head -c 3000000 /dev/urandom >/big'
	expect 1 unshare -m --propagation private sh -c 'mkdir small && mount -t tmpfs -o size=1M none small || exit 9
		"$0" export one small/x.tar; status=$?; ls -A small; exit $status' "$STOR"
	same "$(cat "$OUT")" ''
	err_has 'No space left'
	expect 0 run_stor rm one
	nothing_left
}

run_tests "$@"
