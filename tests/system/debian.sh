#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Real input: a Debian root is imported, runs on every backend, and is there what its source is; and
# clones that share blocks, on a filesystem that can.
# shellcheck source=tests/lib.sh
TIME_LIMIT=400
. "$(dirname "$0")/../lib.sh"

# start OPTION…: a container that stays; $stor is its stor and $payload its process.
start() {
	"$STOR" run --rm "$@" sleep 1000 2>start.err &
	stor=$!
	soon sleeps || fail "no container: $(cat start.err)"
}
sleeps() {
	payload=$(pgrep -P "$stor" | head -n1)
	grep -q sleep "/proc/$payload/comm"
}
stop() {
	kill -9 "$payload"
	wait "$stor" || true
}

test_debian_runs_and_equals_its_source() {
	local root b stor payload image
	root=$("$TOP/tests/debian-root")
	expect 0 run_stor image import -q "$root" debian
	for b in dir loop; do
		expect 0 run_stor run --rm --backend $b --image debian sh -c \
			'apt-get --version && perl -e "print 6*7" && echo && echo verify: && dpkg --verify'
		out_has '^apt 2\.'
		out_has '^42$'
		# dpkg names every file that is not as its package brought it.
		same "$(sed -n '/^verify:$/,$p' "$OUT")" 'verify:'
		# What the container sees, but for what is mounted in it.
		start --backend $b --image debian
		"$TOP/tests/tools/tree-compare" --no-atime --count --ignore proc --ignore sys --ignore dev \
			--ignore lost+found "$root" "/proc/$payload/root" >compared ||
			{ head -n 20 compared >&2; stop; fail "$b: what the container sees differs"; }
		stop
		[ "$(grep -oE '[0-9]+' compared | head -n1)" -gt 5000 ] || fail "compared only: $(cat compared)"
	done
	image=$(find "$STOR_STORE"/golden/*-loop-*/data -type f -size +100M)
	expect 0 env LC_ALL=C e2fsck -fn "$image"
	same "$(grep -Ev '^(Pass [1-5]:|[^ ]*: [0-9]+/[0-9]+ files)' "$OUT")" ""
}

# Runs in a mount namespace, with its store on xfs.
_share_on_xfs() {
	local b stor payload before more file name allocated exclusive
	mount -o loop xfs.img xfs
	export STOR_STORE=$T/xfs/store
	expect 0 run_stor image import -q tree big
	for b in dir loop; do
		# The golden volume is made at the first run.
		expect 0 run_stor run --rm --backend $b --image big -o clone=reflink cat /random
		cmp "$OUT" tree/random
		sync -f xfs
		before=$(df --output=used -k xfs | tail -n 1)
		start --backend $b --image big -o clone=reflink
		sync -f xfs
		more=$(($(df --output=used -k xfs | tail -n 1) - before))
		[ $more -lt 8000 ] || fail "$b: a clone takes $more KiB more"
		file=$(find "$STOR_STORE"/golden/*-$b-*/data -type f -size +30M)
		filefrag -v "$file" | grep -q shared || fail "$b: nothing of $file is shared"
		echo changed | dd of="/proc/$payload/root/random" conv=notrunc status=none
		sync -f "/proc/$payload/root/"
		same "$(head -c 7 "/proc/$payload/root/random")" changed
		stop
		expect 0 run_stor run --rm --backend $b --image big cat /random
		cmp "$OUT" tree/random
	done
	# Whose blocks they are, a volume is told too.
	for b in loop ploop; do
		expect 0 run_stor volume create --backend $b --size 96M --image big "$b-one"
		sync -f xfs
		exclusive "$b-one"
		[ "$exclusive" = "$allocated" ] && [ "$allocated" -gt 40000000 ] || fail "$b: $exclusive of $allocated"
		expect 0 run_stor volume clone --mode reflink "$b-one" "$b-two"
		for name in "$b-one" "$b-two"; do
			exclusive "$name"
			[ "$exclusive" -lt 2000000 ] && [ "$allocated" -gt 40000000 ] || fail "$name: $exclusive of $allocated"
		done
	done
}
# exclusive VOLUME: of how much allocated.
exclusive() {
	run_stor volume inspect "$1" >described
	allocated=$(sed -n 's/^ *"allocated": \([0-9]*\),/\1/p' described)
	exclusive=$(sed -n 's/^ *"exclusive": \([0-9]*\),/\1/p' described)
}
test_clones_share_blocks_on_xfs() {
	mkdir tree xfs
	cp "$(command -v busybox)" tree/
	mkdir tree/bin tree/proc tree/sys tree/dev
	for name in sh cat sleep; do ln -s ../busybox tree/bin/$name; done
	head -c 40M /dev/urandom >tree/random
	truncate -s 1G xfs.img
	mkfs.xfs -q -m reflink=1 xfs.img
	# The functions of this file, without its tests.
	IN_NAMESPACE=1 unshare -m --propagation private bash -euc \
		'. "$0"; T=$1; OUT=$T/out ERR=$T/err; set -e; _share_on_xfs' "$(realpath "$0")" "$T"
}

[ -v IN_NAMESPACE ] || run_tests "$@"
