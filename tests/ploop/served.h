/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images of ploop disks that a server serves as block devices, for tests. What fails, fails the
 * test; what would hang is killed by a guard, and fails.
 */
#ifndef TESTS_PLOOP_SERVED_H
#define TESTS_PLOOP_SERVED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <stor/backend.h>

#include "ploop/engine.h"
#include "ploop/file.h"
#include "tests/unit/scratch.h"

#define SERVED_BYTES (UINT64_C(256) << 20)
#define SERVED_CLUSTER_BYTES (256 * 1024u)

/* One attached image. */
struct served {
	struct stor_attachment attachment;
	char device[32];
	pid_t watcher, server;
	int guard_fd; /* closed: the guard may go */
	pid_t guard;
};

/* Where the images are: the folder of the test. */
extern struct ploop_dir *served_dir;

/* Fixtures of cmocka; *state is a struct scratch. */
int served_setup(void **state);
int served_teardown(void **state);

/* An empty image of SERVED_BYTES. */
void served_make_image(const char *name);
/* 0 or a negative errno value. */
int served_open_image(const char *name, unsigned flags, struct ploop_link *link);
/* The in-use mark in the image's header. */
uint32_t served_mark(const struct scratch *scratch, const char *name);

/* From now on FUSE over io_uring is on, and has to be used, until this process ends. False: the
 * kernel has none. */
bool served_use_uring(void);

/* Attaches a chain, base first, whose files are taken over. */
void served_begin(struct served *served, const struct ploop_link *links, unsigned count,
                  bool read_only);
void served_begin_one(struct served *served, const char *name, bool read_only);
/* The last user has gone: both processes end, and the device is free. */
void served_end(struct served *served);

void served_mkfs(const struct served *served);
/* Mounts it at mnt; the mount then keeps the device. */
void served_mount(const struct scratch *scratch, struct served *served);
/* Bytes in clusters, as the server tells. */
uint64_t served_allocated(const struct served *served);

/* The number that a command of the shell prints first. */
__attribute__((format(printf, 1, 2))) pid_t served_number(const char *command, ...);

#endif
