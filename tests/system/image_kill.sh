#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Commands on images, killed at each of their steps: an image is whole or not there, and nothing else
# is left after the next command.
# shellcheck source=tests/lib.sh
TIME_LIMIT=300
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kill.sh
. "$TOP/tests/kill.sh"

run_killable() { "$KILL/stor" "$@"; }
rootfs() { echo "$STOR_STORE/images/x/rootfs"; }
compare() { "$TOP/tests/tools/tree-compare" --no-atime "$@" || fail "trees differ: $*"; }

# Two trees, old/ and new/, that a container runs on, and new.tar.
make_trees() {
	local tree
	for tree in old new; do
		mkdir -p $tree/bin
		cp /bin/busybox $tree/bin/cat
		echo $tree >$tree/content
	done
	tar -C new --sort=name --format pax -cf new.tar .
}
# content WORD: what a run on the image shows.
content() {
	local b
	for b in dir loop; do
		expect 0 run_killable run --rm --backend $b --image x cat /content
		same "$(cat "$OUT")" "$1"
	done
}
# Every golden volume is whole, and of the image that is there.
goldens_are_good() {
	local golden id
	id=$(sed -n 's/^id=//p' "$STOR_STORE/images/x/record" 2>/dev/null) || true
	for golden in "$STOR_STORE"/golden/*/; do
		[ -d "$golden" ] || continue
		[ -s "${golden}record" ] || fail "$1: half a golden volume: $golden"
		case ${golden%/} in *"/golden/${id:-none}-"*) ;; *) fail "$1: a golden volume without its image: $golden" ;; esac
	done
}

test_killed_import() {
	local source tree
	kill_build
	make_trees
	"$TOP/tests/tools/image-archives" images .
	before() { :; }
	after() {
		if [ -e "$STOR_STORE/images/x" ]; then
			compare $tree "$(rootfs)"
			expect 4 run_killable image import -q $source x
		else
			expect 0 run_killable image import -q $source x
			compare $tree "$(rootfs)"
		fi
		same "$(ls "$STOR_STORE/images/x" | xargs)" 'record rootfs'
	}
	for source in new new.tar docker docker.tar; do
		case $source in new*) tree=new ;; *) tree=expected ;; esac
		AT_LEAST=4 killed_at_each "$KILL/stor" image import -q $source x
	done
	# All of its own kind are met.
	STOR_KILL_LIST=$T/points run_killable image import -q docker.tar x
	same "$(xargs <points)" 'image-import-begin image-set-aside image-import-unpacked image-before-rename image-after-rename'
}

test_killed_replacement() {
	kill_build
	make_trees
	before() {
		expect 0 run_killable image import -q old x
		content old
	}
	after() {
		goldens_are_good "$1"
		case $1 in image-after-rename* | golden*) compare new "$(rootfs)" && content new ;; *) compare old "$(rootfs)" && content old ;; esac
		goldens_are_good "$1"
		expect 0 run_killable image import -q --replace new x
		content new
		same "$(count "$STOR_STORE/golden")" 2
	}
	# With the removal of both golden volumes.
	AT_LEAST=6 killed_at_each "$KILL/stor" image import -q --replace new.tar x
}

test_killed_removal() {
	kill_build
	make_trees
	before() {
		expect 0 run_killable image import -q new x
		content new
	}
	after() {
		goldens_are_good "$1"
		if [ -e "$STOR_STORE/images/x" ]; then
			compare new "$(rootfs)"
			content new
			expect 0 run_killable image rm x
		fi
		same "$1: $(count "$STOR_STORE/golden") $(count "$STOR_STORE/images") $(count "$STOR_STORE/tmp")" "$1: 0 0 0"
	}
	AT_LEAST=3 killed_at_each "$KILL/stor" image rm x
	after() {
		goldens_are_good "$1"
		compare new "$(rootfs)"
		content new
		same "$1: $(count "$STOR_STORE/golden")" "$1: 2"
	}
	AT_LEAST=2 killed_at_each "$KILL/stor" image rm --golden x
}

run_tests "$@"
