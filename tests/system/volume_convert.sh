#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A volume goes to another backend: with all that it holds, or it stays where it is.
# shellcheck source=tests/lib.sh
TIME_LIMIT=600
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kill.sh
. "$TOP/tests/kill.sh"

backend() { sed -n 's/^backend=//p' "$STOR_STORE/volumes/v/record"; }
size() { "$STOR" volume inspect v | jq -r '.[0].size'; }
# same_tree MORE…: what the volume holds is what ./source has.
same_tree() {
	mkdir -p m
	expect 0 run_stor volume mount -r v m
	"$TOP/tests/tools/tree-compare" --no-atime --ignore lost+found source m >compared ||
		{ head -n 20 compared >&2; run_stor volume umount v; fail "$*: it holds something else"; }
	expect 0 run_stor volume umount v
}

test_everything_is_kept() {
	local b
	mkdir source
	"$TOP/tests/tools/rich-tree" source
	# All that dir copies was in a volume; what follows is only what the other backends make of it.
	expect 0 run_stor volume create v
	cp -a --sparse=always source/. "$STOR_STORE/volumes/v/data/rootfs"
	touch -r source "$STOR_STORE/volumes/v/data/rootfs"
	for b in loop ploop loop dir ploop dir loop; do
		expect 0 run_stor volume convert --to "$b" v
		same "$(backend) $(count "$STOR_STORE/tmp") $(count "$STOR_STATE/users")" "$b 0 0"
		same_tree "now on $b"
		expect 0 run_stor volume check v
	done
}

test_size_label_and_parameters() {
	expect 0 run_stor volume create --backend loop --size 200M --fs-label mine --image busybox v
	expect 0 run_stor volume convert --to ploop -o layout=preallocated -o format=v1 v
	same "$(size)" $((200 << 20))
	expect 0 run_stor volume inspect v
	out_has '"label": "mine"'
	out_has '"layout": "preallocated"'
	out_has '"format": "v1"'
	out_has '"image": "busybox"'
	expect 0 run_stor volume convert --to loop --size 300M v
	same "$(size)" $((300 << 20))
	same "$(e2label "$STOR_STORE/volumes/v/data/image")" mine
	expect 0 run_stor run --root v true
	expect 0 run_stor volume convert --to dir v
	expect 0 run_stor run --root v true
}

# What was last written before a power cut is in the journal alone.
test_a_journal_is_replayed() {
	local image=$STOR_STORE/volumes/v/data/image
	expect 0 run_stor volume create --backend loop --size 64M --image busybox v
	"$STOR" run --rm --root v -v "$T:/test" sh -c 'echo kept | dd of=/file conv=fsync; echo x >/test/ready; while [ -e /test/ready ]; do sleep 0.05; done' &
	wait_for test -s ready
	cp --sparse=always "$image" power-cut
	rm ready
	wait $!
	cp --sparse=always power-cut "$image"
	dumpe2fs -h "$image" 2>/dev/null | grep -q needs_recovery || fail 'the journal has nothing'
	expect 0 run_stor volume convert --to dir v
	same "$(cat "$STOR_STORE/volumes/v/data/rootfs/file")" kept
}

# refused STATUS BACKEND TEXT HINT OPTION…: and the volume is as it was.
refused() {
	expect "$1" run_stor volume convert "${@:5}"
	err_has "^stor: .*$3"
	[ -z "$4" ] || err_has "^  hint: .*$4"
	same "$(backend) $(count "$STOR_STORE/tmp")" "$2 0"
}

test_what_is_refused() {
	expect 0 run_stor volume create --backend ploop --size 64M --image busybox v
	refused 2 ploop 'volume v is on backend ploop already' '' --to ploop v
	refused 3 ploop 'no backend "nope"' 'backends: dir, loop, ploop' --to nope v
	refused 5 ploop '"dir" stores files .* takes no size' '' --to dir --size 1G v
	refused 2 ploop 'layout' '' --to loop -o layout=raw v
	refused 2 ploop 'too small for an ext4 filesystem' 'at least 16M' --to loop --size 2M v
	refused 2 ploop '--size goes with --to' 'volume resize' --size 1G v
	refused 2 ploop 'nothing to change' 'with --to' v
	refused 3 ploop 'no volume w' '' --to loop w
	expect 0 run_stor volume snapshot v first
	refused 5 ploop 'it has 1 snapshot, which would be lost' 'snapshot-rm' --to loop v
	expect 0 run_stor volume snapshot-rm v first
	mkdir m
	expect 0 run_stor volume mount -r v m
	refused 4 ploop "in use, mounted at $T/m" '' --to loop v
	expect 0 run_stor volume umount v
	refused 5 ploop 'only volumes of the store' 'volume clone .* NAME' --to loop "$STOR_STORE/volumes/v/data"
	expect 0 run_stor run --root v true
}

# Killed at each step, the volume is the old one or the new one, and nothing of the other is left.
test_killed_at_each_step() {
	local from to
	kill_build
	before() {
		expect 0 "$KILL/stor" volume create --backend "$from" --image busybox v
		expect 0 "$KILL/stor" run --rm --root v sh -c 'echo kept >/file'
	}
	after() {
		expect 0 "$KILL/stor" run --rm --root v cat /file
		same "$(cat "$OUT")" kept
		case $1 in
		convert-exchanged:* | *-destroyed:*) same "$1: $(backend)" "$1: $to" ;;
		convert-*) same "$1: $(backend)" "$1: $from" ;;
		esac
		expect 0 "$KILL/stor" volume check v
	}
	while read -r from to; do
		AT_LEAST=6 killed_at_each "$KILL/stor" volume convert --to "$to" v
	done <<-'PAIRS'
		dir loop
		loop ploop
		ploop dir
	PAIRS
}

# Who found the volume on its old backend, and then had to wait, does not take its folder for that.
test_who_waited_is_told() {
	local converter runner status=0
	kill_build
	has_lock_open() { find "/proc/$1/fd" -lname "$STOR_STATE/locks" 2>/dev/null | grep -q .; }
	is_stopped() { grep -q '^State:.T' "/proc/$1/status"; }
	expect 0 "$KILL/stor" volume create --image busybox v
	STOR_STOP_AT=convert-filled "$KILL/stor" volume convert --to loop v &
	converter=$!
	wait_for is_stopped "$converter"
	"$KILL/stor" run --root v true 2>err &
	runner=$!
	wait_for has_lock_open "$runner"
	sleep 0.3
	kill -CONT "$converter"
	wait "$converter" || fail 'convert'
	wait "$runner" || status=$?
	same "$status: $(cat err)" '125: stor: volume v has just been converted to another backend
  hint: repeat the command'
	expect 0 "$KILL/stor" run --root v true
}

run_tests "$@"
