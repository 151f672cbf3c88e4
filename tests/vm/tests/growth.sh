#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Growing loop and ploop volumes. Online it takes CAP_SYS_RESOURCE (EXT4_IOC_RESIZE_FS), which root of a
# machine that is a container itself may lack.
. "$(dirname "$0")/../../lib.sh"

SCRIPT='df -kP $0 | tail -n 1; read line; df -kP $0 | tail -n 1; dd if=/dev/zero of=$0/fill bs=1M count=80 2>/dev/null && echo filled'

# grows FOLDER OPTION…: a container that runs with the volume "v" at the folder sees it grow.
grows() {
	local folder=$1 before after stor
	shift
	mkfifo input
	"$STOR" run --rm -i "$@" -- sh -c "$SCRIPT" "$folder" <input >output 2>&1 &
	stor=$!
	exec 5>input
	wait_for test -s output
	expect 0 run_stor volume resize v 128M
	echo >&5
	exec 5>&-
	wait $stor || { cat output >&2; fail "the container's status"; }
	before=$(sed -n 1p output | awk '{print $2}')
	after=$(sed -n 2p output | awk '{print $2}')
	[ "$before" -lt 65536 ] && [ "$after" -gt 100000 ] || { cat output >&2; fail "$before KiB, then $after"; }
	grep -q '^filled$' output || { cat output >&2; fail "the new space cannot be used"; }
	expect 0 run_stor volume check v
}

test_a_mounted_volume_grows_under_a_running_container() {
	expect 0 run_stor volume create --backend loop --size 48M v
	grows /data --mount type=volume,src=v,dst=/data
}
test_a_root_grows_under_its_running_container() {
	expect 0 run_stor volume create --backend loop --image busybox --size 48M v
	grows / --root v
}

test_a_mounted_ploop_volume_grows_under_a_running_container() {
	expect 0 run_stor volume create --backend ploop --size 48M v
	grows /data --mount type=volume,src=v,dst=/data
}
test_a_ploop_root_grows_under_its_running_container() {
	expect 0 run_stor volume create --backend ploop --image busybox --size 48M v
	grows / --root v
}

# grows_offline FROM TO KIB OPTION…: a file in it stays, and it has more than so much room afterwards.
grows_offline() {
	expect 0 run_stor volume create --size "$1" "${@:4}" v
	expect 0 run_stor run --rm --mount type=volume,src=v,dst=/data -- sh -c 'echo kept >/data/file'
	expect 0 run_stor volume resize v "$2"
	expect 0 run_stor run --rm --mount type=volume,src=v,dst=/data -- sh -c 'cat /data/file; df -kP /data'
	out_has '^kept$'
	[ "$(tail -n 1 "$OUT" | awk '{print $2}')" -gt "$3" ] || fail "did not grow: $(tail -n 1 "$OUT")"
	expect 0 run_stor volume check v
}
test_a_volume_grows_offline() { grows_offline 48M 128M 100000 --backend loop; }
test_a_ploop_volume_grows_offline() { grows_offline 48M 128M 100000 --backend ploop; }
test_a_preallocated_ploop_volume_grows_offline() { grows_offline 48M 128M 100000 --backend ploop -o layout=preallocated; }
# 16 MiB have descriptor blocks for 16 GiB: beyond, the kernel turns to meta_bg.
test_a_volume_grows_beyond_what_is_reserved_for_it() { grows_offline 16M 20G 18000000 --backend loop; }

run_tests "$@"
