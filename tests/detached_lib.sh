# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What tests of detached containers share. A test file sources this after tests/lib.sh.

out_is() { same "$(cat "$OUT")" "$1"; }

# wait_for CONDITION…: up to 20 seconds.
wait_for() {
	local i
	for ((i = 0; i < 400 * ${TIME_FACTOR:-1}; i++)); do
		"$@" && return 0
		sleep 0.05
	done
	fail "waited in vain for: $*"
}

# What of what `stor ps` says of one container.
status_of() { run_stor ps -a --format json | jq -r --arg n "$1" '.[] | select(.name == $n) | .status'; }
pid_of() { run_stor ps -a --format json | jq -r --arg n "$1" '.[] | select(.name == $n) | .pid'; }
id_of() { readlink "$STOR_STORE/names/$1"; }
# The process that stays with a container.
monitor_of() { basename "$STOR_STATE"/live/*."$(id_of "$1")" | cut -d. -f1; }
is_empty() { [ -z "$(ls "$1" 2>/dev/null)" ]; }
has_status() { [ "$(status_of "$1")" = "$2" ]; }
logged() { run_stor logs "$1" 2>&1 | grep -q -- "$2"; }

# Nothing of a container is left: no folder, no process that stays, no pipe, no user of a volume.
nothing_left() {
	# A monitor that waited takes its own mark away, a moment later.
	wait_for is_empty "$STOR_STATE/keep"
	same "$(find "$STOR_STORE/containers" "$STOR_STORE/names" "$STOR_STORE/tmp" -mindepth 1 2>/dev/null)" ""
	same "$(find "$STOR_STATE"/{live,keep,users,cgroups,io} -mindepth 1 2>/dev/null)" ""
	expect 0 run_stor gc
	out_is ""
}
