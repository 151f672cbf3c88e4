#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Cgroups where systemd owns them: the slice that `make install` ships, and what systemd does to what is
# below it.
. "$(dirname "$0")/../../lib.sh"

SLICE=/sys/fs/cgroup/stor.slice
UNIT=/etc/systemd/system/stor.slice

with_slice() {
	cp "$TOP/docs/stor.slice" "$UNIT"
	systemctl daemon-reload
	systemctl start stor.slice
}

without_slice() {
	systemctl stop stor.slice
	rm -f "$UNIT"
	systemctl daemon-reload
}

# service NAME SETTINGS SCRIPT: runs to its end.
service() {
	printf '[Service]\nType=oneshot\n%s\nExecStart=/bin/bash -c "%s"\n' "$2" "${3//$'\n'/ }" >"/run/systemd/system/$1.service"
	systemctl daemon-reload
	systemctl start "$1.service" || fail "$(systemctl status --no-pager "$1.service")"
	rm "/run/systemd/system/$1.service"
}

our_id() { ls "$STOR_STATE/cgroups"; }
limits() { cat "$SLICE/stor-$1"/{payload/{memory.max,pids.max,cpu.max},{cpu,io,io.bfq}.weight}; }

test_first_of_all_it_is_systemd() {
	same "$(cat /proc/1/comm)" systemd
	[ -d /run/systemd/system ] || fail 'systemd does not run'
	is_up() { [ "$(systemctl is-system-running)" = running ]; }
	soon is_up || fail "it is $(systemctl is-system-running): $(systemctl --failed --no-legend) $(systemctl list-jobs --no-legend)"
}

test_without_the_slice_limits_are_refused_with_the_remedy() {
	expect 125 run_stor run --rm -m 64M -- true
	err_has 'systemd owns the cgroups, and there is no /sys/fs/cgroup/stor.slice'
	err_has 'make install ships stor.slice: systemctl daemon-reload && systemctl start stor.slice'
	# What needs no cgroup runs.
	expect 0 run_stor run --rm -- true
	same "$(find /sys/fs/cgroup -name 'stor-*' -not -name '*.service')" ''
	# Somebody's own place is as good.
	service own "Delegate=yes" "mkdir /sys/fs/cgroup/system.slice/own.service/in &&
		echo 0 >/sys/fs/cgroup/system.slice/own.service/in/cgroup.procs &&
		STOR_STORE=$STOR_STORE STOR_STATE=$STOR_STATE $STOR run --rm -m 64M --cgroup-parent system.slice/own.service cat /proc/self/cgroup >$T/own"
	same "$(cat own)" 0::/
}

test_limits_below_the_slice() {
	with_slice
	modprobe bfq
	echo bfq >/sys/block/vda/queue/scheduler
	expect 0 run_stor run --rm -m 64M --pids-limit 50 --cpus 0.5 --cpu-weight 50 -- true
	expect 0 run_stor run -d --name a -m 64M --pids-limit 50 --cpus 0.5 --cpu-weight 50 --io-weight 20 -- sleep 1000
	local before
	before=$(limits "$(our_id)")
	same "$(head -n 3 <<<"$before")" "$(printf '67108864\n50\n50000 100000')"
	same "$(tail -n 3 <<<"$before")" "$(printf '50\ndefault 20\ndefault 2')"
	# systemd sets up anew what it knows; and gives slices that it starts what they want.
	systemctl daemon-reload
	systemctl daemon-reexec
	service other "$(printf 'MemoryMax=100M\nCPUWeight=20\nIOWeight=20')" true
	systemctl set-property --runtime stor.slice MemoryMax=800M
	same "$(limits "$(our_id)")" "$before"
	expect 0 run_stor stats --no-stream a
	expect 0 run_stor exec a true
	expect 0 run_stor pause a
	expect 0 run_stor resume a
	expect 0 run_stor rm -f a
	[ -d "$SLICE" ] || fail 'the slice is gone'
	same "$(find "$SLICE" -mindepth 1 -type d)" ''
	echo none >/sys/block/vda/queue/scheduler
	without_slice
}

# It has units of systemd stopped, and stor's containers are none.
test_a_stopped_slice_leaves_its_containers_alone() {
	with_slice
	expect 0 run_stor run -d --name a -m 64M --pids-limit 50 -- sleep 1000
	local before
	modprobe bfq
	before=$(limits "$(our_id)")
	without_slice
	same "$(limits "$(our_id)")" "$before"
	expect 0 run_stor exec a true
	same "$(run_stor ps --format '{{.status}}')" running
	expect 0 run_stor rm -f a
	# Nobody keeps it any more.
	rmdir "$SLICE"
}

run_tests "$@"
