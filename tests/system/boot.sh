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
	power_off "$@"
	rm -rf --one-file-system "$STOR_STATE"
}
power_off() {
	local processes=() name mark
	# First of all the monitors, which would write it down.
	for mark in "$STOR_STATE"/{live,keep}/*; do mark=${mark##*/} && processes+=("${mark%%.*}"); done
	for name; do processes+=("$(pid_of "$name")"); done
	kill -9 "${processes[@]}" 2>/dev/null || true
	wait_for all_dead "${processes[@]}"
	for mark in "$STOR_STATE"/cgroups/*; do
		wait_for no_cgroup "${mark##*/}"
	done
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

FORMER=00000000-1111-2222-3333-444444444444
start_of() { cut -d' ' -f22 "/proc/$1/stat"; }
# is_now PID NAME…: after a boot, PID has the number and the start time of each of these containers' first process.
is_now() {
	local name pid=$1
	shift
	for name; do
		sed -i "s/^boot=.*/boot=$FORMER/" "$STOR_STORE/containers/$(id_of "$name")/record"
		printf '!pid=%s\n!start-time=%s\n' "$pid" "$(start_of "$pid")" >>"$STOR_STORE/containers/$(id_of "$name")/record"
	done
}

test_numbers_of_processes_that_come_again() {
	local other
	sleep 1000 &
	other=$!
	expect 0 run_stor run -d --name web sleep 1000
	expect 0 run_stor run -d --name always --restart always sleep 1000
	boot web always
	is_now $other web always
	expect 125 run_stor exec web true
	expect 0 run_stor ps -a
	same "$(cat "$ERR")" ''
	same "$(run_stor ps -a --format '{{.name}} {{.status}}')" $'web exited (unknown)\nalways exited (unknown)'
	expect 0 run_stor start --boot
	has_status always running
	expect 0 run_stor stop -t 0 web always
	kill -0 $other || fail 'a process of somebody else was ended'
	expect 0 run_stor rm web always
	kill $other
	nothing_left
}

# It need not lie on a tmpfs.
test_a_state_folder_that_outlives_the_boot() {
	local other mark fresh
	sleep 1000 &
	other=$!
	expect 0 run_stor volume create v
	mkdir mnt
	expect 0 run_stor run -d --name web -v v:/v sleep 1000
	expect 0 run_stor run -d --name always --restart always sleep 1000
	expect 0 run_stor run -d --name rm --rm sleep 1000
	# It is asked only where it may be another boot's.
	[ "$(stat -f -c %T "$STOR_STATE")" != tmpfs ] || ln -sfn "$(cat /proc/sys/kernel/random/boot_id)" "$STOR_STATE/boot"
	same "$(readlink "$STOR_STATE/boot")" "$(cat /proc/sys/kernel/random/boot_id)"
	same "$(run_stor ps -q | wc -l)" 3
	power_off web always rm
	is_now $other web always rm
	for mark in "$STOR_STATE"/{live,keep,users}/*; do
		fresh=${mark##*/} && fresh=${fresh#*.}
		mv -T "$mark" "${mark%/*}/$other.$(start_of $other).${fresh#*.}"
	done
	# In this boot that would be three that run.
	same "$(run_stor ps -q | wc -l)" 3
	ln -sfn $FORMER "$STOR_STATE/boot"
	expect 0 run_stor start --boot
	out_is "$(id_of always)"
	same "$(run_stor ps -a --format '{{.name}} {{.status}}')" $'web exited (unknown)\nalways running'
	same "$(run_stor volume inspect v | jq -c '.[0].users')" '[]'
	same "$(ls "$STOR_STATE/live" | wc -l)" 1
	same "$(readlink "$STOR_STATE/boot")" "$(cat /proc/sys/kernel/random/boot_id)$([ "$(stat -f -c %T "$STOR_STATE")" != tmpfs ] || echo .volatile)"
	kill -0 $other || fail 'a process of somebody else was ended'
	# One that an older stor made has no such link.
	rm "$STOR_STATE/boot"
	has_status always running
	expect 0 run_stor exec always true
	expect 0 run_stor rm -f web always
	expect 0 run_stor volume rm v
	kill $other
	nothing_left
}

# Several come first after the boot.
test_many_find_a_state_of_a_former_boot() {
	local i
	expect 0 run_stor create --name web sleep 1000
	for i in $(seq 20); do
		ln -sfn $FORMER "$STOR_STATE/boot"
		touch "$STOR_STATE/live/1.1.$(id_of web)"
		for _ in 1 2 3 4; do run_stor ps -a >>log 2>&1 & done
		expect 0 run_stor start web
		wait $(jobs -p)
		has_status web running
		expect 0 run_stor stop -t 0 web
	done
	! grep -v '^ID\|^[0-9a-f]\{12\} ' log || fail 'they said something'
	expect 0 run_stor rm web
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
