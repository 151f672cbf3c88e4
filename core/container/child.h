/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The container's first process, from clone to exec. It shares its parent's memory, so everything
 * here works with raw system calls, on its own stack, and allocates nothing. Each step returns 0,
 * or -1 after filling the report.
 */
#ifndef CONTAINER_CHILD_H
#define CONTAINER_CHILD_H

#include "core/container/plan.h"
#include "core/container/report.h"

struct child {
	const struct plan *plan;
	struct report *report;
	struct user_ids *ids; /* the parent's memory: too large for the stack */
	char *home;           /* plan->home */
	int root_fd;          /* O_PATH on the root, once it is entered */
	int old_fd;           /* a folder of the host's tree that is about to go; -1 otherwise */
	char note[96];        /* lines for the container's record, where it outlives stor */
	size_t note_bytes;
};

/* Entry for clone(); arg is a struct child. Does not return. */
int child_main(void *arg);

/* The same for a process that joins a container (exec.c). Does not return. */
void child_join_main(struct child *child);

/* Fill the report and return -1. detail may be NULL. */
int child_fail(struct child *child, enum report_step step, int errnum, const char *detail);

/* child_root.c: make the root this process's own, with the host's tree still stacked on it, which
 * child_leave_host() takes away. */
int child_enter_root(struct child *child);
int child_leave_host(struct child *child);
int child_seal_root(struct child *child);

/* child_system.c: /proc, /sys and what is masked in them; child_dev.c: /dev. */
int child_mount_system(struct child *child);
int child_mount_dev(struct child *child);
/* Make sure that "proc", "sys" or "dev" is a directory in the root and go there. */
int child_enter_system_dir(struct child *child, const char *name);

/* child_cgroup.c: join the container's cgroup and make it the root of a cgroup namespace; mount it
 * at /sys/fs/cgroup; make the devices that were asked for, on /dev. */
int child_join_cgroup(struct child *child);
int child_mount_cgroup(struct child *child);
int child_make_devices(struct child *child);

/* child_mounts.c: the user's mounts, and the working directory. */
int child_mount_all(struct child *child);
int child_enter_workdir(struct child *child);

/* child_note.c: where the plan has a record: find out who this process is, as the host counts;
 * write that down; and then no longer die with the parent. */
int child_know_itself(struct child *child);
int child_note_running(struct child *child);
int child_outlive_parent(struct child *child);

/* child_tty.c: a terminal of its own as standard input, output and error; or stor's. */
int child_take_stdio(struct child *child);

/* child_creds.c: limits, user, capabilities, no_new_privs. child_seccomp() is the last step. */
int child_drop_privileges(struct child *child);
int child_seccomp(struct child *child);

/* child_exec.c: refuse a command that is stor's own executable, which the kernel would then show to
 * whatever the root has as its dynamic linker. Looks with all privileges. */
int child_check_command(struct child *child);

/* Returns only to say why it failed. */
int child_exec(struct child *child);

#endif
