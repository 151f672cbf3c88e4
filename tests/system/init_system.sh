#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run --init-system: systemd or busybox' init as process 1, up to its default target, and down again.
# shellcheck source=tests/lib.sh
TIME_LIMIT=400
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

cgroups_of() { find /sys/fs/cgroup -name "stor-$1"; }
# It takes requests, and has done all that it had to start.
has_booted() { [ "$(run_stor exec "$1" systemctl is-system-running)" = running ]; }
has_command() { run_stor top --format json "$1" | jq -r '.[].command' | grep -qx "$2"; }
mounted() { run_stor exec "$1" awk -v at="$2" '$5 == at { print $6 "," $NF }' /proc/self/mountinfo; }

# The Debian image, started and stopped twice with what is given, as the name box.
_debian() {
	local id life
	expect 0 run_stor image import -q "$("$TOP/tests/debian-root")" debian
	expect 0 run_stor run -d --name box --image debian --init-system "$@"
	id=$(id_of box)
	for life in 1 2; do
		wait_for has_booted box
		same "$(run_stor exec box systemctl show -P ActiveState default.target)" active
		same "$(run_stor exec box systemctl list-units --failed --plain --no-legend)" ''
		same "$(run_stor exec box cat /proc/1/comm)" systemd
		same "$(run_stor exec box systemd-detect-virt --container)" container-other
		# Its services are in cgroups of their own, in the container's part.
		run_stor exec box cat /proc/1/cgroup | grep -q ':/init.scope$' || fail "$(run_stor exec box cat /proc/1/cgroup)"
		expect 0 run_stor exec box systemd-run -q --unit=own --property=RemainAfterExit=yes sh -c 'cat /proc/self/cgroup >/tmp/own; exec sleep 1000'
		wait_for run_stor exec box grep -q ':/system.slice/own.service$' /tmp/own
		# Each of them is measured and paused with it.
		wait_for has_command box 'sleep 1000'
		expect 0 run_stor pause box
		expect 0 run_stor resume box
		# By the signal that it takes for the wish to halt: at once, and with its own exit status.
		expect 0 run_stor stop -t 60 box
		expect 0 run_stor wait box
		out_is 0
		same "$(cgroups_of "$id")" ''
		[ $life = 2 ] || expect 0 run_stor start box
	done
	# Killed, nothing of what it made is left.
	expect 0 run_stor start box
	wait_for has_booted box
	expect 0 run_stor rm -f box
	same "$(cgroups_of "$id")" ''
	nothing_left
}

test_systemd_on_dir() { _debian; }
test_systemd_on_loop_with_limits() { _debian --backend loop --size 1G --pids-limit 100 --memory 256M; }

# It ends the container, and a policy starts it again.
test_a_reboot_from_inside() {
	local first
	expect 0 run_stor image import -q "$("$TOP/tests/debian-root")" debian
	expect 0 run_stor run -d --name box --image debian --init-system --restart always
	wait_for has_booted box
	first=$(pid_of box)
	run_stor exec box systemctl reboot
	is_another() { [ "$(pid_of box)" != "$first" ] && has_status box running; }
	wait_for is_another
	wait_for has_booted box
	expect 0 run_stor update --restart no box
	run_stor exec box systemctl poweroff
	wait_for has_status box exited
	expect 0 run_stor wait box
	out_is 0
	expect 0 run_stor rm box
	nothing_left
}

# Where version 2 is the only one. That limits are above what an init can write to is tested in the VM,
# whose version 2 has the controllers.
_in_version_2() {
	local where
	umount -l /sys/fs/cgroup
	mount -t cgroup2 none /sys/fs/cgroup
	_debian
	expect 0 run_stor run -d --name box --image debian --init-system
	wait_for has_booted box
	where=$(find /sys/fs/cgroup -path "*/stor-$(id_of box)/payload/delegated/init.scope")
	[ -n "$where" ] || fail 'it is not below the payload'
	expect 0 run_stor exec box sh -c 'mkdir /sys/fs/cgroup/mine && ls /sys/fs/cgroup && cat /proc/self/cgroup'
	out_has '^system.slice$'
	out_has '^0::/init.scope$'
	out_lacks payload
	expect 0 run_stor rm -f box
	nothing_left
}
test_systemd_in_version_2() {
	IN_NAMESPACE=1 unshare -m --propagation private bash -euc '. "$0"; T=$1; OUT=$T/out ERR=$T/err; set -e; _in_version_2' \
		"$(realpath "$0")" "$T"
}

test_busybox() {
	local id
	expect 0 run_stor create --name box --init-system
	expect 0 run_stor start box
	id=$(id_of box)
	same "$(run_stor exec box cat /proc/1/comm)" init
	same "$(mounted box /run)" rw,nosuid,nodev,relatime,rw,mode=755
	same "$(run_stor exec box stat -c %a /tmp)" 1777
	same "$(run_stor exec box sh -c 'tr "\0" "\n" </proc/1/environ | grep ^container=')" container=stor
	# What it is to do when it ends is done.
	run_stor exec box sh -c 'mkdir -p /etc/init.d; echo "::shutdown:/bin/touch /down" >/etc/inittab; kill -HUP 1'
	expect 0 run_stor exec box sh -c 'echo x >/tmp/x; echo y >/run/y'
	sleep 1
	expect 0 run_stor stop -t 60 box
	expect 0 run_stor wait box
	out_is 0
	expect 0 run_stor diff box
	out_has '^A /down$'
	# Nothing of a boot is there in the next one.
	expect 0 run_stor start box
	same "$(run_stor exec box ls /tmp /run | tr '\n' ' ')" '/run: lock  /tmp: '
	same "$(run_stor inspect box | jq -c '.[0].options')" '["init-system=yes"]'
	expect 0 run_stor rm -f box
	same "$(cgroups_of "$id")" ''
	nothing_left
}

# One that is neither is told as LXC tells it; who wants another signal says so.
test_other_inits() {
	expect 0 run_stor run -d --name box --init-system -- sh -c 'trap "exit 5" PWR; trap "exit 6" INT; echo ready; while :; do sleep 0.05; done'
	wait_for logged box ready
	expect 0 run_stor stop -s INT -t 60 box
	expect 0 run_stor wait box
	out_is 6
	expect 0 run_stor rm box
	expect 0 run_stor run -d --name box --init-system --stop-signal INT --tmpfs /run:size=1M -- sh -c 'trap "exit 6" INT; echo ready; while :; do sleep 0.05; done'
	wait_for logged box ready
	[[ $(mounted box /run) == *size=1024k* ]] || fail "$(mounted box /run)"
	expect 0 run_stor stop -t 60 box
	expect 0 run_stor wait box
	out_is 6
	expect 0 run_stor rm box
	nothing_left
}

test_what_does_not_go_together() {
	local option
	for option in --init --user=1 --cgroups=disabled --cgroup-ns=host --security-opt=no-new-privileges=false; do
		expect 125 run_stor run -d --init-system "$option"
		err_has "^stor: --init-system and ${option%%=*}.* exclude each other"
	done
	mkdir tree
	expect 0 run_stor image import -q tree empty
	expect 127 run_stor run -d --init-system --image empty
	err_has 'command "/sbin/init" not found'
	expect 125 unshare -m sh -c 'umount -l /sys/fs/cgroup; exec "$@"' sh "$STOR" run -d --init-system
	err_has '^stor: --init-system: this machine has no cgroup controller "name=systemd"'
	err_has '^  hint: '
	[ -d /sys/fs/cgroup/systemd ] || return 0
	# What the hint says is what helps.
	expect 125 unshare -m sh -c 'umount -l /sys/fs/cgroup/systemd; exec "$@"' sh "$STOR" run -d --init-system
	err_has '^  hint: mkdir -p /sys/fs/cgroup/systemd && mount -t cgroup'
	expect 0 unshare -m sh -c "umount -l /sys/fs/cgroup/systemd; $(sed -n 's/^  hint: //p' "$ERR"); exec \"\$@\"" sh "$STOR" run --rm --init-system -- true
	nothing_left
}

[ -v IN_NAMESPACE ] || run_tests "$@"
