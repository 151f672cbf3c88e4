/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which hierarchies of cgroups this machine has mounted, and which controller lives where: all in
 * one of version 2, each in one of version 1, or some in either (hybrid). */
#ifndef CORE_CGROUP_MACHINE_H
#define CORE_CGROUP_MACHINE_H

#include "core/cgroup/module.h"

/* What makes the hierarchy of version 1 that has the name of a service manager. */
#define CGROUP_SYSTEMD_MOUNT "/sys/fs/cgroup/systemd"
#define CGROUP_SYSTEMD_REMEDY "mount -t cgroup -o none,name=systemd systemd " CGROUP_SYSTEMD_MOUNT

#define CGROUP_HIERARCHIES_MAX 16

struct cgroup_hierarchy {
	char *mount; /* absolute */
	bool is_v2;
	/* Of version 2: those that its root has, and the devices and the freezer that it has
	 * without such names, unless they live in version 1. */
	uint32_t controllers;
};

struct cgroup_machine {
	struct cgroup_hierarchy items[CGROUP_HIERARCHIES_MAX];
	size_t count;
};

/* Look at the mounts. *machine is empty where there are none. `for_devices`: it may hold no more
 * than the hierarchy with that controller, which is quick to find in its usual place. */
int cgroup_machine_find(struct cgroup_machine *machine, bool for_devices, struct stor_err *err);
/* The same, of a text like /proc/self/mountinfo. */
void cgroup_machine_parse(struct cgroup_machine *machine, const char *mountinfo);
void cgroup_machine_free(struct cgroup_machine *machine);

/* The hierarchy where a controller lives, or NULL. */
const struct cgroup_hierarchy *cgroup_machine_home(const struct cgroup_machine *machine,
                                                   uint32_t controller);

/* Does anything heed weights: BFQ as the scheduler of any disk, or iocost? The kernel takes them
 * anyway. */
bool cgroup_machine_weighs_io(void);

/* Controllers among words that spaces, commas or the end part. */
uint32_t cgroup_controllers_of(const char *words);
/* As the kernel calls it: "memory". */
const char *cgroup_controller_name(uint32_t controller);

#endif
