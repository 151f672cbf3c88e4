#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Archives of an enemy, imports that are killed, images that are in use: nothing is written outside of
# the image, and nothing is left.
. "$(dirname "$0")/../lib.sh"

rootfs() { echo "$STOR_STORE/images/$1/rootfs"; }
images() { ls "$STOR_STORE/images" 2>/dev/null | xargs; }
nothing_left() { same "$(ls -A "$STOR_STORE/tmp")" ""; }

# make_archives NAME…: archives that want to write to the folder `canary`.
make_archives() {
	mkdir canary
	echo precious >canary/victim
	find canary -printf '%p %i %m %U %G %n %s %T@ %C@\n' | sort >canary.before
	"$TOP/tests/tools/image-archives" hostile . "$T/canary" "$@"
}
canary_is_well() {
	find canary -printf '%p %i %m %U %G %n %s %T@ %C@\n' | sort | diff canary.before - >&2 ||
		fail "$1 changed the canary"
	same "$(ls -d /absolute /escaped "$T"/../escaped "$STOR_STORE"/escaped 2>/dev/null)" ""
}

# refused NAME REGEX [OPTION…]: the import fails and says why; no image is there.
refused() {
	local name=$1 text=$2
	shift 2
	expect 1 run_stor image import -q "$@" "$name.tar" "$name"
	err_has "^stor: import $name: (archive $name.tar|count the image's entries): ($text)"
	[ "$(wc -l <"$ERR")" -le 2 ] || fail "$name: $(cat "$ERR")"
	canary_is_well "$name"
	same "$(images)" "${IMAGES:-}"
	nothing_left
}
# harmless NAME [OPTION…]: what it wants happens inside of the image. Leaves the image.
harmless() {
	local name=$1
	shift
	expect 0 run_stor image import -q "$@" "$name.tar" "$name"
	same "$(cat "$ERR")" ""
	canary_is_well "$name"
	nothing_left
	IMAGES=$(images)
}

test_names_do_not_lead_out() {
	make_archives dotdot dotdot-inside control long-name long-path root-link root-file absolute
	refused dotdot 'entry "a/../../escaped": .*"\.\."'
	refused dotdot-inside 'entry "a/../b": .*"\.\."'
	refused control 'entry "bad\?\[31m\?/../x": '
	refused long-name 'entry "n+\.\.\.n+": .*255'
	refused long-path 'entry "d.*d": .*too long'
	refused root-link 'entry "/": the root can only be a directory'
	refused root-file 'entry 2: '
	harmless absolute
	same "$(cd "$(rootfs absolute)" && find . -type f | sort | xargs)" "./absolute ./etc/absolute"
}

test_links_do_not_lead_out() {
	make_archives link-to-host dir-then-link link-chain proc link-loop link-out link-file dir-over-link fifo-over-link
	refused link-to-host 'entry "out": .*File exists'
	refused dir-then-link 'entry "d": .*File exists'
	refused link-chain 'entry "three": .*File exists'
	refused proc 'entry "out": .*File exists'
	refused link-loop 'entry "a": .*symbolic links'
	harmless link-out
	same "$(cat "$(rootfs link-out)/etc/through")" x
	harmless link-file
	same "$(cat "$(rootfs link-file)/out")" x
	harmless dir-over-link
	same "$(cat "$(rootfs dir-over-link)/out/victim")" overwritten
	harmless fifo-over-link
	[ -p "$(rootfs fifo-over-link)/out" ]
}

test_hard_links_do_not_lead_out() {
	make_archives hard-out hard-dotdot hard-through hard-missing hard-to-root hard-to-dir hard-absolute hard-to-link
	refused hard-out 'entry "hard": the target of the hard link leads out'
	refused hard-dotdot 'entry "hard": the target of the hard link leads out'
	refused hard-through 'entry "hard": link to "out/victim": No such file'
	refused hard-missing 'entry "hard": link to "nothing/there": No such file'
	refused hard-to-root 'entry "hard": a hard link to the root'
	refused hard-to-dir 'entry "hard": link to "etc": '
	harmless hard-absolute
	same "$(cat "$(rootfs hard-absolute)/hard")" inside
	harmless hard-to-link
	same "$(cat "$(rootfs hard-to-link)/hard")" overwritten
	[ -h "$(rootfs hard-to-link)/out" ]
}

test_devices_are_kept_skipped_or_refused() {
	make_archives device
	refused device 'entry "dev/sda": device nodes are refused' --devices refuse
	harmless device --devices skip
	same "$(cd "$(rootfs device)" && find . | sort | xargs)" ". ./dev ./ok"
	harmless device --devices keep --replace
	same "$(stat -c %F:%t:%T "$(rootfs device)/dev/sda")" "block special file:8:0"
}

test_damaged_archives_are_refused() {
	make_archives cut-content cut-header cut-gzip corrupt-gzip corrupt-xz corrupt-zstd corrupt-bzip2 garbage
	refused cut-content 'entry "cut": read its content: '
	refused cut-header 'entry 2: .*[Tt]runcated'
	refused cut-gzip 'entry "f": .*truncated'
	refused corrupt-gzip 'entry "f": .*damaged gzip data: |read to its end: damaged gzip data: incorrect (data|length) check'
	refused corrupt-xz 'entry "f": .*[Cc]orrupt'
	refused corrupt-zstd 'entry "f": .*zstd|entry "f": .*Zstd'
	refused corrupt-bzip2 '.*bzip'
	refused garbage 'open: '
}

test_bombs_meet_the_limits() {
	make_archives many large bomb-zstd sparse
	refused many 'entry "f1000": more entries than the limit' --limit-entries 1000
	err_has 'hint: --limit-entries'
	refused large 'entry "more": the files are larger' --limit-size 5M
	err_has 'hint: --limit-size'
	refused bomb-zstd 'entry "bomb": the files are larger' --limit-size 5M
	refused sparse 'entry "bomb": the files are larger'
}

# With few descriptors: a tree that import makes, rm and the next command must be able to remove.
test_deep_trees_are_refused_and_removed() {
	make_archives deep deeper deep-enough
	harmless deep-enough
	ulimit -n 600
	refused deep 'entry "d/d/.*": directories are nested too deeply'
	refused deeper 'entry ".*d/d": directories are nested too deeply'
	expect 0 run_stor image export -q deep-enough out.tar
	expect 0 run_stor image rm deep-enough
	nothing_left
}

test_attributes_for_overlay_stay_out() {
	make_archives overlay acl-names
	harmless overlay
	same "$(getfattr --absolute-names -d -m - "$(rootfs overlay)/d" | sed -n 's/=.*//p')" user.kept
	refused acl-names 'entry "f": its ACL names somebody'
}

test_whiteouts_of_a_packed_layout_do_not_escape() {
	make_archives
	"$TOP/tests/tools/image-archives" 'whiteout:../.wh.canary' layout "$T/canary"
	tar -C layout -cf whiteout.tar .
	expect 1 run_stor image import whiteout.tar whiteout
	err_has 'entry "\.\./\.wh\.canary": '
	canary_is_well whiteout
	nothing_left
	same "$(images)" ""
}

has_begun() { [ -n "$(ls -A "$STOR_STORE/tmp")" ]; }
test_killed_import_leaves_nothing() {
	mkdir tree
	echo x >tree/file
	mkfifo pipe
	"$STOR" image import -q - one <pipe >log 2>&1 &
	exec 4>pipe
	# An archive without its end: the import waits for the rest.
	tar --format pax -cf - tree | head -c 1536 >&4
	wait_for has_begun
	expect 0 run_stor image ls
	[ -n "$(ls -A "$STOR_STORE/tmp")" ] || fail "a living import was swept away"
	kill -9 $!
	wait $! 2>/dev/null || true
	exec 4>&-
	expect 0 run_stor image ls
	out_lacks one
	nothing_left
	same "$(images)" ""
}

test_image_in_use_is_not_removed() {
	local status
	mkdir tree
	echo x >tree/file
	expect 0 run_stor image import tree one
	expect 0 run_stor image import tree two
	exec 5<"$STOR_STORE/images/one"
	flock -s 5
	# Both wait for a while.
	run_stor image import -q --replace tree one 2>replace.err &
	expect 4 run_stor image rm one two
	err_has 'image one: .*in use'
	status=0
	wait $! || status=$?
	same "$status" 4
	grep -q 'image one: .*in use' replace.err || fail "$(cat replace.err)"
	same "$(images)" one
	nothing_left
	exec 5<&-
	expect 0 run_stor image rm one
	same "$(images)" ""
	expect 3 run_stor image rm one
	nothing_left
}

test_missing_busybox_says_the_remedy() {
	STOR_BUSYBOX=/nonexistent expect 5 run_stor image inspect busybox
	err_has '/nonexistent: No such file'
	err_has 'hint: apt install busybox-static'
	STOR_BUSYBOX=$STOR expect 5 run_stor image inspect busybox
	err_has 'linked dynamically'
	same "$(images)" ""
	nothing_left
}

run_tests "$@"
