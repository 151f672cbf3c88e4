# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What tests of kill -9 share. A test file sources this after tests/lib.sh.

KILL=$TOP/build/kill

# The build that can be killed at its kill points.
kill_build() {
	flock "$TOP/build" make -s -C "$TOP" KILL_POINTS=1 -j2 all test-tools >make.log 2>&1 ||
		{ tail -n 20 make.log >&2; fail 'make KILL_POINTS=1'; }
}

# Entries of a folder that may not exist.
count() { find "$1" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l; }

# killed_at_each COMMAND…: runs it once to learn its kill points, then once for each time that it
# reaches one, killed there; `before` makes what it needs, `after` looks at what is left after the
# next command.
killed_at_each() {
	local point points
	before
	STOR_KILL_LIST=$T/points "$@" >/dev/null
	rm -rf "$STOR_STORE" "$STOR_STATE"
	points=$(awk '{ print $0 ":" ++n[$0] }' points)
	rm points
	[ "$(echo "$points" | wc -l)" -ge "$AT_LEAST" ] || fail "$*: too few kill points: $points"
	for point in $points; do
		before
		expect 137 env STOR_KILL_AT="$point" "$@"
		# The kernel may still be taking down what the dead one had.
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			expect 0 "$KILL/stor" image ls
			if [ "$(count "$STOR_STORE/tmp") $(count "$STOR_STORE/containers") $(count "$STOR_STATE/live") $(count "$STOR_STATE/users")" = '0 0 0 0' ]; then break; fi
			sleep 0.1
		done
		same "$point: $(ls "$STOR_STORE/tmp" "$STOR_STORE/containers" "$STOR_STATE/live" "$STOR_STATE/users" 2>/dev/null | grep -v : | tr -d '\n')" "$point: "
		after "$point"
		rm -rf "$STOR_STORE" "$STOR_STATE"
	done
}
