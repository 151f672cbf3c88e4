#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Importing roots, and exporting them again: directories and tar archives, every attribute kept.
. "$(dirname "$0")/../lib.sh"

ARCHIVES=$TOP/tests/tools/image-archives
rootfs() { echo "$STOR_STORE/images/$1/rootfs"; }
compare() { "$TOP/tests/tools/tree-compare" --no-atime "$@" || fail "trees differ: $*"; }
nothing_left() { same "$(ls "$STOR_STORE/tmp")" ""; }

# A tree with one of everything.
make_tree() {
	mkdir -p "$1/a/b/c" "$1/usr/lib" "$1/read-only"
	cd "$1"
	ln -s usr/lib lib
	echo content >a/file
	ln a/file a/hard
	ln a/file usr/hard
	ln -s /etc/passwd absolute
	ln -s ../../.. up
	ln up up-too
	mknod null c 1 3
	mknod disk b 259 1048575
	mkfifo fifo
	truncate -s 10M sparse
	echo x | dd of=sparse bs=1 seek=5000000 conv=notrunc status=none
	truncate -s 3M hole
	dd if=/dev/urandom of=tail bs=64k count=1 status=none
	truncate -s 5M tail
	dd if=/dev/urandom of=large bs=1M count=5 status=none
	setfattr -n user.text -v value a/file
	setfattr -n user.of-dir -v value a
	setfattr -h -n trusted.of-link -v value absolute
	setfattr -n user.empty large
	setfacl -m u:1234:r,g:4:rw a/file
	setfacl -d -m u:1234:rwx a/b
	setcap cap_net_raw+ep a/file
	touch "$(printf 'control\tname\nx')" "ünïcode" "$(printf '%0255d' 0)"
	mkdir -p "$(printf '%0200d' 1)/$(printf '%0200d' 2)"
	touch -d '1960-01-01 00:00:00.123456789' old
	touch -d '2100-05-05 01:02:03.987654321' new
	chmod 6755 a/file
	chmod 0555 read-only
	chown 70000:80000 read-only
	chown -h 5:6 absolute
	chmod 1777 usr
	touch -h -d '2001-01-01 00:00:00.5' lib a/b read-only usr null fifo .
	cd "$T"
}

test_directory_is_copied_whole() {
	make_tree "$T/tree"
	touch "$T/tree/$(printf 'latin\xe9')"
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("tree/socket")'
	expect 0 run_stor image import tree one
	compare --sparse tree "$(rootfs one)"
	same "$(stat -c %a "$STOR_STORE/images/one")" 700
	nothing_left
	expect 0 run_stor image inspect one
	out_has '"kind": "directory"'
	out_has "\"entries\": $(find tree -printf x | wc -c),"
}

test_mounts_on_the_directory_stay_out() {
	mkdir -p tree/proc tree/dir
	echo x >tree/dir/file
	cat >mounted.sh <<-'END'
		mount -t proc proc tree/proc && mount -t tmpfs none tree/dir -o mode=0711 && touch tree/dir/hidden &&
			exec "$STOR" image import tree one
	END
	STOR=$STOR expect 0 unshare -m --propagation private sh mounted.sh
	same "$(cd "$(rootfs one)" && find . | sort | xargs)" ". ./dir ./proc"
}

test_tar_is_unpacked_as_gnu_tar_does() {
	local format
	make_tree "$T/tree"
	for format in pax gnu; do
		tar -C tree --format $format --sparse --xattrs --xattrs-include='*' --acls -cf $format.tar . 2>/dev/null
		mkdir $format
		tar -C $format --numeric-owner --xattrs --xattrs-include='*' --acls -xpf $format.tar 2>/dev/null
		expect 0 run_stor image import $format.tar $format
		compare --sparse $format "$(rootfs $format)"
	done
	compare tree "$(rootfs pax)"
	nothing_left
}

test_name_that_is_no_utf8_is_kept() {
	mkdir tree
	touch "tree/$(printf 'latin\xe9')"
	tar -C tree --format pax -cf in.tar .
	expect 0 run_stor image import in.tar one
	compare tree "$(rootfs one)"
	expect 0 run_stor image export one out.tar
	mkdir again
	tar -C again -xpf out.tar
	compare tree again
}

test_every_compression_is_read() {
	mkdir tree
	seq 10000 >tree/numbers
	tar -C tree --format pax -cf none.tar .
	gzip -k none.tar
	bzip2 -k none.tar
	xz -k none.tar
	xz -k --format=lzma none.tar
	zstd -q none.tar
	for file in none.tar*; do
		expect 0 run_stor image import "$file" "x$file"
		compare tree "$(rootfs "x$file")"
		run_stor image import - "y$file" <"$file"
		compare tree "$(rootfs "y$file")"
		same "$(cat "$file" | run_stor image import - "z$file"; ls "$(rootfs "z$file")")" numbers
	done
}

test_export_is_read_by_gnu_tar_and_by_import() {
	local how
	make_tree "$T/tree"
	expect 0 run_stor image import tree one
	for how in none gzip zstd xz; do
		expect 0 run_stor image export --compress $how one - # to $OUT
		cp "$OUT" $how.tar
		expect 0 run_stor image import $how.tar $how
		compare --sparse tree "$(rootfs $how)"
	done
	mkdir again
	tar -C again --xattrs --xattrs-include='*' --acls -xpf none.tar 2>/dev/null
	compare --sparse tree again
	file_is() { same "$(head -c "$2" "$1" | od -An -tx1 | tr -d ' ')" "$3"; }
	file_is gzip.tar 2 1f8b
	file_is zstd.tar 4 28b52ffd
	file_is xz.tar 6 fd377a585a00
}

test_export_is_reproducible() {
	make_tree "$T/tree"
	expect 0 run_stor image import tree one
	expect 0 run_stor image export one a.tar.gz
	# The same content, made in another order.
	mkdir other
	tar -C tree --format pax --sort=name --sparse --xattrs --xattrs-include='*' -cf - . 2>/dev/null |
		tar -C other --xattrs --xattrs-include='*' -xpf - 2>/dev/null
	expect 0 run_stor image import other two
	expect 0 run_stor image export two b.tar.gz
	cmp a.tar.gz b.tar.gz
	same "$(ls ./*.part 2>/dev/null)" ""
}

test_export_that_fails_leaves_nothing() {
	mkdir tree
	head -c 3000000 /dev/urandom >tree/file
	expect 0 run_stor image import tree one
	expect 1 run_stor image export one no/such/folder/x.tar
	err_has 'create .*x.tar.*No such file'
	expect 1 sh -c '"$0" image export one - >/dev/full' "$STOR"
	err_has 'No space left'
	expect 2 run_stor image export --compress rot13 one x.tar
	expect 3 run_stor image export nothing x.tar
	same "$(ls x.tar* 2>/dev/null)" ""
}

test_options_are_recorded() {
	mkdir tree
	expect 0 run_stor image import --env A=1 -e "B=x y" --cmd sh --cmd -c --cmd 'echo "hi"' --entrypoint /init \
		--workdir /w --user 1:2 --label a=b tree one
	expect 0 run_stor image inspect one
	python3 - "$OUT" <<-'END'
		import json, sys
		config = json.load(open(sys.argv[1]))[0]["config"]
		assert config["env"] == ["A=1", "B=x y"], config
		assert config["cmd"] == ["sh", "-c", 'echo "hi"'], config
		assert config["entrypoint"] == ["/init"] and config["workdir"] == "/w", config
		assert config["user"] == "1:2" and config["labels"] == {"a": "b"}, config
	END
	for wrong in '--env A' '--label =x' '--workdir w' '--devices none' '--limit-size much' '--limit-entries -1' '--platform arm64'; do
		# shellcheck disable=SC2086 # two words
		expect 2 run_stor image import $wrong tree two
	done
}

# Large enough that it takes its time, and packed small: a file of zeros.
test_progress_is_shown_on_a_terminal_alone() {
	cat >terminal.py <<-'PYTHON'
		import os, pty, sys
		pid, master = pty.fork()
		if pid == 0:
		    os.execv(sys.argv[1], sys.argv[1:])
		text = b""
		while True:
		    try:
		        text += os.read(master, 65536)
		    except OSError:
		        break
		print(text.decode().replace("\r", "\n").replace("\x1b[K", ""))
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	PYTHON
	mkdir tree
	truncate -s 1000M tree/file
	head -c 100M /dev/zero | gzip -1 >zeros
	(tar -C tree -cf - file | head -c 512 | gzip; for _ in $(seq 10); do cat zeros; done; head -c 1024 /dev/zero | gzip) >large.tar.gz
	# On a machine that is very quick, or very busy, one import may end before a bar is due.
	shows() { expect 0 python3 terminal.py "${@:2}" && grep -qE "$1" "$OUT"; }
	wait_for shows '^unpacking \[#+\.*\] [0-9.]+[KM] of [0-9.]+M$' "$STOR" image import --replace large.tar.gz one
	# It is wiped away at the end.
	same "$(tail -n 1 "$OUT")" ''
	# How much there is to come from a pipe nobody knows.
	# shellcheck disable=SC2016
	wait_for shows '^unpacking [0-9.]+M$' /bin/sh -c 'cat large.tar.gz | "$0" image import --replace - two' "$STOR"
	expect 0 python3 terminal.py "$STOR" image import -q --replace large.tar.gz one
	same "$(xargs <"$OUT")" ''
	expect 0 run_stor image import --replace large.tar.gz one
	same "$(cat "$OUT" "$ERR")" ''
}

test_debian_root_equals_its_source() {
	local root
	root=$("$TOP/tests/debian-root")
	expect 0 run_stor image import "$root" debian
	compare "$root" "$(rootfs debian)"
	expect 0 run_stor image import "$("$TOP/tests/debian-root" --tar)" from-tar
	compare "$root" "$(rootfs from-tar)"
	expect 0 run_stor image export from-tar out.tar
	mkdir again
	tar -C again --numeric-owner --xattrs --xattrs-include='*' --acls -xpf out.tar
	compare "$root" again
}

run_tests "$@"
