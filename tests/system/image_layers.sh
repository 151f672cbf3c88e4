#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Images of other container tools: OCI layouts and archives of docker save, layer upon layer.
. "$(dirname "$0")/../lib.sh"

ARCHIVES=$TOP/tests/tools/image-archives
rootfs() { echo "$STOR_STORE/images/$1/rootfs"; }
compare() { "$TOP/tests/tools/tree-compare" --no-atime "$@" || fail "trees differ: $*"; }
nothing_left() {
	same "$(ls "$STOR_STORE/tmp" "$STOR_STORE/images" | grep -v :)" "${1:-}"
}
other_arch() { [ "$(uname -m)" = s390x ] && echo amd64 || echo s390x; }

test_layers_and_whiteouts_are_applied() {
	local source
	"$ARCHIVES" images .
	for source in docker docker.tar both both.tar; do
		expect 0 run_stor image import $source $source
		compare expected "$(rootfs $source)"
		same "$(ls "$STOR_STORE/images/$source" | xargs)" "record rootfs"
	done
	for source in oci oci.tar; do
		expect 0 run_stor image import --ref 2.0 $source $source
		compare expected "$(rootfs $source)"
	done
	expect 0 run_stor image inspect oci docker
	same "$(grep -cE '"kind": "(oci|docker)"' "$OUT")" 2
	out_has "\"entries\": $(find expected | wc -l),"
	same "$(ls "$STOR_STORE/tmp")" ""
}

test_streams_are_read_once() {
	"$ARCHIVES" images .
	gzip -c docker.tar | run_stor image import - one
	compare expected "$(rootfs one)"
	cat both.tar | run_stor image import - two
	compare expected "$(rootfs two)"
	zstd -cq oci.tar | run_stor image import --ref 1.0 - three
	[ -e "$(rootfs three)/gone" ] || fail "tag 1.0 has one layer"
}

test_configuration_is_kept_and_overridden() {
	"$ARCHIVES" images .
	expect 0 run_stor image import docker one
	expect 0 run_stor image import --env PATH=/mine --cmd run --user 9 docker two
	expect 0 run_stor image import --entrypoint /other docker three
	expect 0 run_stor image inspect one two three
	python3 - "$OUT" <<-'END'
		import json, sys
		one, two, three = (i["config"] for i in json.load(open(sys.argv[1])))
		assert one["env"] == ["PATH=/usr/bin:/bin", "TEXT=two\nlines = 2"], one
		assert one["cmd"] == ["sh", "-c", "echo a b"] and one["entrypoint"] == ["/init"], one
		assert one["workdir"] == "/work" and one["user"] == "7:8", one
		assert one["labels"] == {"who": "me"} and one["stop_signal"] == "SIGQUIT", one
		assert sorted(two["env"]) == ["PATH=/mine", "TEXT=two\nlines = 2"], two
		assert two["cmd"] == ["run"] and two["user"] == "9" and two["entrypoint"] == ["/init"], two
		assert three["entrypoint"] == ["/other"] and three["cmd"] == [], three
	END
}

test_one_of_several_is_chosen() {
	"$ARCHIVES" images .
	expect 2 run_stor image import oci one
	err_has '2 images'
	err_has '--ref chooses one of: 2.0, 1.0'
	expect 3 run_stor image import --ref 3.0 oci one
	err_has 'no image "3.0"'
	expect 0 run_stor image import --ref 2.0 --platform "linux/$(other_arch)" oci other
	[ -e "$(rootfs other)/gone" ] || fail "the other platform has one layer"
	expect 0 run_stor image inspect other
	out_has "\"arch\": \"$(other_arch)\""
	expect 3 run_stor image import --ref 2.0 --platform linux/nothing oci one
	err_has "--platform chooses one of: linux/$(other_arch)"
	expect 5 run_stor image import --platform "linux/$(other_arch)" docker one
	err_has 'the image is for'
	expect 0 run_stor image import --ref thing:2.0 docker one
	expect 3 run_stor image import --ref thing:1.0 docker two
	nothing_left "$(printf 'one\nother')"
}

# damage FILE: one byte in the middle is another.
damage() {
	python3 -c 'import sys; f = open(sys.argv[1], "r+b"); f.seek(0, 2); n = f.tell() // 2; f.seek(n)
b = f.read(1)[0] ^ 1; f.seek(n); f.write(bytes([b]))' "$1"
}

test_every_blob_is_verified() {
	local blob
	"$ARCHIVES" images .
	for blob in both/blobs/sha256/*; do
		cp "$blob" saved
		damage "$blob"
		expect 1 run_stor image import both one
		cp saved "$blob"
	done
	damage docker/a/layer.tar
	expect 1 run_stor image import docker one
	err_has 'layer a/layer.tar: .*(digest|header)'
	nothing_left
}

test_missing_parts_are_named() {
	"$ARCHIVES" images .
	rm docker/b/layer.tar
	expect 1 run_stor image import docker one
	err_has 'b/layer.tar: No such file'
	ln -s /etc/passwd docker/b/layer.tar
	expect 1 run_stor image import docker one
	rm docker/b/layer.tar
	mkfifo docker/b/layer.tar
	expect 1 run_stor image import docker one
	err_has 'not a regular file'
	rm both/blobs/sha256/*
	expect 1 run_stor image import both one
	err_has 'blobs/sha256/.*: No such file'
	while read -r status text; do
		echo "$text" >oci/index.json
		expect "$status" run_stor image import oci one
		err_has '^stor: import one: oci: index'
	done <<-'END'
		1
		1 {
		1 {"manifests": 7}
		1 []
		1 {"manifests": [{}]}
		1 {"manifests": [{"digest": "sha256:1"}]}
		5 {"manifests": [{"digest": "sha256:../../x", "size": 1}]}
		5 {"manifests": [{"digest": "sha512:00", "size": 1}]}
		3 {"manifests": []}
	END
	nothing_left
}

test_whiteouts_do_not_escape() {
	local name
	mkdir victims
	echo precious >victims/file
	for name in .wh. .wh... .wh.. 'etc/.wh...' '../.wh.victims' 'out/.wh.file'; do
		rm -rf layout
		"$ARCHIVES" "whiteout:$name" layout "$T/victims"
		if [ "$name" = out/.wh.file ]; then
			expect 0 run_stor image import layout one
			[ -h "$(rootfs one)/out" ] || fail "the link itself stays"
		else
			expect 1 run_stor image import layout bad
			err_has 'entry ".*\.wh\.'
		fi
		same "$(cat victims/file)" precious
	done
	nothing_left one
}

run_tests "$@"
