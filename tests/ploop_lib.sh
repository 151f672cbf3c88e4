# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What tests of ploop volumes share. A test file sources this after tests/lib.sh.

# Debian's ploop reads PATH_MAX bytes at each path it is given, and dies where the stack ends sooner.
ploop() { env -i PAD="$(head -c 8192 /dev/zero | tr '\0' x)" /usr/sbin/ploop "$@"; }
data() { echo "$STOR_STORE/volumes/$1/data"; }
make_volume() { expect 0 run_stor volume create --backend ploop --size 96M --image busybox "$@"; }
# The process that serves a volume of this test; and there is none any more, nor a device.
server() {
	local dir
	for dir in /proc/[0-9]*; do
		[ "$(cat "$dir/comm" 2>/dev/null)" = stor-watch ] || continue
		grep -qsF "$T/" "$dir/cmdline" || continue
		cat "/proc/${dir#/proc/}/task/${dir#/proc/}/children"
	done | tr -d ' '
}
gone() { [ -z "$(server)" ] && ! grep -qsF "$T/" /sys/block/loop*/loop/backing_file; }
server_is_there() { [ -n "$(server)" ]; }

# ploop has nothing to say of the images of v, and stor neither.
sound() {
	local file
	expect 0 run_stor volume check v
	out_lacks '^(error|warning)'
	for file in "$(data v)"/root.hds*; do
		ploop check --force "$file" >log 2>&1 || { cat log >&2; fail "ploop check $file"; }
		! grep -v '^Reopen rw ' log >&2 || fail "ploop check $file has something to say"
	done
}
