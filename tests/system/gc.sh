#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor gc, ps and rm: on records that are made by hand, as a crash or a boot leaves them.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# container ID LINE…: a record.
container() {
	local dir=$STOR_STORE/containers/$1
	mkdir -p "$dir"
	printf '%s\n' stor-record=1 "id=$1" "name=$1" created=1700000000 backend=dir "${@:2}" >"$dir/record"
}
name() {
	mkdir -p "$STOR_STORE/names"
	ln -s "$2" "$STOR_STORE/names/$1"
}
# alive ID PID: what a living stor has.
alive() { : >"$STOR_STATE/live/$2.$(cut -d' ' -f22 "/proc/$2/stat").$1"; }
settle() { run_stor volume ls >/dev/null; }

test_gc_finds_each_kind() {
	settle
	container aaaaaaaaaaaa rm=no status=exited exit-code=3 command=sh
	container bbbbbbbbbbbb rm=no status=running
	container cccccccccccc rm=yes status=running
	mkdir -p "$STOR_STORE/containers/dddddddddddd/data" "$STOR_STORE/tmp/1.99999999.0/data"
	# Process 1 lives, but it is another one than that of the marker.
	: >"$STOR_STATE/live/1.99999999.cccccccccccc"
	name left eeeeeeeeeeee
	mkdir -p "$STOR_STORE/golden/ffffffffffff-dir-0/data"
	printf 'stor-record=1\nbackend=dir\n' >"$STOR_STORE/golden/ffffffffffff-dir-0/record"
	expect 0 run_stor gc --dry-run
	out_has '^container bbbbbbbbbbbb: '
	out_has '^container cccccccccccc: '
	out_has '^container dddddddddddd: it has no record'
	out_has '^unfinished work tmp/1\.99999999\.0: '
	out_has '^name left: '
	out_has '^golden volume ffffffffffff-dir-0: its image does not exist'
	[ -e "$STOR_STORE/containers/dddddddddddd" ] || fail 'a dry run removed something'
	expect 0 run_stor gc --format json
	python3 -c 'import json, sys; assert len(json.load(open(sys.argv[1]))) >= 6' "$OUT"
	same "$(ls "$STOR_STORE/containers")" 'aaaaaaaaaaaa
bbbbbbbbbbbb'
	grep -qx status=exited "$STOR_STORE/containers/bbbbbbbbbbbb/record" || fail 'still running'
	grep -qx exit-code=unknown "$STOR_STORE/containers/bbbbbbbbbbbb/record" || fail 'a known exit code'
	same "$(ls "$STOR_STORE/tmp" "$STOR_STORE/names" "$STOR_STORE/golden" "$STOR_STATE/live" | grep -v : | tr -d '\n')" ''
	expect 0 run_stor gc
	same "$(cat "$OUT")" ''
}

test_gc_leaves_the_living() {
	settle
	container aaaaaaaaaaaa rm=yes status=running
	alive aaaaaaaaaaaa $$
	expect 0 run_stor gc
	same "$(cat "$OUT")" ''
	[ -e "$STOR_STORE/containers/aaaaaaaaaaaa" ] || fail 'a living container was removed'
}

# What looks like something of stor's and is none, beside a container that was killed with all it had.
test_gc_touches_what_stor_made_alone() {
	# Not local: what ends this test needs them.
	root=/sys/fs/cgroup
	local id pids
	[ -e $root/cgroup.procs ] || root=$(dirname "$(find $root -maxdepth 2 -name cgroup.procs | head -n1)")
	truncate -s 1M foreign
	loop=$(losetup -f --show foreign)
	mkdir "$root/stor-aaaaaaaaaaaa" mnt
	trap 'rmdir "$root/stor-aaaaaaaaaaaa"; umount mnt; losetup -d "$loop"; kill -9 "$other"' EXIT
	mount -t tmpfs stor mnt
	bash -c 'exec -a "stor-monitor aaaaaaaaaaaa" sleep 1000' &
	other=$!
	settle
	mkdir -p "$STOR_STORE/mine" "$STOR_STORE/containers/notes" "$STOR_STORE/tmp/notes" "$STOR_STATE/mine"
	: >"$STOR_STORE/volumes.txt" && : >"$STOR_STATE/live/notes"
	expect 0 run_stor run -d --name web --backend loop --memory 64M -v data:/data sleep 1000
	id=$(cat "$OUT")
	pids="$(basename "$STOR_STATE"/live/*."$id" | cut -d. -f1) $(run_stor inspect web | jq '.[0].pid')"
	kill -9 $pids
	have_ended() { ! kill -0 $pids 2>/dev/null; }
	wait_for have_ended
	expect 0 run_stor gc
	[ -d "$root/stor-aaaaaaaaaaaa" ] || fail 'a cgroup of somebody else was removed'
	[ -z "$(find /sys/fs/cgroup -name "stor-$id")" ] || fail 'its own cgroup is left'
	grep -qF "$T/foreign" "/sys/block/${loop#/dev/}/loop/backing_file" || fail 'a loop device of somebody else was freed'
	! grep -lF "$STOR_STORE/containers/$id" /sys/block/loop*/loop/backing_file || fail 'its own loop device is left'
	grep -qF " $T/mnt " /proc/self/mountinfo || fail 'a mount of somebody else is gone'
	kill -0 $other || fail 'a process of somebody else was ended'
	same "$(ls -d "$STOR_STORE"/{mine,containers/notes,volumes.txt} "$STOR_STATE"/mine | wc -l)" 4
	same "$(run_stor volume ls -q)" data
	expect 0 run_stor rm web
	expect 0 run_stor volume rm data
}

# goldens: how many golden volumes there are.
goldens() { find "$STOR_STORE/golden" -mindepth 1 -maxdepth 1 | wc -l; }

test_a_replaced_image_takes_its_golden_volumes_along() {
	mkdir -p tree/bin
	cp /bin/busybox tree/bin/true
	expect 0 run_stor image import tree one
	for backend in dir loop; do
		expect 0 run_stor run --rm --backend $backend --image one true
	done
	same "$(goldens)" 2
	expect 0 run_stor image import --replace tree one
	same "$(goldens)" 0
	# What a container is based on stays with it.
	expect 0 run_stor run --name kept --backend loop --image one true
	expect 0 run_stor run --rm --backend dir --image one true
	expect 0 run_stor image import --replace tree one
	same "$(goldens)" 1
	expect 0 run_stor gc
	same "$(goldens) $(cat "$OUT")" '1 '
	expect 0 run_stor rm kept
	expect 0 run_stor gc
	same "$(goldens)" 0
	expect 0 run_stor run --rm --backend loop --image one true
	expect 0 run_stor image rm one
	same "$(goldens)" 0
}

test_golden_volumes_are_removed_alone() {
	local backend
	mkdir -p tree/bin
	cp /bin/busybox tree/bin/true
	expect 0 run_stor image import tree one
	for backend in dir loop; do
		expect 0 run_stor run --rm --backend $backend --image one true
		expect 0 run_stor run --rm --backend $backend true
	done
	same "$(goldens)" 4
	expect 0 run_stor image rm --golden one
	same "$(goldens)" 2
	expect 0 run_stor image rm --golden one
	# Of several that are named, those that can go do; of an image with a container all stay.
	for backend in dir loop; do expect 0 run_stor run --rm --backend $backend --image one true; done
	expect 0 run_stor run --name kept --backend loop --image one true
	expect 4 run_stor image rm --golden one busybox
	err_has '^stor: image one: remove its golden volumes: container kept is based on the image'
	err_has 'hint: stor rm kept'
	same "$(goldens)" 2
	expect 4 run_stor image rm one
	expect 0 run_stor rm kept
	# Nor while somebody makes one.
	exec 5<"$STOR_STORE/images/one"
	flock -s 5
	expect 4 run_stor image rm --golden one
	err_has 'image one: remove: in use'
	exec 5<&-
	same "$(goldens)" 2
	expect 0 run_stor image rm --golden one
	expect 3 run_stor image rm --golden none
	expect 0 run_stor image ls -q
	same "$(cat "$OUT")" 'busybox
one'
	same "$(goldens)$(ls "$STOR_STORE/tmp")" 0
	expect 0 run_stor run --rm --backend loop --image one true
	expect 0 run_stor image rm one busybox
	same "$(goldens)$(ls "$STOR_STORE/tmp" "$STOR_STORE/images" | grep -v : | tr -d '\n')" 0
}

test_every_command_sweeps() {
	settle
	mkdir -p "$STOR_STORE/tmp/4000000.1.0/data"
	container aaaaaaaaaaaa rm=yes status=running
	: >"$STOR_STATE/live/4000000.1.aaaaaaaaaaaa"
	expect 0 run_stor image ls
	same "$(ls "$STOR_STORE/tmp" "$STOR_STORE/containers" "$STOR_STATE/live" | grep -v : | tr -d '\n')" ''
}

test_a_boot_ends_what_ran() {
	settle
	container aaaaaaaaaaaa rm=yes status=running
	container bbbbbbbbbbbb rm=no status=running
	container cccccccccccc rm=no status=created
	rm -rf "$STOR_STATE"
	expect 0 run_stor image ls
	same "$(ls "$STOR_STORE/containers")" 'bbbbbbbbbbbb
cccccccccccc'
	expect 0 run_stor ps -a --format json
	same "$(python3 -c 'import json, sys
print([(c["status"], c["exit_code"]) for c in json.load(open(sys.argv[1]))])' "$OUT")" \
		"[('exited', None), ('created', None)]"
}

test_ps() {
	settle
	container aaaaaaaaaaaa rm=no status=exited exit-code=7 image=busybox command=sh command=-c \
		command='a long command that the table shows only in part'
	container bbbbbbbbbbbb rm=no status=running
	alive bbbbbbbbbbbb $$
	expect 0 run_stor ps
	out_has '^bbbbbbbbbbbb .* running '
	out_lacks aaaaaaaaaaaa
	expect 0 run_stor ps -a
	out_has '^aaaaaaaaaaaa +aaaaaaaaaaaa +busybox +dir +exited \(7\) .*\.\.\.$'
	expect 0 run_stor ps -a --no-trunc
	out_has 'only in part$'
	expect 0 run_stor ps -aq
	same "$(sort "$OUT")" 'aaaaaaaaaaaa
bbbbbbbbbbbb'
	expect 2 run_stor ps --format xml
}

test_rm() {
	settle
	container aaaaaaaaaaaa rm=no status=exited exit-code=0 name=web
	sed -i /^name=a/d "$STOR_STORE/containers/aaaaaaaaaaaa/record"
	name web aaaaaaaaaaaa
	container abbbbbbbbbbb rm=no status=exited exit-code=0
	container cccccccccccc rm=no status=running
	alive cccccccccccc $$
	expect 2 run_stor rm a
	err_has 'more than one'
	expect 4 run_stor rm cccccccccccc
	err_has "is running \(stor process $$\)"
	expect 3 run_stor rm nonesuch
	# What can be removed is, whatever else was named.
	expect 3 run_stor rm nonesuch web ab
	same "$(ls "$STOR_STORE/containers")" cccccccccccc
	same "$(ls "$STOR_STORE/names")" ''
	expect 3 run_stor rm web
	expect 2 run_stor rm
}

run_tests "$@"
