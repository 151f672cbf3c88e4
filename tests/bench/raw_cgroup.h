/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A control group that lets a container use the devices of its /dev and no others, with as few
 * system calls as the kernel allows: one folder, and the shortest filter. Version 2 where it is
 * mounted at /sys/fs/cgroup, else the device controller of version 1; a machine with neither gives
 * none.
 */
#ifndef BENCH_RAW_CGROUP_H
#define BENCH_RAW_CGROUP_H

#include <linux/bpf.h>
#include <linux/sched.h>

#include "tests/bench/raw_attach.h"

struct raw_cgroup {
	char path[64]; /* "": none */
	int fd;        /* v2: its folder */
	int procs;     /* v1: the file that a process is moved by; v2: -1 */
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

static inline struct raw_cgroup raw_cgroup(struct clone_args *args)
{
	struct raw_cgroup cgroup = { "", -1, -1 };
	bool is_v2 = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;

	if (!is_v2 && access("/sys/fs/cgroup/devices/devices.list", F_OK) < 0)
		return cgroup;
	snprintf(cgroup.path, sizeof(cgroup.path), "/sys/fs/cgroup/%sstor-floor-%ld",
	         is_v2 ? "" : "devices/", (long)getpid());
	check(cgroup.path, mkdir(cgroup.path, 0755));
	cgroup.fd = (int)check(cgroup.path, open(cgroup.path, O_RDONLY | O_CLOEXEC | O_DIRECTORY));
	if (is_v2) {
		raw_filter(cgroup.fd);
		args->flags |= CLONE_INTO_CGROUP;
		args->cgroup = (unsigned)cgroup.fd;
	} else {
		raw_devices(cgroup.fd);
		cgroup.procs = (int)check("procs",
		                          openat(cgroup.fd, "cgroup.procs", O_WRONLY | O_CLOEXEC));
	}
	return cgroup;
}

/* For the process that is to be in it. */
static inline void raw_cgroup_enter(const struct raw_cgroup *cgroup)
{
	if (cgroup->procs >= 0)
		check("cgroup.procs", write(cgroup->procs, "0", 1));
}

static inline void raw_cgroup_remove(const struct raw_cgroup *cgroup)
{
	if (*cgroup->path)
		check(cgroup->path, rmdir(cgroup->path));
	close(cgroup->procs);
	close(cgroup->fd);
}

#endif
