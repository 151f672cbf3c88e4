#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Snapshots, merges, growing and compacting of ploop volumes while they are used, and what is left
# when one of the processes that take part is killed on the way.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/ploop_lib.sh
. "$TOP/tests/ploop_lib.sh"
# shellcheck source=tests/kill.sh
. "$TOP/tests/kill.sh"
# shellcheck disable=SC2034 # lib.sh reads it
TIME_LIMIT=400

# A container that counts in /n, a block each time, so that it stands still when its filesystem does.
# shellcheck disable=SC2016 # the container's shell expands it
COUNT='i=0; while [ ! -e /stop ]; do i=$((i + 1)); echo $i >/n.new; sync -f /n.new; mv /n.new /n; echo $i; done; echo over $i'
start() {
	local program=$1
	shift
	rm -f counted
	"$program" run --name c "$@" --root v -- sh -c "$COUNT" >counted 2>run.log &
	RUN=$!
	wait_for grep -q '^3$' counted
}
# It goes on from where it is.
counts_on() {
	local now
	now=$(tail -n1 counted)
	wait_for newer "$now"
}
newer() { [ "$(tail -n1 counted)" -gt "$(($1 + 2))" ]; }
# The container's root, as stor's own process has it.
root() { sed -n 's/^root-fd=/\/proc\/'"$RUN"'\/fd\//p' "$STOR_STATE"/users/"$RUN".*; }
finish() {
	touch "$(root)/stop"
	wait "$RUN" || { cat run.log >&2; fail "the container's status"; }
	grep -q '^over' counted || fail "the container did not end by itself"
	expect 0 run_stor rm c
}
ids() { run_stor volume snapshots --format json v | python3 -c '
import json, sys
print(*(s["id"] + "*" * s["is_current"] for s in json.load(sys.stdin)))'; }
files() { find "$(data v)" -name 'root.hds*' | wc -l; }
# All judges agree that the stopped volume is whole.
sound() {
	local file
	expect 0 run_stor volume check v
	out_lacks '^(error|warning)'
	for file in "$(data v)"/root.hds*; do
		ploop check --force "$file" >log 2>&1 || { cat log >&2; fail "ploop check $file"; }
	done
}
in_snapshot() {
	local id=$1
	shift
	mkdir -p s
	expect 0 run_stor volume mount --snapshot "$id" v s
	"$@" || fail "snapshot $id: $*"
	expect 0 run_stor volume umount "$T/s"
}

test_snapshots_while_a_container_runs() {
	make_volume v
	start "$STOR"
	echo first >"$(root)/f"
	expect 0 run_stor volume snapshot v one
	same "$(cat "$ERR")" ""
	counts_on
	echo second >"$(root)/f"
	expect 0 run_stor volume snapshot v two
	counts_on
	echo third >"$(root)/f"
	same "$(ids)" "one two*"
	# A snapshot is read while the volume is written to; and it is clean, for its filesystem was frozen.
	in_snapshot one grep -qx first s/f
	in_snapshot two grep -qx second s/f
	mkdir s2
	expect 0 run_stor volume mount --snapshot two v s2
	expect 4 run_stor volume merge v two
	err_has 's2'
	device=$(findmnt -no SOURCE "$T/s2")
	e2fsck -fn "$device" >log 2>&1 || { cat log >&2; fail "the snapshot's filesystem"; }
	touch s2/x 2>/dev/null && fail "a snapshot can be written to"
	expect 3 run_stor volume mount --snapshot none v s
	expect 0 run_stor volume umount "$T/s2"
	expect 2 run_stor volume snapshot v two
	expect 4 run_stor volume rollback v one
	finish
	same "$(files)" 3
	sound
	expect 0 run_stor volume rollback v one
	expect 0 run_stor run --rm --root v -- cat /f
	same "$(cat "$OUT")" first
	sound
}

test_a_mounted_volume() {
	make_volume v
	mkdir m
	expect 0 run_stor volume mount v m
	echo first >m/f
	expect 0 run_stor volume snapshot v one
	same "$(cat "$ERR")" ""
	echo second >m/f
	expect 0 run_stor volume snapshot v two
	expect 0 run_stor volume inspect v
	out_has '"how": "engine[",]'
	out_has '"chain_files": "?3"?'
	in_snapshot one grep -qx first s/f
	expect 0 run_stor volume merge v one
	same "$(ids)" "two*"
	expect 0 run_stor volume merge v two
	same "$(ids)" ""
	grep -qx second m/f || fail "the merge changed the content"
	expect 0 run_stor volume umount v
	sound
	expect 0 run_stor run --rm --root v -- cat /f
	same "$(cat "$OUT")" second
}

test_merges_while_a_container_runs() {
	local i
	make_volume v
	start "$STOR"
	for i in 1 2 3 4; do
		head -c 3M /dev/urandom >"$(root)/f$i"
		expect 0 run_stor volume snapshot v s$i
	done
	(cd "$(root)" && md5sum f1 f2 f3 f4) >sums
	# Into a snapshot, into the live state, and the rest as a range.
	expect 0 run_stor volume merge v s2
	same "$(ids)" "s1 s3 s4*"
	same "$(files)" 4
	counts_on
	expect 0 run_stor volume merge v s4
	same "$(ids)" "s1 s3*"
	expect 0 run_stor volume merge --until s1 v s3
	same "$(ids)" ""
	same "$(files)" 2
	echo 3 >/proc/sys/vm/drop_caches
	(cd "$(root)" && md5sum -c --quiet "$T/sums") || fail "the content changed"
	counts_on
	expect 0 run_stor volume snapshot v again
	in_snapshot again sh -c 'cd s && md5sum -c --quiet ../sums'
	# All at once, running and stopped.
	expect 0 run_stor volume snapshot v more
	expect 2 run_stor volume merge v
	err_has 'one snapshot, a range with --until, or --all'
	expect 2 run_stor volume merge --all v more
	expect 0 run_stor volume merge --all v
	same "$(ids)" ""
	expect 0 run_stor volume merge --all v
	counts_on
	expect 0 run_stor volume snapshot v one
	expect 0 run_stor volume snapshot v two
	finish
	sound
	expect 0 run_stor volume merge --all v
	same "$(ids)" ""
	same "$(files)" 1
	sound
	expect 0 run_stor run --rm --root v -- cat /n
}

test_compacting_while_a_container_runs() {
	local before after
	make_volume v
	start "$STOR"
	head -c 40M /dev/urandom >"$(root)/big"
	head -c 4M /dev/urandom >"$(root)/kept"
	md5sum <"$(root)/kept" >sum
	sync -f "$(root)"
	rm "$(root)/big"
	before=$(stat -c %b "$(data v)/root.hds")
	expect 0 run_stor volume compact v
	out_has 'v: [0-9.]+ ?M(iB)? freed'
	after=$(stat -c %b "$(data v)/root.hds")
	[ $((before - after)) -gt $((30 * 2048)) ] || fail "$before blocks became $after"
	counts_on
	md5sum <"$(root)/kept" | cmp - sum || fail "the content changed"
	finish
	sound
}

# The filesystem can follow only with CAP_SYS_RESOURCE: tests/vm/tests/growth.sh.
test_growing_while_a_container_runs() {
	local device
	make_volume v
	start "$STOR"
	device=/sys/dev/block/$(stat -c %Hd:%Ld "$(root)/")
	[ "$(cat "$device/size")" -lt $((96 * 2048)) ] || fail "the device is larger than the disk"
	if capsh --has-p=cap_sys_resource 2>/dev/null; then
		expect 0 run_stor volume resize v 192M
	else
		expect 5 run_stor volume resize v 192M
		err_has 'grow ext4: needs the capability CAP_SYS_RESOURCE'
		err_has 'its device grew, its filesystem did not'
	fi
	same "$(cat "$device/size")" $((190 * 2048))
	counts_on
	expect 0 run_stor volume snapshot v one
	counts_on
	finish
	sound
	expect 0 run_stor volume inspect v
	out_has '"size": 201326592'
	mkdir m
	expect 0 run_stor volume mount v m
	same "$(blockdev --getsize64 "$(findmnt -no SOURCE "$T/m")")" $((190 * 1048576))
	expect 0 run_stor volume umount v
}

test_what_is_attached_directly() {
	make_volume -o layout=preallocated v
	start "$STOR"
	expect 5 run_stor volume snapshot v one
	err_has 'attached directly'
	expect 5 run_stor volume resize v 200M
	expect 5 run_stor volume compact v
	counts_on
	finish
	sound
}

killed_at() {
	local point=$1 got=0
	shift
	STOR_KILL_AT=$point "$KILL/stor" "$@" >"$OUT" 2>"$ERR" || got=$?
	same "$point $got" "$point 137"
}

# The command is killed: the container goes on, at once or when the guard has had enough, and the
# next command works.
test_a_killed_command() {
	local point n=0
	kill_build
	make_volume v
	start "$KILL/stor"
	for point in volume-frozen ploop-snapshot-staged ploop-snapshot-pushed volume-changed; do
		n=$((n + 1))
		echo $n >"$(root)/f"
		killed_at $point volume snapshot v s$n
		counts_on
		expect 0 run_stor volume snapshot v t$n
		in_snapshot t$n grep -qx $n s/f
	done
	for point in ploop-merge-begun ploop-merge-folded; do
		n=$((n + 1))
		killed_at $point volume merge v "$(ids | tr ' ' '\n' | sed -n 's/\*$//p')"
		counts_on
		expect 0 run_stor volume snapshot v t$n
	done
	killed_at ploop-grown volume resize v 128M
	counts_on
	expect 5 run_stor volume resize v 128M
	err_has 'CAP_SYS_RESOURCE'
	killed_at resize-device volume resize v 160M
	counts_on
	finish
	# What the killed ones left beside the images goes with the next work on them.
	expect 0 run_stor volume snapshot v last
	same "$(find "$(data v)" -name '*.tmp' | wc -l)" 0
	sound
	expect 0 run_stor run --rm --root v -- cat /f
	same "$(cat "$OUT")" 4
}

# The guard is killed: who froze the filesystem thaws it.
test_a_killed_guard() {
	kill_build
	make_volume v
	start "$KILL/stor"
	expect 1 env STOR_KILL_AT=freeze-guard "$KILL/stor" volume snapshot v one
	err_has 'guard died'
	counts_on
	expect 0 run_stor volume snapshot v one
	finish
	same "$(ids)" "one*"
	sound
}

# The server is killed: the container loses its disk, and the volume is as after a power cut.
test_a_killed_server() {
	local point kept
	kill_build
	for point in ploop-server-top ploop-server-renamed; do
		make_volume v
		STOR_KILL_AT=$point start "$KILL/stor"
		echo kept >"$(root)/f"
		sync -f "$(root)"
		expect 1 run_stor volume snapshot v one
		err_has 'its server has ended'
		kill -KILL "$RUN"
		wait $RUN || true
		expect 0 run_stor rm c
		kept=$([ $point = ploop-server-top ] || echo 'one*')
		same "$(ids)" "$kept"
		expect 0 run_stor run --rm --root v -- cat /f
		same "$(cat "$OUT")" kept
		expect 0 run_stor volume snapshot v two
		sound
		same "$(files)" "$([ -n "$kept" ] && echo 3 || echo 2)"
		expect 0 run_stor volume rm v
	done
}

# Nor does it matter in the midst of which other work, which nobody hears the end of.
test_a_killed_server_at_other_work() {
	local point command
	kill_build
	# A merge into the live state takes a new top first, and the snapshot before it was one too.
	for point in 1:compact 1:resize 2:merge 3:merge; do
		command=${point#*:}
		make_volume v
		STOR_KILL_AT=ploop-server-done:${point%:*} start "$KILL/stor"
		head -c 3M /dev/urandom >"$(root)/f"
		head -c 20M /dev/urandom >"$(root)/gone"
		sync -f "$(root)"
		rm "$(root)/gone"
		md5sum <"$(root)/f" >sum
		case $command in
		compact) expect 1 "$KILL/stor" volume compact v ;;
		resize) expect 1 "$KILL/stor" volume resize v 128M ;;
		merge)
			expect 0 "$KILL/stor" volume snapshot v one
			expect 1 "$KILL/stor" volume merge v one
			;;
		esac
		err_has 'its server has ended'
		kill -KILL "$RUN"
		wait $RUN || true
		expect 0 run_stor rm c
		expect 0 run_stor run --rm --root v -- md5sum /f
		same "$(cut -d' ' -f1 "$OUT")" "$(cut -d' ' -f1 sum)"
		expect 0 run_stor volume snapshot v two
		expect 0 run_stor volume merge --all v
		same "$(ids) $(files)" " 1"
		sound
		expect 0 run_stor volume rm v
	done
}

# How the servers here use their image files: direct, cached, or both.
modes() {
	local pid fd name flags
	for pid in $(pgrep -f "^stor-ploop $STOR_STORE/"); do
		# shellcheck disable=SC2044 # numbers
		for fd in $(find "/proc/$pid/fd" -lname '*.hds' -printf '%f\n'); do
			while read -r name flags; do
				[ "$name" = flags: ] || continue
				if [ $((flags & 040000)) != 0 ]; then echo direct; else echo cached; fi
			done <"/proc/$pid/fdinfo/$fd"
		done
	done | sort -u | paste -sd' '
}
has_modes() { [ "$(modes)" = "$1" ]; }

test_the_page_cache() {
	local direct=direct both='cached direct'
	dd if=/dev/zero of=probe bs=4096 count=1 oflag=direct status=none 2>/dev/null ||
		direct=cached both=cached
	expect 0 run_stor volume create --backend ploop --size 64M --image busybox v
	expect 0 run_stor run -d --name one --root v sleep 1000
	wait_for has_modes $direct
	# The file that a snapshot begins, too.
	expect 0 run_stor volume snapshot v s
	wait_for has_modes $direct
	expect 0 run_stor exec one sh -c 'head -c 5242880 /dev/urandom >/data && sync && md5sum /data'
	expect 0 run_stor rm -f one
	expect 0 run_stor volume check v
	expect 0 run_stor run -d --name two --root v -o direct-io=no sleep 1000
	sleep 1.5
	same "$(modes)" cached
	expect 0 run_stor rm -f two
	# What clones share stays in it, and what is thrown away.
	expect 0 run_stor run -d --name three --backend ploop sleep 1000
	wait_for has_modes "$both"
	expect 0 run_stor rm -f three
	expect 0 run_stor run -d --rm --name four --backend ploop sleep 1000
	sleep 1.5
	same "$(modes)" cached
	expect 0 run_stor rm -f four
	expect 0 run_stor run -d --name five --backend ploop -o direct-io=yes sleep 1000
	wait_for has_modes $direct
	expect 0 run_stor rm -f five
}

run_tests "$@"
