#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A container's root: it looks as its image's, whatever it is made of; who has one in place; which backend
# it is on; and what becomes of golden volumes and images that are damaged, changed or in use.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kill.sh
. "$TOP/tests/kill.sh"

# tree FOLDER WORD: a root with a file that says the word.
tree() {
	local name
	mkdir -p "$1"/bin "$1"/proc "$1"/sys "$1"/dev
	for name in sh cat sleep stat touch grep; do cp /bin/busybox "$1/bin/$name"; done
	echo "$2" >"$1/word"
}
# begin NAME OPTION…: a container that stays; $stor is its stor. end: of it.
begin() {
	local name=$1
	shift
	"$STOR" run --rm --name "$name" "$@" sleep 1000 2>"$name.err" &
	stor=$!
	soon sleeps || fail "$name does not run: $(cat "$name.err")"
}
sleeps() {
	payload=$(pgrep -P "$stor" | head -n1)
	grep -q sleep "/proc/$payload/comm"
}
end() {
	kill -9 "$payload"
	wait "$stor" || true
}
looks() { [ "$1" = "$2" ] || { end; fail "$1, not $2"; }; }
goldens() { find "$STOR_STORE/golden" -mindepth 1 -maxdepth 1 | wc -l; }

test_the_root_directory_is_as_in_the_image() {
	local b how stor payload
	tree tree x
	setfattr -n user.note -v kept tree
	setfattr -n trusted.note -v kept tree
	setfacl -m u:77:rx tree
	chown 12:34 tree
	chmod 1751 tree
	touch -d '2001-02-03 04:05:06.123456789' tree
	getfattr --absolute-names -d -m - tree | grep -v '^#' >attributes
	expect 0 run_stor image import -q tree x
	for b in dir loop; do
		for how in overlay copy; do
			begin one --backend $b -o clone=$how --image x
			looks "$b $how: $(stat -c '%a %u:%g %.9Y' "/proc/$payload/root/.")" "$b $how: $(stat -c '%a %u:%g %.9Y' tree)"
			getfattr --absolute-names -d -m - "/proc/$payload/root/." | grep -v '^#' | diff attributes - >&2 || { end; fail "$b $how: attributes"; }
			end
		done
	done
}

test_a_root_in_place_has_one_writer_or_readers() {
	local b stor payload first first_payload
	for b in dir loop; do
		expect 0 run_stor volume create --backend $b --image busybox v
		begin one --root v
		expect 125 run_stor run --rm --root v true
		err_has 'volume v: in use by container one$'
		expect 4 run_stor volume rm v
		err_has 'volume v: in use by container one$'
		end
		begin one --read-only --root v
		first=$stor first_payload=$payload
		begin two --read-only --root v
		expect 125 run_stor run --rm --root v true
		err_has 'volume v: in use by container (one|two)$'
		# Readers leave it as it is, for a copy, too.
		expect 0 run_stor volume clone v copy
		end
		stor=$first payload=$first_payload
		end
		expect 0 run_stor volume rm v copy
	done
}

test_the_backend_is_told_by_option_or_environment() {
	mount_of() { run_stor run --rm "$@" grep ' /data ' /proc/self/mounts | cut -d' ' -f3; }
	same "$(STOR_BACKEND=loop mount_of -v a:/data)" ext4
	expect 0 run_stor volume ls
	out_has '^a +loop '
	STOR_BACKEND=loop expect 0 run_stor run --name kept true
	STOR_BACKEND=loop expect 0 run_stor run --name other --backend dir true
	STOR_BACKEND='' expect 0 run_stor run --name neither true
	expect 0 run_stor ps -a
	out_has '^[0-9a-f]+ +kept +busybox +loop '
	out_has '^[0-9a-f]+ +other +busybox +dir '
	out_has '^[0-9a-f]+ +neither +busybox +dir '
	STOR_BACKEND=nonesuch expect 125 run_stor run --rm true
	err_has 'no backend "nonesuch"'
}

# Somebody else has the file open and locked, as an attach does.
test_golden_volume_in_use_keeps_its_place() {
	tree tree x
	expect 0 run_stor image import -q tree x
	expect 0 run_stor run --rm --backend loop --image x cat /word
	exec 5<"$(find "$STOR_STORE/golden" -name image)"
	flock -s 5
	expect 4 run_stor image rm --golden x
	same "$(goldens) $(ls "$STOR_STORE/tmp")" '1 '
	exec 5<&-
	expect 0 run_stor run --rm --backend loop --image x cat /word
	expect 0 run_stor image rm --golden x
	same "$(goldens)" 0
}

test_a_damaged_image_is_named_and_keeps_its_golden_volumes() {
	tree tree x
	expect 0 run_stor image import -q tree x
	expect 0 run_stor run --rm --image x cat /word
	cp "$STOR_STORE/images/x/record" good
	for damage in 'echo rubbish' 'grep -v ^id=' 'true'; do
		$damage <good >"$STOR_STORE/images/x/record" || true
		[ "$damage" != true ] || rm "$STOR_STORE/images/x/record"
		expect 125 run_stor run --rm --image x true
		err_has 'image x is damaged: '
		err_has 'hint: stor image rm x, and import it again'
		expect 1 run_stor image inspect x
		cp good "$STOR_STORE/images/x/record"
	done
	echo rubbish >"$STOR_STORE/images/x/record"
	run_stor gc >gc.out 2>&1 || true
	same "$(goldens)" 1
	cp good "$STOR_STORE/images/x/record"
	expect 0 run_stor run --rm --image x cat /word
}

# It is opened, and then another one has its name: the new one runs, whole.
test_image_that_is_replaced_while_it_is_opened() {
	local stor
	kill_build
	tree old old
	tree new new
	expect 0 "$KILL/stor" image import -q old x
	STOR_STOP_AT=image-opened "$KILL/stor" run --rm --image x cat /word >word 2>err &
	stor=$!
	wait_for grep -q '^State:.T' /proc/$stor/status
	expect 0 "$KILL/stor" image import -q --replace new x
	kill -CONT $stor
	wait $stor || fail "$(cat err)"
	same "$(cat word)" new
}

# A mount that was made and left while this run waited: the backend has no lock that shows it.
test_a_mount_made_meanwhile_is_seen() {
	local stor status=0
	kill_build
	mkdir m
	expect 0 "$KILL/stor" volume create --backend dir v
	STOR_STOP_AT=users-listed "$KILL/stor" run --rm -v v:/data true 2>err &
	stor=$!
	wait_for grep -q '^State:.T' /proc/$stor/status
	expect 0 "$KILL/stor" volume mount v m
	kill -CONT $stor
	wait $stor || status=$?
	same "$status: $(head -n1 err)" "125: stor: volume v for /data: volume v: in use, mounted at $T/m"
	expect 0 "$KILL/stor" volume umount v
}

# Somebody holds the container's mounts for a while after its end.
test_a_run_returns_when_its_volume_is_free() {
	local stor payload guest status=0
	expect 0 run_stor volume create --backend loop --size 64M v
	begin one -v v:/data
	nsenter -m -t "$payload" sh -c 'sleep 3' &
	guest=$!
	is_inside() { [ "$(readlink /proc/$guest/ns/mnt)" = "$(readlink "/proc/$payload/ns/mnt")" ]; }
	wait_for is_inside
	kill -9 "$payload"
	wait "$stor" || status=$?
	same $status 137
	flock -xn "$STOR_STORE/volumes/v/data/image" true || fail 'the image is locked'
	grep -q 'warning: waiting for volume v to be released' one.err || fail "$(cat one.err)"
	wait $guest
}

# What lies at the place of the mount is not the volume.
test_a_volume_behind_another_mount_is_not_reached() {
	mkdir m
	expect 0 run_stor volume create --backend loop --size 64M v
	expect 0 run_stor volume mount v m
	mount -t tmpfs none m
	expect 4 run_stor volume resize v 128M
	err_has "volume v: reach its mount in mounted at $T/m"
	umount m
	expect 0 run_stor volume umount v
	expect 0 run_stor volume inspect v
	out_has '"size": 67108864'
}

run_tests "$@"
