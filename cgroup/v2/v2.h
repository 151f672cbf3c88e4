/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the cgroup module v2. */
#ifndef CGROUP_V2_H
#define CGROUP_V2_H

#include <linux/bpf.h>

#include "core/cgroup/module.h"

/* struct cgroup_module's read. */
void v2_read(const struct cgroup_dir *dir, struct cgroup_stats *stats);
uint64_t v2_oom_kills(const struct cgroup_dir *dir);

/* Most instructions that v2_device_program() writes for so many devices. */
#define V2_PROGRAM_LENGTH(count) (6 + 8 * (count) + 2)

/*
 * Assemble the program that the kernel asks for each use of a device (BPF_PROG_TYPE_CGROUP_DEVICE):
 * it allows what one of the devices allows. Returns the number of instructions.
 */
size_t v2_device_program(const struct cgroup_device *devices, size_t count,
                         struct bpf_insn *program);

/* Load that program and attach it to the cgroup, which it goes away with. */
int v2_filter_devices(const struct cgroup_dir *dir, const struct cgroup_device *devices,
                      size_t count, struct stor_err *err);

#endif
