#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# After a boot: what ran when the machine ended is known to have ended, and what is to start by
# itself does. The boot is one as stor sees it: no process is left, and the state folder is empty.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

# Everything dies at once, before anybody can write it down.
boot() {
	local processes=() name mark
	for name; do processes+=("$(pid_of "$name")"); done
	for mark in "$STOR_STATE"/live/*; do mark=${mark##*/} && processes+=("${mark%%.*}"); done
	for mark in "$STOR_STATE"/keep/*; do mark=${mark##*/} && processes+=("${mark%%.*}"); done
	kill -9 "${processes[@]}" 2>/dev/null || true
	wait_for all_dead "${processes[@]}"
	for mark in "$STOR_STATE"/cgroups/*; do
		wait_for no_cgroup "${mark##*/}"
	done
	rm -rf --one-file-system "$STOR_STATE"
}
no_cgroup() {
	find /sys/fs/cgroup -maxdepth 5 -depth -path "*/stor-$1*" -type d -exec rmdir {} + 2>/dev/null
	[ -z "$(find /sys/fs/cgroup -maxdepth 5 -name "stor-$1")" ]
}
all_dead() {
	local pid
	for pid; do ! kill -0 "$pid" 2>/dev/null || return 1; done
}

test_policies() {
	local b
	for b in dir loop ploop; do
		expect 0 run_stor run -d --backend $b --name always --restart always sleep 1000
		expect 0 run_stor run -d --backend $b --name unless --restart unless-stopped sh -c 'echo x >>/file; wc -l </file; exec sleep 1000'
		expect 0 run_stor run -d --name stopped --restart unless-stopped sleep 1000
		expect 0 run_stor stop -t 0 stopped
		expect 0 run_stor run -d --name stopped-always --restart always sleep 1000
		expect 0 run_stor stop -t 0 stopped-always
		expect 0 run_stor run -d --name no sleep 1000
		expect 0 run_stor run -d --rm --name rm sleep 1000
		expect 0 run_stor create --name never --restart always sleep 1000
		boot always unless no rm
		expect 0 run_stor start --boot
		same "$(sort "$OUT")" "$(for n in always unless stopped-always; do id_of $n; done | sort)"
		same "$(run_stor ps -a --format '{{.name}} {{.status}}' | cut -d' ' -f1,2 | sort)" "always running
never created
no exited
stopped exited
stopped-always running
unless running"
		# On the same root.
		wait_for logged unless '^2$'
		# Once they run there is nothing to start.
		expect 0 run_stor start --boot
		out_is ""
		# The policy is kept, too.
		expect 0 run_stor kill always
		wait_for has_status always running
		expect 0 run_stor rm -f always unless stopped stopped-always no never
		sleep 0.3
		nothing_left
	done
}

# One that cannot be started does not keep the others from it.
test_one_fails() {
	mkdir gone
	expect 0 run_stor run -d --name bad --restart always -v "$T/gone:/gone" sleep 1000
	expect 0 run_stor run -d --name good --restart always sleep 1000
	boot bad good
	rmdir gone
	expect 3 run_stor start --boot
	err_has gone
	has_status good running
	has_status bad exited
	expect 0 run_stor rm -f bad good
	nothing_left
}

test_wrong_usage() {
	expect 2 run_stor start --boot web
	expect 2 run_stor start --boot -a
	expect 2 run_stor start
	expect 0 run_stor start --boot
	same "$(cat "$OUT" "$ERR")" ""
}

run_tests "$@"
