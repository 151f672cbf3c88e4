#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What a container sees, in sections that begin with "== NAME". Asks, and changes nothing outside.
section() { printf '== %s\n' "$*"; }
section ps
ps -eo pid,ppid,user,args
section ip addr
ip addr
section ip route
ip route
section mount
mount
section hostname
hostname
section ulimit
# shellcheck disable=SC3045 # Debian's sh has it
ulimit -a
section memory
grep -E '^MemTotal' /proc/meminfo
for file in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; do
	[ ! -r $file ] || echo "$file $(cat $file)"
done
# More than the limit, and no more than a machine has.
asked=419430400
echo "asked for $asked bytes, held $(head -c $asked /dev/zero 2>/dev/null | tail -c $asked 2>/dev/null | wc -c)"
section processors
nproc
for file in /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max; do
	[ ! -r $file ] || echo "$file $(cat $file)"
done
section processes
for file in /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max; do
	[ ! -r $file ] || echo "$file $(cat $file)"
done
asked=150
(
	i=0
	while [ $i -lt $asked ]; do
		sleep 5 &
		i=$((i + 1))
	done
) 2>&1
sleep 2
# By the shell alone: there may be no room for another process.
started=0
for process in /proc/[0-9]*; do
	read -r name <"$process/comm" && [ "$name" = sleep ] && started=$((started + 1))
done
echo "asked for $asked, started $started"
while [ $started -gt 0 ]; do
	started=0
	for process in /proc/[0-9]*; do
		read -r name <"$process/comm" && [ "$name" = sleep ] && started=$((started + 1))
	done
done 2>/dev/null
section namespaces
for name in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$name; done
section rights
grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
section devices
# shellcheck disable=SC2012 # names of devices
ls /dev | paste -sd' '
mknod /tmp/device b 254 0 2>&1 && echo "a device node was made"
section writable
for file in /proc/sys/kernel/core_pattern /proc/sys/kernel/panic /proc/sysrq-trigger /proc/irq/default_smp_affinity \
	/sys/kernel/uevent_helper /sys/kernel/mm/transparent_hugepage/enabled; do
	[ ! -e $file ] || { [ -w $file ] && echo "can write $file" || echo "cannot write $file"; }
done
for file in /proc/kcore /proc/keys /proc/timer_list; do
	[ "$(head -c 1 $file 2>/dev/null | wc -c)" = 1 ] && echo "can read $file" || echo "cannot read $file"
done
section sysbench
/usr/bin/sysbench cpu --cpu-max-prime=20000 run
