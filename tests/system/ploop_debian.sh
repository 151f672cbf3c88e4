#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A Debian root on ploop: apt and dpkg work inside; what fio wrote with many requests in flight is
# there while snapshots are taken and merged, and the image is whole after the processes were killed
# under that load.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/ploop_lib.sh
. "$TOP/tests/ploop_lib.sh"
# shellcheck disable=SC2034 # lib.sh reads it
TIME_LIMIT=900

# Some seconds; in make check-long some minutes.
SIZE=48M LOOPS=2 RATE=--rate=16m
[ -z "${STOR_LONG:-}" ] || SIZE=400M LOOPS=8 RATE=

make_debian() {
	local root
	root=$("$TOP/tests/debian-root")
	expect 0 run_stor image import -q "$root" debian
	expect 0 run_stor volume create --backend ploop --size 1G --image debian v
}
ids() { run_stor volume snapshots v | tail -n +2 | awk '{print $1}'; }

# The host's fio, with its own libraries, in the container.
has_fio() { command -v fio >/dev/null || skip "no fio"; }
LIB=/host/usr/lib/$(uname -m)-linux-gnu
FIO="$LIB/ld-linux-x86-64.so.2 --library-path $LIB:$LIB/ceph /host/usr/bin/fio"
FIO="$FIO --name=f --filename=/fio --direct=1 --ioengine=libaio --iodepth=32 --rw=randwrite"
FIO="$FIO --bssplit=4k/30:8k/20:16k/10:64k/20:256k/10:1m/10 --size=$SIZE"
VERIFY="--verify=crc32c --verify_fatal=1 --do_verify=1"

apt_and_dpkg() {
	expect 0 run_stor volume snapshot v fresh
	cat >script <<-'END'
		set -e
		export DEBIAN_FRONTEND=noninteractive LC_ALL=C
		mkdir -p /tmp/p/DEBIAN /tmp/p/opt/many
		i=0; while [ $i -lt 300 ]; do i=$((i + 1)); head -c $((i * 37)) /dev/urandom >/tmp/p/opt/many/$i; done
		printf 'Package: many\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDepends: perl-base\nDescription: files\n' >/tmp/p/DEBIAN/control
		(cd /tmp/p && find opt -type f -exec md5sum {} + >DEBIAN/md5sums)
		dpkg-deb --build /tmp/p /tmp/many.deb >/dev/null
		apt-get install -y /tmp/many.deb >/dev/null 2>&1
		dpkg --verify many
		dpkg --audit
		apt-get check >/dev/null
		[ $(dpkg -L many | grep -c /opt/many/) = 300 ]
		apt-get remove -y procps >/dev/null 2>&1
		! command -v ps
		echo verify:
		dpkg --verify
	END
	expect 0 run_stor run --rm --root v -- sh -c "$(cat script)"
	same "$(cat "$OUT")" 'verify:'
	sound
	expect 0 run_stor run --rm --root v -- sh -c 'dpkg --verify && dpkg -l many >/dev/null && ! dpkg -l procps | grep ^ii'
	expect 0 run_stor volume rollback v fresh
	expect 0 run_stor run --rm --root v -- sh -c 'dpkg --verify; command -v ps && ! dpkg -l many 2>/dev/null'
	out_has '^/(usr/)?bin/ps$'
	expect 0 run_stor volume merge v fresh
	sound
}

# What is written while the chain under it grows and shrinks is what is read. The container waits for a
# word before it ends, so that all is done while it runs.
fio_with_snapshots_and_merges() {
	local n=0 last run
	mkfifo word
	exec 8<>word
	# shellcheck disable=SC2016 # the container's shell expands it
	"$STOR" run --rm --root v --volume /usr:/host/usr:ro -i -- sh -c '"$@"; echo "over $?"; read -r _' - \
		$FIO $VERIFY $RATE --loops=$LOOPS --output=/fio.log <&8 >fio.out 2>&1 &
	run=$!
	wait_for is_running
	while kill -0 $run && ! grep -q ^over fio.out; do
		n=$((n + 1))
		expect 0 run_stor volume snapshot v s$n
		# Some are kept: so a merge is in the midst of the chain, at its end, or below the live state.
		if [ $((n % 4)) != 1 ]; then
			last=$(ids | sed -n "$((n % 3 + 1))p")
			[ -z "$last" ] || expect 0 run_stor volume merge v "$last"
		fi
	done
	echo >&8
	wait $run || { cat fio.out >&2; fail "the container"; }
	grep -qx 'over 0' fio.out || { cat fio.out >&2; run_stor run --rm --root v -- cat /fio.log >&2; fail "fio read something else than it wrote"; }
	[ $n -gt 3 ] || fail "only $n snapshots were taken"
	sound
	expect 0 run_stor run --rm --root v -- sh -c 'cat /fio.log; dpkg --verify'
	out_has 'err= 0'
	while last=$(ids | head -n1) && [ -n "$last" ]; do expect 0 run_stor volume merge v "$last"; done
	same "$(find "$(data v)" -name 'root.hds*' | wc -l)" 1
	sound
	# And once more from the disk alone.
	# shellcheck disable=SC2086 # words
	expect 0 run_stor run --rm --root v --volume /usr:/host/usr:ro -- $FIO $VERIFY --verify_only --loops=1 --output=/fio.log
}

killed_under_fio() {
	local victim server run
	for victim in server stor both; do
		# shellcheck disable=SC2086 # words
		"$STOR" run --rm --root v --volume /usr:/host/usr:ro -- $FIO --fsync=32 --time_based --runtime=600 >fio.out 2>&1 &
		run=$!
		wait_for grep -q '^f: ' fio.out
		server=$(server)
		sleep 1
		case $victim in
		server) kill -KILL "$server"; sleep 0.2; kill -KILL $run 2>/dev/null || true ;;
		stor) kill -KILL $run ;;
		both) kill -KILL $run "$server" ;;
		esac
		wait $run 2>/dev/null || true
		wait_for gone
		# The journal is not replayed yet: mounting does that.
		expect 0 run_stor run --rm --root v -- dpkg --verify
		sound
	done
}

# One after the other, for the making of the root takes the longest.
test_a_debian_root() {
	has_fio
	make_debian
	apt_and_dpkg
	fio_with_snapshots_and_merges
	killed_under_fio
}

run_tests "$@"
