#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `stor volume check` of ploop volumes that were damaged in each way that it names: what it says, as
# text and as JSON; that looking changes no byte; what a repair makes of it; and that what it could not
# mend is never marked clean.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/ploop_lib.sh
. "$TOP/tests/ploop_lib.sh"

# shellcheck disable=SC2034 # lib.sh reads it
TIME_LIMIT=300
CTL=$TOOLS/ploopctl
X=DiskDescriptor.xml

# hurt FILE PYTHON: the statements change d, a bytearray of the file; get and put are little endian.
hurt() {
	python3 - "$1" "$2" <<-'END'
		import sys
		d = bytearray(open(sys.argv[1], "rb").read())
		def get(at, n=4): return int.from_bytes(d[at:at + n], "little")
		def put(at, value, n=4): d[at:at + n] = value.to_bytes(n, "little")
		cluster, entries, first = get(28) * 512, get(32), get(48) * 512
		slot = lambda guest: 64 + 4 * guest
		used = [g for g in range(min(entries, len(d) // 4)) if get(slot(g))]
		free = [g for g in range(min(entries, len(d) // 4)) if not get(slot(g))]
		exec(sys.argv[2])
		open(sys.argv[1], "wb").write(d)
	END
}
mark() { od -An -tx4 -j44 -N4 "$1" | tr -d ' '; }
bytes() { (cd "$(data v)" && find . -type f ! -name '*.lck' -print0 | sort -z | xargs -0 sha256sum); }
json() { python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(r["verdict"], *(f["kind"] + ": " + f["text"] for f in r["findings"] if f["kind"] != "note"), sep="\n")' "$OUT"; }

# A volume v, and a copy of it to begin with each time.
begin() {
	expect 0 run_stor volume create --backend ploop --image busybox "$@" v
	cp -a "$(data v)" sound
}
again() { rm -rf "$(data v)" && cp -a sound "$(data v)"; }

# says VERDICT TEXT: dry, as text and as JSON, with not a byte changed.
says() {
	local status=1 before
	[ "$1" = damaged ] || status=0
	before=$(bytes)
	expect $status run_stor volume check v
	out_has "$2"
	out_has "^v: $1$"
	expect $status run_stor volume check --format json v
	json >json.out
	same "$(head -n1 json.out)" "$1"
	tail -n +2 json.out | grep -Eq -- "$2" || [ "${3:-}" = note ] || { cat json.out >&2; fail "JSON lacks $2"; }
	same "$(bytes)" "$before"
}
# The repair helps: another look finds nothing, nor does ploop.
mended() {
	expect 0 run_stor volume check --repair v
	out_has "^v: ${1:-repaired}$"
	expect 0 run_stor volume check v
	out_lacks '^(error|warning|repaired):'
	! command -v ploop >/dev/null || ploop check "$(data v)/$X" >ploop.log 2>&1 || fail "ploop: $(tail -n2 ploop.log)"
	expect 0 run_stor run --root v true
}
# It does not, and the image that is damaged is not marked clean where it was not.
left() {
	local file=$1 before
	before=$(mark "$file")
	expect 1 run_stor volume check --repair v
	out_has '^v: damaged$'
	same "$(mark "$file")" "$before"
	expect 1 run_stor volume check v
}

test_headers() {
	local base what
	begin --size 40M
	base=$(data v)/root.hds
	for what in 'd[0:4] = b"With"[::-1]=unknown magic' 'put(16, 3)=unknown image type' \
		'put(28, 2047)=cluster' 'put(28, 32)=cluster' 'put(48, 2047)=data' 'put(48, 0)=data' 'put(32, 0)=disk|table|slots' \
		'put(52, 2)=conversion was interrupted' 'put(36, 1 << 50, 8)=disk|table|slots' 'del d[4096:]=ends within its block allocation table'; do
		again
		hurt "$base" "${what%=*}; len(d) > 47 and put(44, 0x746F6E59)"
		says damaged "^error: root.hds: .*(${what##*=})"
		left "$base"
	done
	# Marks and flags that an interruption leaves, or a program that does not care.
	again
	hurt "$base" 'put(44, 0x746F6E59)'
	says clean '^warning: root.hds: marked in use'
	mended
	same "$(mark "$base")" 00000000
	again
	hurt "$base" 'put(44, 0x11223344)'
	says clean '^warning: root.hds: unknown in-use mark'
	mended
	again
	hurt "$base" 'put(52, 1)'
	says clean '^warning: root.hds: the Empty flag is wrong'
	mended
}

# With a table of two clusters, and files of both versions.
test_slots() {
	local base format what
	for format in v1 v2; do
		begin --size 300M -o cluster=32K -o format=$format
		base=$(data v)/root.hds
		for what in \
			'put(slot(free[0]), unit)=points into the block allocation table' \
			'put(slot(free[0]), len(d) // cluster * unit)=points beyond the end of the file' \
			'put(slot(free[0]), 0xFFFFFF00)=points beyond the end of the file' \
			'put(slot(entries), get(slot(used[0])))=cluster 9600 lies beyond the end of the disk' \
			'put(slot(free[0]), get(slot(used[-1])))=shares its place' \
			'put(slot(free[-1]), get(slot(used[-1]))); put(slot(free[-2]), get(slot(used[-1])))=shares its place'; do
			again
			hurt "$base" "unit = cluster // 512 if d[4:9] == b'outFr' and d[0:16] == b'WithoutFreeSpace' else 1
${what%=*}"
			says damaged "^error: root.hds: cluster [0-9]+ .*${what##*=}|^error: root.hds: ${what##*=}"
			mended
		done
		# Many are counted, not listed.
		again
		hurt "$base" 'for g in free[:100]: put(slot(g), 0xFFFFFF00)'
		says damaged '^note: root.hds: 80 more such clusters' note
		mended
		expect 0 run_stor volume rm v
		rm -rf sound
	done
	begin --size 40M -o format=v1
	hurt "$(data v)/root.hds" 'put(slot(free[0]), 2049)'
	says damaged '^error: root.hds: cluster [0-9]+ points into the middle of a cluster'
	mended
}

# What is split keeps its content for both; and a write to the one is no longer one to the other.
test_split_clusters_part() {
	local base guest
	begin --size 40M -o cluster=64K
	base=$(data v)/root.hds
	guest=$(hurt "$base" 'put(slot(free[-3]), get(slot(used[-1]))); print(free[-3])')
	"$CTL" dump "$(data v)" before
	expect 0 run_stor volume check --repair v
	"$CTL" dump "$(data v)" after
	cmp <(tail -c +$((guest * 65536 + 1)) before | head -c 65536) <(tail -c +$((guest * 65536 + 1)) after | head -c 65536) ||
		fail "a repair changed the content"
	cmp -n 65536 before after || fail "a repair changed the partition table"
	expect 0 run_stor volume check v
}

# Whoever reads what is not there is told so, and the rest goes on.
test_damage_is_an_io_error() {
	local guest device
	mkdir m
	begin --size 40M
	guest=$(hurt "$(data v)/root.hds" 'put(slot(free[3]), 0xFFFFFF00); print(free[3])')
	expect 0 run_stor volume mount --read-only v m
	device=$(findmnt -no SOURCE "$T/m")
	expect 1 dd if="$device" of=part bs=1M skip=$((guest - 1)) count=1 iflag=direct
	err_has 'Input/output error'
	expect 0 dd if="$device" of=part bs=1M skip=$((guest - 2)) count=1 iflag=direct
	cat m/bin/busybox >/dev/null || fail "nothing can be read any more"
	expect 0 run_stor volume umount v
}

test_clusters_that_nobody_uses() {
	local base
	begin --size 40M
	base=$(data v)/root.hds
	hurt "$base" 'd += bytes(2 * cluster); put(slot(free[0]), len(d) // cluster - 1)'
	says clean '^note: root.hds: 1 clusters are not referred to' note
	mended clean
	again
	hurt "$base" 'd += bytes(3 * cluster)'
	says clean '^warning: root.hds: 3145728 bytes behind the last cluster'
	mended
	same "$(stat -c %s "$base")" "$(stat -c %s sound/root.hds)"
	again
	truncate -s -4096 "$base"
	says damaged '^error: root.hds: cluster [0-9]+ points beyond the end of the file'
}

test_graph() {
	local d x what
	begin --size 40M
	expect 0 run_stor volume snapshot -o tool=engine v a
	expect 0 run_stor volume snapshot -o tool=engine v b
	rm -rf sound
	cp -a "$(data v)" sound
	d=$(data v) x=$(data v)/$X
	says clean '^v: clean' note
	rm "$d/root.hds"
	says damaged '^error: root.hds: No such file'
	expect 1 run_stor volume check --repair v
	expect 0 run_stor volume inspect v
	out_has '"format": "ploop, broken"'
	expect 125 run_stor run --root v true
	# A state without a file, a parent that is none, a circle.
	for what in 's.remove(s.findall("Image")[0])=state .* has no image|an Image|Shot' \
		'shots[0].find("ParentGUID").text = "{11111111-1111-4111-8111-111111111111}"=state .* has a parent that does not exist' \
		'shots[0].find("ParentGUID").text = shots[1].find("GUID").text=state .* descends from itself'; do
		again
		python3 - "$x" "${what%=*}" <<-'END'
			import sys, xml.etree.ElementTree as ET
			tree = ET.parse(sys.argv[1])
			s, shots = tree.getroot().find("StorageData/Storage"), tree.getroot().findall("Snapshots/Shot")
			exec(sys.argv[2])
			tree.write(sys.argv[1])
		END
		says damaged "^error: .*(${what##*=})"
		expect 1 run_stor volume check --repair v
	done
	again
	cp "$d/root.hds" "$d/root.hds.{11111111-1111-4111-8111-111111111111}"
	says clean '^warning: root.hds.\{1111.*: an image that DiskDescriptor.xml does not name'
	again
	sed -i 's|<Blocksize>2048|<Blocksize>1024|' "$x"
	says damaged '^error: root.hds.*: clusters of 2048 sectors, not 1024'
	again
	sed -i 's|<Disk_size>81920|<Disk_size>163840|' "$x"
	says damaged '^error: root.hds.*: the disk has 81920 sectors, not 163840'
	again
	hurt "$d/root.hds" 'put(36, 90112, 8); put(32, 44)'
	says damaged '^error: root.hds.*: the disk has 81920 sectors, but 90112 in root.hds, which it lies on'
	left "$d/root.hds"
	# No descriptor at all.
	again
	head -c 200 sound/$X >"$x"
	expect 1 run_stor volume check v
	err_has "$X has"
}

# Of two images one can be mended; the other keeps its mark.
test_one_of_two() {
	local top
	begin --size 40M
	expect 0 run_stor volume snapshot -o tool=engine v a
	expect 0 run_stor run --root v -- sh -c 'echo >/new'
	top=$(find "$(data v)" -name 'root.hds.*')
	hurt "$(data v)/root.hds" 'd[0:16] = b"no header at all"; put(44, 0x746F6E59)'
	hurt "$top" 'put(slot(free[0]), 0xFFFFFF00); put(44, 0x746F6E59)'
	says damaged '^error: root.hds: .*unknown magic'
	expect 1 run_stor volume check --repair v
	same "$(mark "$top")" 746f6e59
	same "$(mark "$(data v)/root.hds")" 746f6e59
}

# track FILE: change tracking data behind the last cluster, as backup software of OpenVZ leaves it: the
# extension, and the cluster of a bitmap.
track() {
	hurt "$1" 'import hashlib, struct
end = len(d) // cluster * get(28)
section = struct.pack("<QQIIQ16sIIQ", 0x20385fae252cb34a, 0, 40, 0, get(36, 8), bytes(16), 128, 1, end + get(28))
section = section.ljust(cluster - 24, bytes(1))
d += struct.pack("<Q", 0xab234cef23dcea87) + hashlib.md5(section).digest() + section + b"\xa5" * cluster
put(44, 0x312E3276); put(56, end, 8)'
}
extension() { od -An -tu8 -j56 -N8 "$1" | tr -d ' '; }
CBT=312e3276

# It stays as long as nothing is written, and whoever drops it says so.
test_change_tracking_data() {
	local base command
	begin --size 40M
	base=$(data v)/root.hds
	track "$base"
	says clean '^v: clean$' note
	expect 0 run_stor volume check v
	out_lacks '^(error|warning)'
	expect 0 run_stor run --read-only --root v -- true
	same "$(cat "$ERR")" ''
	same "$(mark "$base")" $CBT
	expect 0 run_stor volume check --repair v
	out_has '^v: clean$'
	for command in 'run --rm --root v -- true' 'volume compact v' 'volume resize v 38M' 'volume convert -o layout=preallocated v'; do
		again
		track "$base"
		# shellcheck disable=SC2086 # words
		expect 0 run_stor $command
		err_has 'root.hds": its change tracking data is dropped'
		base=$(find "$(data v)" -name 'root.hds*')
		same "$command: $(mark "$base") $(extension "$base")" "$command: 00000000 0"
		expect 0 run_stor volume check v
		out_lacks '^(error|warning)'
		base=$(data v)/root.hds
	done
	# A snapshot takes it along, and the other version of the format too; a merge does not.
	again
	track "$base"
	expect 0 run_stor volume snapshot v s
	expect 0 run_stor volume convert -o format=v1 v
	same "$(cat "$ERR")" ''
	same "$(mark "$base")" $CBT
	[ "$(extension "$base")" != 0 ] || fail "it was dropped"
	says clean '^v: clean$' note
	expect 0 run_stor run --rm --root v -- sh -c 'echo x >/file'
	same "$(cat "$ERR")" ''
	same "$(mark "$base")" $CBT
	expect 0 run_stor volume merge v s
	err_has 'its change tracking data is dropped'
	same "$(mark "$base") $(extension "$base")" '00000000 0'
}

# grown FILE MIB: a disk whose growing got as far as its image.
grown() { hurt "$1" "put(36, $2 * 2048, 8); put(32, $2 << 20 >> 16); put(44, 0x746F6E59)"; }

# Finished by the check, or by any other work on its files.
test_an_interrupted_resize() {
	local base work
	begin --size 40M -o cluster=64K
	base=$(data v)/root.hds
	grown "$base" 48
	says clean '^warning: root.hds: the disk has 98304 sectors, not 81920: its resize was interrupted'
	expect 0 run_stor run --rm --root v true
	mended
	expect 0 run_stor volume inspect v
	out_has '"size": 50331648,'
	for work in 'snapshot v s' 'convert -o format=v1 v' 'resize v 38M'; do
		again
		grown "$base" 48
		# shellcheck disable=SC2086 # words
		expect 0 run_stor volume $work
		expect 0 run_stor volume check v
		out_lacks '^(error|warning)'
		expect 0 run_stor run --rm --root v true
		! command -v ploop >/dev/null || ploop check "$(data v)/$X" >ploop.log 2>&1 || fail "$work: ploop: $(tail -n2 ploop.log)"
	done
}

# patch OFFSET HEX: bytes of the disk, by the engine.
patch() {
	"$CTL" dump "$(data v)" all
	printf '%b' "$(sed 's/../\\x&/g' <<<"$2")" | dd of=all bs=1 seek="$1" conv=notrunc status=none
	dd if=all of=page bs=4096 skip=$(($1 / 4096)) count=1 status=none
	"$CTL" load "$(data v)" page $(($1 / 4096 * 4096))
}

test_what_is_inside() {
	begin --size 40M
	patch 520 ffffffff
	says damaged '^error: one copy of the partition table is damaged'
	mended
	again
	patch $(((40 << 20) - 504)) ffffffff
	says damaged '^error: one copy of the partition table is damaged'
	mended
	again
	patch 520 ffffffff
	patch $(((40 << 20) - 504)) ffffffff
	says damaged '^error: the partition table is damaged'
	left "$(data v)/root.hds"
	# A directory counts wrong, and so does the superblock.
	again
	"$CTL" dump "$(data v)" all
	debugfs -w -R 'set_inode_field /bin links_count 7' 'all?offset=1048576' 2>/dev/null
	debugfs -w -R 'set_super_value free_blocks_count 1' 'all?offset=1048576' 2>/dev/null
	"$CTL" load "$(data v)" all
	says damaged '^error: the filesystem is damaged'
	mended
}

run_tests "$@"
