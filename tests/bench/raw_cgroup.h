/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A control group that lets a container use the devices of its /dev and no others, and with limits
 * as much of a processor, memory and processes as tests/bench/network says, with as few system
 * calls as the kernel allows: one folder for each hierarchy, the shortest filter, and a view of the
 * limits inside. Version 2 where it is mounted at /sys/fs/cgroup, else the controllers of version
 * 1; a machine with neither gives none.
 */
#ifndef BENCH_RAW_CGROUP_H
#define BENCH_RAW_CGROUP_H

#include <linux/bpf.h>
#include <linux/sched.h>

#include "tests/bench/raw_system.h"

#define RAW_HIERARCHIES 4

/* As LIMITS of tests/bench/network. */
#define RAW_CPU_US "100000"
#define RAW_MEMORY "67108864"
#define RAW_PIDS "50"

struct raw_cgroup {
	const char *names[RAW_HIERARCHIES]; /* v1: of the hierarchies */
	char paths[RAW_HIERARCHIES][64];
	int fds[RAW_HIERARCHIES];   /* their folders */
	int tasks[RAW_HIERARCHIES]; /* v1: the files that a process is moved by; v2: -1 */
	size_t count;               /* 0: none */
	bool is_shown;
};

/* Device nodes may be made; those of major numbers 1, 5 and 136 may be used. */
static inline void raw_filter(int cgroup)
{
	struct bpf_insn program[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = 0 },
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 3, .src_reg = 1, .off = 4 },
		{ .code = BPF_ALU | BPF_RSH | BPF_K, .dst_reg = 2, .imm = 16 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K,
		  .dst_reg = 2,
		  .off = 4,
		  .imm = BPF_DEVCG_ACC_MKNOD },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 3, .off = 3, .imm = 1 },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 3, .off = 2, .imm = 5 },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 3, .off = 1, .imm = 136 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		                .insns = (uintptr_t)program,
		                .insn_cnt = sizeof(program) / sizeof(*program),
		                .license = (uintptr_t) "" };
	int fd = (int)check("filter", syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));

	attr = (union bpf_attr){ .target_fd = (unsigned)cgroup,
		                 .attach_bpf_fd = (unsigned)fd,
		                 .attach_type = BPF_CGROUP_DEVICE,
		                 .attach_flags = BPF_F_ALLOW_MULTI };
	check("filter", syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)));
	close(fd);
}

static inline void raw_devices(int cgroup)
{
	static const char *const rules[] = { "c *:* m", "b *:* m", "c 1:* rwm", "c 5:* rwm",
		                             "c 136:* rwm" };
	int fd = (int)check("deny", openat(cgroup, "devices.deny", O_WRONLY | O_CLOEXEC));

	check("deny", write(fd, "a", 1));
	close(fd);
	fd = (int)check("allow", openat(cgroup, "devices.allow", O_WRONLY | O_CLOEXEC));
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		check("allow", write(fd, rules[i], strlen(rules[i])));
	close(fd);
}

static inline void raw_put(int at, const char *name, const char *text)
{
	int fd = (int)check(name, openat(at, name, O_WRONLY | O_CLOEXEC));

	check(name, write(fd, text, strlen(text)));
	close(fd);
}

static inline int raw_folder(struct raw_cgroup *cgroup, const char *name)
{
	size_t i = cgroup->count++;

	cgroup->names[i] = name;
	snprintf(cgroup->paths[i], sizeof(cgroup->paths[i]), "/sys/fs/cgroup/%s%sstor-floor-%ld",
	         name, *name ? "/" : "", (long)getpid());
	check(cgroup->paths[i], mkdir(cgroup->paths[i], 0755));
	cgroup->tasks[i] = -1;
	cgroup->fds[i] = (int)check(cgroup->paths[i],
	                            open(cgroup->paths[i], O_RDONLY | O_CLOEXEC | O_DIRECTORY));
	if (*name)
		cgroup->tasks[i] =
			(int)check("tasks", openat(cgroup->fds[i], "tasks", O_WRONLY | O_CLOEXEC));
	return cgroup->fds[i];
}

static inline void raw_v2(struct raw_cgroup *cgroup, bool limits, struct clone_args *args)
{
	int at;

	if (limits) {
		int root = (int)check("root", open("/sys/fs/cgroup", O_RDONLY | O_CLOEXEC));

		raw_put(root, "cgroup.subtree_control", "+cpu +memory +pids");
		close(root);
	}
	at = raw_folder(cgroup, "");
	raw_filter(at);
	if (limits) {
		raw_put(at, "cpu.max", RAW_CPU_US " 100000");
		raw_put(at, "memory.max", RAW_MEMORY);
		raw_put(at, "pids.max", RAW_PIDS);
	}
	args->flags |= CLONE_INTO_CGROUP;
	args->cgroup = (unsigned)at;
}

static inline void raw_v1(struct raw_cgroup *cgroup, bool limits)
{
	int at;

	raw_devices(raw_folder(cgroup, "devices"));
	if (!limits)
		return;
	at = raw_folder(cgroup, "cpu");
	raw_put(at, "cpu.cfs_period_us", "100000");
	raw_put(at, "cpu.cfs_quota_us", RAW_CPU_US);
	raw_put(raw_folder(cgroup, "memory"), "memory.limit_in_bytes", RAW_MEMORY);
	raw_put(raw_folder(cgroup, "pids"), "pids.max", RAW_PIDS);
}

static inline struct raw_cgroup raw_cgroup(bool limits, struct clone_args *args)
{
	struct raw_cgroup cgroup = { .is_shown = limits };

	/* The namespace's root is where the process is when it makes one. */
	args->flags &= ~(uint64_t)CLONE_NEWCGROUP;
	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0)
		raw_v2(&cgroup, limits, args);
	else if (access("/sys/fs/cgroup/devices/devices.list", F_OK) == 0)
		raw_v1(&cgroup, limits);
	return cgroup;
}

/* For the process that is to be in it. */
static inline void raw_cgroup_enter(const struct raw_cgroup *cgroup)
{
	for (size_t i = 0; i < cgroup->count; i++)
		if (cgroup->tasks[i] >= 0)
			check("tasks", write(cgroup->tasks[i], "0", 1));
	check("cgroup namespace", unshare(CLONE_NEWCGROUP));
}

/* In the container, once it has /sys. */
static inline void raw_cgroup_show(const struct raw_cgroup *cgroup)
{
	const unsigned long flags = FLAG_NOSUID | FLAG_NODEV | FLAG_NOEXEC | FLAG_RDONLY;

	if (!cgroup->is_shown || !cgroup->count)
		return;
	if (cgroup->tasks[0] < 0) {
		check("cgroup2", mount("cgroup2", "/sys/fs/cgroup", "cgroup2", flags, NULL));
		return;
	}
	check("tmpfs", mount("tmpfs", "/sys/fs/cgroup", "tmpfs", flags & ~FLAG_RDONLY, NULL));
	check("cgroup", chdir("/sys/fs/cgroup"));
	for (size_t i = 0; i < cgroup->count; i++) {
		check("cgroup", mkdir(cgroup->names[i], 0755));
		check("cgroup",
		      mount("cgroup", cgroup->names[i], "cgroup", flags, cgroup->names[i]));
	}
	check("cgroup", chdir("/"));
}

static inline void raw_cgroup_remove(const struct raw_cgroup *cgroup)
{
	for (size_t i = 0; i < cgroup->count; i++) {
		check(cgroup->paths[i], rmdir(cgroup->paths[i]));
		close(cgroup->tasks[i]);
		close(cgroup->fds[i]);
	}
}

#endif
