#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor update: other limits for containers that run, have ended or were only made; all of them or none.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

# The files of the kernel, of version 1 and of version 2.
declare -A V1=([memory]=memory.limit_in_bytes [swap]=memory.memsw.limit_in_bytes [soft]=memory.soft_limit_in_bytes
	[cpus]=cpu.cfs_quota_us [weight]=cpu.shares [pids]=pids.max [cpuset]=cpuset.cpus
	[read]=blkio.throttle.read_bps_device)
declare -A V2=([memory]=memory.max [swap]=memory.swap.max [soft]=memory.low [cpus]=cpu.max [weight]=cpu.weight
	[pids]=pids.max [cpuset]=cpuset.cpus [read]=io.max)

# limit_of NAME WHAT: what the kernel has.
limit_of() {
	local id file leaf=payload/
	id=$(id_of "$1")
	[ "$2" != weight ] || leaf=
	for file in "${V1[$2]}" "${V2[$2]}"; do
		file=$(find /sys/fs/cgroup -path "*/stor-$id/$leaf$file" | head -n 1)
		if [ -n "$file" ]; then cat "$file"; return; fi
	done
}
has_swap_limit() { [ -n "$(limit_of "$1" swap)" ]; }
# Of memory and swap together, on either version.
swap_of() {
	local swap memory
	swap=$(limit_of "$1" swap)
	memory=$(limit_of "$1" memory)
	if [ -e "$(find /sys/fs/cgroup -path "*/stor-$(id_of "$1")/payload/memory.max" | head -n 1)" ]; then
		swap=$((swap + memory))
	fi
	echo "$swap"
}
options_of() { run_stor inspect "$1" | jq -r '.[0].options[]' | sort; }
M=$((1 << 20))

test_memory_goes_up_and_down() {
	local step
	expect 0 run_stor run -d --name box --memory 64M sleep 1000
	# MEMORY SWAP: to above what both were, to below it, and in between.
	for step in '256M 300M' '32M 40M' '40M 40M' '64M 512M' '512M 1G' '16M 16M'; do
		set -- $step
		expect 0 run_stor update --memory "$1" --memory-swap "$2" box
		same "$(limit_of box memory)" "$(numfmt --from=iec "$1")"
		if has_swap_limit box; then same "$(swap_of box)" "$(numfmt --from=iec "$2")"; fi
	done
	# An explicit limit of both holds; a remedy is named.
	expect 2 run_stor update --memory 64M box
	err_has 'update box: --memory-swap is below --memory'
	err_has 'hint: '
	same "$(limit_of box memory)" $((16 * M))
	expect 0 run_stor rm -f box
	nothing_left
}

test_swap_follows_memory_when_nobody_asked_for_it() {
	expect 0 run_stor run -d --name box --memory 64M sleep 1000
	expect 0 run_stor update -m 128M box
	same "$(limit_of box memory)" $((128 * M))
	if has_swap_limit box; then same "$(swap_of box)" $((256 * M)); fi
	expect 0 run_stor rm -f box
}

test_one_start_later_they_are_the_same() {
	expect 0 run_stor run -d --name box --backend loop --cpu-shares 512 --label a=1 --label b=2 sleep 1000
	expect 0 run_stor update --memory 64M --memory-reservation 32M --cpus 0.5 --cpu-weight 50 --cpuset-cpus 0 \
		--pids-limit 33 --device-read-bps root:1M --label b=3 --label c=4 box
	look() {
		same "$(limit_of box memory)" $((64 * M))
		same "$(limit_of box soft)" $((32 * M))
		[[ "$(limit_of box cpus)" == 50000* ]] || fail "cpus: $(limit_of box cpus)"
		same "$(limit_of box pids)" 33
		same "$(limit_of box cpuset)" 0
		limit_of box read | grep -Eq '^[0-9]+:[0-9]+ (rbps=)?1048576' || fail "read: $(limit_of box read)"
		limit_of box weight | grep -Eqx '50|1286' || fail "weight: $(limit_of box weight)"
		# Its processes are under them: also in hierarchies that it did not use before.
		same "$(run_stor exec box cat /proc/self/status | awk '/Cpus_allowed_list/ { print $2 }')" 0
		same "$(awk '/Cpus_allowed_list/ { print $2 }' "/proc/$(pid_of box)/status")" 0
		same "$(options_of box | grep -v '^backend' | tr '\n' ' ')" \
			'cpu-weight=50 cpus=0.5 cpuset-cpus=0 device-read-bps=root:1M memory-reservation=32M memory=64M pids-limit=33 '
		same "$(run_stor inspect box | jq -c '.[0].labels')" '{"a":"1","b":"3","c":"4"}'
		same "$(run_stor ps -q --filter label=b=3 | wc -l)" 1
	}
	look
	expect 0 run_stor restart -t 0 box
	look
	# A further change keeps the others; one in the other scale takes its place.
	expect 0 run_stor update --pids-limit 44 --cpu-shares 300 box
	expect 0 run_stor restart -t 0 box
	same "$(limit_of box pids)" 44
	same "$(limit_of box memory)" $((64 * M))
	options_of box | grep -qx cpu-shares=300 || fail 'no cpu-shares'
	! options_of box | grep -q cpu-weight || fail 'cpu-weight stayed'
	expect 0 run_stor rm -f box
	nothing_left
}

test_containers_that_do_not_run() {
	expect 0 run_stor create --name made --pids-limit 10 sleep 1000
	expect 0 run_stor run -d --name over --pids-limit 10 true
	expect 0 run_stor wait over
	expect 0 run_stor run --name front --pids-limit 10 true
	expect 0 run_stor update --pids-limit 20 --memory 32M made over front
	same "$(options_of made)" $'memory=32M\npids-limit=20'
	same "$(options_of over)" $'memory=32M\npids-limit=20'
	same "$(options_of front)" $'memory=32M\npids-limit=20'
	expect 0 run_stor start made
	same "$(limit_of made pids)" 20
	same "$(limit_of made memory)" $((32 * M))
	expect 0 run_stor rm -f made over front
	nothing_left
}

# The process in the foreground writes its record again when it ends.
test_a_container_in_the_foreground() {
	run_stor run --name front sleep 1000 &
	wait_for is_running
	expect 0 run_stor update --pids-limit 20 front
	same "$(limit_of front pids)" 20
	expect 0 run_stor stop -t 0 front
	wait
	same "$(options_of front)" pids-limit=20
	expect 0 run_stor rm front
	nothing_left
}

test_unlimited_again() {
	expect 0 run_stor run -d --name box --pids-limit 10 --memory 32M --memory-swap 32M sleep 1000
	expect 0 run_stor update --pids-limit -1 --memory-swap -1 box
	same "$(limit_of box pids)" max
	if has_swap_limit box; then limit_of box swap | grep -Eqx 'max|92233720368547[0-9]*' || fail "$(limit_of box swap)"; fi
	expect 0 run_stor rm -f box
}

test_what_the_kernel_refuses_changes_nothing() {
	expect 0 run_stor run -d --name box --pids-limit 10 --memory 64M --memory-swap 64M --cpus 0.5 --cpu-shares 4096 \
		sh -c 'x=$(head -c 30000000 /dev/zero | tr "\0" a); echo ready; sleep 1000; :'
	wait_for logged box ready
	expect 1 run_stor update --pids-limit 20 --cpus 0.7 --cpu-weight 50 --cpuset-cpus 4000 box
	err_has 'update box: --cpuset-cpus: '
	err_has 'hint: choose among'
	same "$(limit_of box pids)" 10
	[[ "$(limit_of box cpus)" == 50000* ]] || fail "cpus: $(limit_of box cpus)"
	limit_of box weight | grep -Eqx '157|4096' || fail "weight: $(limit_of box weight)"
	expect 4 run_stor update --pids-limit 20 --memory 8M --memory-swap 8M box
	err_has '--memory: 8(\.0)?M is less than the .* in use'
	err_has 'hint: end some'
	same "$(limit_of box pids)" 10
	same "$(limit_of box memory)" $((64 * M))
	if has_swap_limit box; then same "$(swap_of box)" $((64 * M)); fi
	same "$(status_of box)" running
	same "$(options_of box | tr '\n' ' ')" 'cpu-shares=4096 cpus=0.5 memory-swap=64M memory=64M pids-limit=10 '
	expect 0 run_stor rm -f box
	nothing_left
}

test_the_restart_policy() {
	runs() { run_stor logs "$1" 2>/dev/null | grep -c '^begun$' || true; }
	has_run() { [ "$(runs "$1")" -ge "$2" ]; }
	expect 0 run_stor run -d --name box sh -c 'echo begun; exec sleep 1000'
	expect 0 run_stor update --restart always box
	expect 0 run_stor kill box
	wait_for has_run box 2
	wait_for has_status box running
	# And with other limits, which its monitor has learnt.
	expect 0 run_stor update --pids-limit 17 box
	expect 0 run_stor kill box
	wait_for has_run box 3
	wait_for has_status box running
	same "$(limit_of box pids)" 17
	expect 0 run_stor update --restart no box
	expect 0 run_stor kill box
	wait_for has_status box exited
	sleep 0.5
	same "$(runs box)" 3
	expect 0 run_stor rm -f box
	expect 0 run_stor run -d --rm --name gone sleep 1000
	expect 2 run_stor update --restart always gone
	err_has '--rm and --restart exclude each other'
	expect 0 run_stor rm -f gone
	nothing_left
}

test_bad_requests() {
	expect 0 run_stor create --name made sleep 1000
	expect 2 run_stor update made
	err_has 'nothing to change'
	expect 2 run_stor update --pids-limit many made
	expect 2 run_stor update --memory 1K made
	expect 2 run_stor update --memory-swap 64M made
	err_has '--memory-swap needs --memory'
	expect 2 run_stor update --hostname x made
	expect 2 run_stor update --pids-limit 3
	# The others are done.
	expect 3 run_stor update --pids-limit 5 nobody made
	err_has nobody
	same "$(options_of made)" pids-limit=5
	expect 0 run_stor run -d --name free --cgroups disabled sleep 1000
	expect 2 run_stor update --pids-limit 5 free
	err_has '--cgroups disabled and --pids-limit exclude each other'
	expect 0 run_stor run -d --name box sleep 1000
	expect 3 run_stor update --device-read-bps /dev/none:1M box
	expect 0 run_stor rm -f made free box
	nothing_left
}

# What the record says is what the kernel has, however updates and starts meet.
test_updates_while_it_starts_and_stops() {
	local i
	expect 0 run_stor create --name box --pids-limit 10 sleep 1000
	( for i in $(seq 12); do run_stor restart -t 0 box >/dev/null; done ) &
	for i in $(seq 100 160); do
		# It may be between two lives for long, but not for ever.
		expect 0 run_stor update --pids-limit "$i" box
	done
	wait
	run_stor start box >/dev/null 2>&1 || true
	same "$(options_of box)" pids-limit=160
	same "$(limit_of box pids)" 160
	expect 0 run_stor rm -f box
	nothing_left
}

run_tests "$@"
