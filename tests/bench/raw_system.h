/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The least that everything which users expect of a container can cost, one system call after the
 * other and nothing decided: a record of it, an overlay of its own, /dev, /sys, what is hidden of
 * /proc, capabilities, a keyring, and stor's default system call filter. The control group that
 * lets it use no other devices is raw_cgroup.h's.
 */
#ifndef BENCH_RAW_SYSTEM_H
#define BENCH_RAW_SYSTEM_H

#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/container/seccomp.h"
#include "tests/bench/raw_attach.h"

/* glibc's <sys/mount.h> and <linux/mount.h> cannot both be included. */
extern int mount(const char *source, const char *target, const char *type, unsigned long flags,
                 const void *data);
#define FLAG_RDONLY 1ul
#define FLAG_NOSUID 2ul
#define FLAG_NODEV 4ul
#define FLAG_NOEXEC 8ul
#define FLAG_BIND 4096ul

/* A folder FOLDER/PID for this container, with the layers of an overlay and a record. Its fd. */
static inline int raw_container(const char *folder, char *name, size_t size)
{
	static const char record[] =
		"id=0123456789ab\nstatus=created\nimage=busybox\nbackend=dir\n";
	int parent = (int)check(folder, open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY)), at, fd;

	snprintf(name, size, "%s/%ld", folder, (long)getpid());
	check(name, mkdirat(parent, strrchr(name, '/') + 1, 0700));
	at = (int)check(name, open(name, O_RDONLY | O_CLOEXEC | O_DIRECTORY));
	fd = (int)check("record", openat(at, "tmp", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	check("record", write(fd, record, sizeof(record) - 1));
	check("record", renameat(at, "tmp", at, "record"));
	close(fd);
	check("upper", mkdirat(at, "upper", 0755));
	check("work", mkdirat(at, "work", 0700));
	close(parent);
	return at;
}

/* It runs: say so in the record. */
static inline void raw_running(int at, long pid)
{
	char line[64];
	int fd = (int)check("record", openat(at, "record", O_WRONLY | O_APPEND | O_CLOEXEC));

	check("record", write(fd, line, (size_t)snprintf(line, sizeof(line), "!pid=%ld\n", pid)));
	close(fd);
}

/* It ended: away with it. What the overlay keeps in its work folder has gone with its mount. */
static inline void raw_remove(int at, const char *name)
{
	check("upper", unlinkat(at, "upper", AT_REMOVEDIR));
	unlinkat(at, "work/work", AT_REMOVEDIR);
	check("work", unlinkat(at, "work", AT_REMOVEDIR));
	check("record", unlinkat(at, "record", 0));
	check(name, rmdir(name));
	close(at);
}

static inline void raw_dev(void)
{
	static const struct {
		const char *name;
		unsigned major, minor;
	} nodes[] = { { "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
		      { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 } };
	static const char *const links[][2] = {
		{ "/proc/self/fd", "fd" },       { "/proc/self/fd/0", "stdin" },
		{ "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
		{ "pts/ptmx", "ptmx" },
	};

	check("dev", mount("tmpfs", "/dev", "tmpfs", FLAG_NOSUID | FLAG_NOEXEC, "mode=755"));
	check("dev", chdir("/dev"));
	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
		check(nodes[i].name, mknod(nodes[i].name, S_IFCHR | 0666,
		                           makedev(nodes[i].major, nodes[i].minor)));
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		check(links[i][1], symlink(links[i][0], links[i][1]));
	check("pts", mkdir("pts", 0755));
	check("shm", mkdir("shm", 01777));
	check("mqueue", mkdir("mqueue", 01777));
	check("devpts", mount("devpts", "pts", "devpts", FLAG_NOSUID | FLAG_NOEXEC,
	                      "newinstance,ptmxmode=0666,mode=0620,gid=5"));
	check("shm", mount("shm", "shm", "tmpfs", FLAG_NOSUID | FLAG_NODEV | FLAG_NOEXEC,
	                   "mode=1777,size=67108864"));
	check("mqueue",
	      mount("mqueue", "mqueue", "mqueue", FLAG_NOSUID | FLAG_NODEV | FLAG_NOEXEC, NULL));
}

/* What is hidden or read-only of /proc and /sys; the kernel need not have all of it. */
static inline void raw_hide(void)
{
	static const char *const files[] = { "interrupts", "kcore", "keys", "timer_list" };
	static const char *const read_only[] = { "bus", "fs", "irq", "sys" };
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	check("sys", mount("sysfs", "/sys", "sysfs",
	                   FLAG_RDONLY | FLAG_NOSUID | FLAG_NODEV | FLAG_NOEXEC, NULL));
	check("/proc", chdir("/proc"));
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		(void)mount("/dev/null", files[i], NULL, FLAG_BIND, NULL);
	(void)mount("/sys/fs/cgroup", "acpi", NULL, FLAG_BIND, NULL);
	(void)mount("/sys/fs/cgroup", "/sys/firmware", NULL, FLAG_BIND, NULL);
	for (size_t i = 0; i < sizeof(read_only) / sizeof(*read_only); i++) {
		int tree = (int)check(read_only[i], syscall(SYS_open_tree, AT_FDCWD, read_only[i],
		                                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));

		check(read_only[i],
		      syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
		check(read_only[i], syscall(SYS_move_mount, tree, "", AT_FDCWD, read_only[i],
		                            MOVE_MOUNT_F_EMPTY_PATH));
		close(tree);
	}
	check("/", chdir("/"));
}

/* Docker's default capabilities, no new ones, and the filter. */
static inline void raw_confine(void)
{
	const uint64_t kept = 0xa80425fb & ~(1ull << CAP_MKNOD);
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { (uint32_t)kept, (uint32_t)kept, 0 },
		                                  { 0, 0, 0 } };
	struct sock_fprog program = { seccomp_variants->length,
		                      (struct sock_filter *)(uintptr_t)seccomp_variants->program };

	check("keyring", syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL));
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!(kept & 1ull << cap))
			check("bounding set", prctl(PR_CAPBSET_DROP, cap, 0, 0, 0));
	check("capset", syscall(SYS_capset, &header, data));
	check("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	check("pdeathsig", prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
	check("seccomp", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

#endif
