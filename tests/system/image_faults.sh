#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Imports that meet: damage that only a checksum shows, streams that end too early, each other, an
# interrupt, a full disk. Nothing is left of what failed.
. "$(dirname "$0")/../lib.sh"

images() { ls "$STOR_STORE/images" 2>/dev/null | xargs; }
nothing_left() { same "$(ls -A "$STOR_STORE/tmp" 2>/dev/null)" ""; }

# A small tree, as tree/ and as plain.tar; its large file does not compress.
make_tree() {
	mkdir -p tree/a/b
	seq 1000 >tree/a/numbers
	head -c 300000 /dev/urandom >tree/a/b/random
	tar -C tree --sort=name --format pax -cf plain.tar .
}
# poke FILE OFFSET-FROM-END: changes one byte.
poke() {
	local at=$(($(stat -c %s "$1") - $2)) byte
	byte=$(tail -c "$2" "$1" | head -c 1 | od -An -tu1)
	# shellcheck disable=SC2059 # an octal escape is the format
	printf "\\$(printf %o $((byte ^ 1)))" | dd of="$1" bs=1 seek=$at conv=notrunc status=none
}
# refused REGEX SOURCE: and again from standard input.
refused() {
	expect 1 run_stor image import -q "$2" x
	err_has "^stor: import x: archive $2: ($1)"
	expect 1 sh -c 'cat "$1" | "$0" image import -q - x' "$STOR" "$2"
	err_has "^stor: import x: archive standard input: ($1)"
	same "$(images)" ""
	nothing_left
}

test_gzip_trailer_is_checked() {
	make_tree
	gzip -k plain.tar
	cp plain.tar.gz crc && poke crc 8
	refused '.*: damaged gzip data: incorrect data check' crc
	cp plain.tar.gz length && poke length 4
	refused '.*: damaged gzip data: incorrect length check' length
	head -c -1 plain.tar.gz >short
	refused '.*: damaged gzip data: truncated' short
	(cat plain.tar.gz; echo more) >followed
	refused '.*: damaged gzip data: something else' followed
	cp plain.tar.gz middle && poke middle 100000
	refused '.*damaged gzip data: ' middle
}

test_gzip_of_several_members_is_read() {
	make_tree
	(head -c 1000 plain.tar | gzip; tail -c +1001 plain.tar | gzip; head -c 1000 /dev/zero) >members
	expect 0 run_stor image import members x
	"$TOP/tests/tools/tree-compare" --no-atime tree "$STOR_STORE/images/x/rootfs"
	expect 0 sh -c 'for i in $(seq 40); do head -c $i members | tail -c 1; done >slow; tail -c +41 members >rest
		(cat slow; sleep 0.1; cat rest) | "$0" image import - y' "$STOR"
	"$TOP/tests/tools/tree-compare" --no-atime tree "$STOR_STORE/images/y/rootfs"
}

test_streams_that_end_too_early_are_refused() {
	local at
	make_tree
	: >nothing
	refused 'it is empty' nothing
	gzip </dev/null >nothing.gz
	refused 'it is empty' nothing.gz
	# Within the file, within a header, and between two entries, where the archive's end is missing.
	head -c 200000 plain.tar >in-file
	refused 'entry "a/b/random": read its content: ' in-file
	for at in 100 700; do
		head -c $at plain.tar >in-header
		refused 'open: |entry 1: read its header: ' in-header
	done
	at=$(python3 -c 'import sys, tarfile; print(tarfile.open("plain.tar").getmember("./a/numbers").offset)')
	head -c "$at" plain.tar >between
	refused 'it is cut short: it has no end' between
	err_has 'hint: the program that made it'
	for at in xz zstd bzip2 gzip; do
		$at -c plain.tar | head -c 150000 >cut.$at
		refused 'open: truncated|entry "a/b/random": read its content: ' cut.$at
	done
}

test_imports_of_one_name_race() {
	local i pid statuses=() pids=()
	make_tree
	for i in 1 2 3 4 5 6; do
		run_stor image import -q plain.tar x 2>"err$i" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		i=0
		wait "$pid" || i=$?
		statuses+=("$i")
	done
	same "$(printf '%s\n' "${statuses[@]}" | sort | xargs)" "0 4 4 4 4 4"
	grep -hq 'image x exists already' err* || fail "$(cat err*)"
	nothing_left
	"$TOP/tests/tools/tree-compare" --no-atime tree "$STOR_STORE/images/x/rootfs"
	expect 4 run_stor image import plain.tar x
	err_has 'import x: image x exists already'
	err_has 'hint: --replace'
}

# begin_import: one that waits for the rest of its archive; its process is $importer.
begin_import() {
	mkfifo pipe
	# A shell's background processes ignore SIGINT.
	env --default-signal=INT "$STOR" image import -q - x <pipe 2>interrupted.err &
	importer=$!
	exec 4>pipe
	head -c 200000 plain.tar >&4
	wait_for has_begun
}
has_begun() { [ -n "$(find "$STOR_STORE/tmp" -name random)" ]; }
test_interrupted_import_leaves_nothing() {
	local importer status=0 signal
	make_tree
	for signal in INT TERM; do
		begin_import
		kill -$signal $importer
		# Nothing more comes, and the pipe stays open.
		status=0
		timeout 20 tail --pid=$importer -f /dev/null || fail "SIG$signal was not heard"
		wait $importer || status=$?
		exec 4>&-
		rm pipe
		same "$status" 1
		grep -q '^stor: import x: .*: interrupted$' interrupted.err || fail "$(cat interrupted.err)"
		same "$(images)" ""
		nothing_left
	done
}

test_killed_import_is_swept() {
	local importer
	make_tree
	begin_import
	kill -9 $importer
	wait $importer 2>/dev/null || true
	exec 4>&-
	expect 0 run_stor image ls
	same "$(images)" ""
	nothing_left
}

test_import_needs_root() {
	make_tree
	mkdir bin
	chmod 755 . .. bin
	cp -r "$B/stor" bin
	expect 1 setpriv --reuid 65534 --regid 65534 --clear-groups bin/stor image import plain.tar x
	err_has '^stor: image import: needs root$'
	err_has 'hint: '
	[ ! -e "$STOR_STORE" ] || fail 'a store was made'
}

test_full_disk() {
	make_tree
	mkdir store
	gzip -k plain.tar
	cat >full.sh <<-'END'
		set -u
		mount -t tmpfs -o size=200k,mode=700 none store
		for source in tree plain.tar plain.tar.gz; do
			"$STOR" image import -q $source x && exit 10
			[ -z "$(find store/tmp store/images -mindepth 1)" ] || { ls -lR store >&2; exit 11; }
		done
		mount -o remount,size=10M store
		"$STOR" image import -q tree x || exit 12
		cmp tree/a/b/random store/images/x/rootfs/a/b/random
	END
	STOR=$STOR expect 0 unshare -m --propagation private bash full.sh
	same "$(grep -c 'import x: .*: No space left on device$' "$ERR")" 3
}

test_limits_count_every_kind_of_source() {
	local source
	make_tree
	gzip -k plain.tar
	for source in tree plain.tar plain.tar.gz; do
		expect 1 run_stor image import --limit-size 200000 $source x
		err_has 'entry "?a/b/random"?: the files are larger than the limit|a/b/random.*the files are larger'
		err_has 'hint: --limit-size'
		expect 1 run_stor image import --limit-entries 3 $source x
		err_has 'more entries than the limit'
		err_has 'hint: --limit-entries'
		same "$(images)" ""
		nothing_left
	done
	# What follows the end of an archive counts too.
	(cat plain.tar; head -c 300M /dev/zero) | gzip -1 >padded
	expect 1 run_stor image import --limit-size 1M padded x
	err_has 'it unpacks to more than'
	nothing_left
}

test_image_that_is_exported_is_not_removed() {
	local exporter
	make_tree
	expect 0 run_stor image import tree x
	mkfifo exported
	"$STOR" image export -q x - >exported &
	exporter=$!
	exec 4<exported
	head -c 1024 <&4 >begin
	expect 4 run_stor image rm x
	err_has 'image x: remove: in use'
	err_has 'hint: '
	(cat begin; cat <&4) >got.tar
	wait $exporter
	exec 4<&-
	mkdir again
	tar -C again -xpf got.tar
	cmp tree/a/b/random again/a/b/random
	expect 0 run_stor image rm x
	same "$(images)" ""
	nothing_left
}

run_tests "$@"
