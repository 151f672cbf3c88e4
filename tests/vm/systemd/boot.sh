#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor.service starts, with the machine, the containers that are to run; whether the machine was shut down in order or
# died.
TIME_LIMIT=300
. "$(dirname "$0")/../../lib.sh"
# shellcheck source=tests/vm/reboot.sh
. "$TOP/tests/vm/reboot.sh"

# What is installed, on its own folders.
installed() { env -u STOR_STORE -u STOR_STATE -u STOR_MODULES /usr/bin/stor "$@"; }
all() { installed ps -a --format '{{.Name}} {{.Status}}' | sort; }
# Those that run have written down each of their starts.
starts() { installed logs "$1" | grep -c '^start$'; }

install_stor() {
	cp -a /stor/dest/. /
	systemctl daemon-reload
	systemctl enable stor.slice stor.service
	systemctl start stor.slice stor.service
	progress installed
}

# As in a session of somebody's: its processes are not descendants of this test, and get TERM at the end.
in_session() { systemd-run -q -p Type=oneshot -p RemainAfterExit=yes /usr/bin/stor "$@"; }

make_containers() {
	local policy
	for policy in always unless-stopped no on-failure; do
		in_session run -d --name "$policy" --restart "$policy" -m 64M sh -c 'trap "exit 0" TERM; echo start; while :; do sleep 0.1; done'
		in_session run -d --name "stopped-$policy" --restart "$policy" sleep 1000
		installed stop -t 0 "stopped-$policy"
		progress "made $policy"
	done
	in_session run -d --name block --backend loop --init --restart always sh -c 'echo x >>/lives; wc -l </lives; exec sleep 1000'
	installed create --name made --restart always sleep 1000
}

# is_as_it_should_be N: in the machine's Nth life. What was not started again ended with the first one, in order.
is_as_it_should_be() {
	is_active() { [ "$(systemctl is-active stor.service)" = active ]; }
	soon is_active || fail "$(systemctl status --no-pager -l stor.service)"
	same "$(all)" "$(printf '%s\n' 'always running' 'block running' 'made created' "no exited (0)" "on-failure exited (0)" \
		'stopped-always running' 'stopped-no exited (137)' 'stopped-on-failure exited (137)' \
		'stopped-unless-stopped exited (137)' 'unless-stopped running' | sort)"
	same "$(starts always) $(starts unless-stopped) $(starts no)" "$1 $1 1"
	# On the root that it had, and below the slice.
	same "$(installed logs block | tail -n 1)" "$1"
	[ -d "/sys/fs/cgroup/stor.slice/stor-$(installed ps -q --filter name=block)" ] || fail 'not below the slice'
	same "$(cat "/sys/fs/cgroup/stor.slice/stor-$(readlink /var/lib/stor/names/always)/payload/memory.max")" 67108864
}

test_containers_start_with_the_machine() {
	case $(life) in
	1)
		install_stor
		make_containers
		next_life systemctl reboot
		;;
	2)
		is_as_it_should_be 2
		# What the unit started goes on when the unit is stopped.
		systemctl stop stor.service
		same "$(installed ps -q | wc -l)" 4
		next_life sh -c 'echo b >/proc/sysrq-trigger'
		;;
	3)
		is_as_it_should_be 3
		installed stop -t 0 always unless-stopped block stopped-always
		installed rm $(installed ps -aq)
		same "$(installed gc)" ''
		systemctl disable --now stor.service stor.slice
		;;
	esac
}

run_tests "$@"
