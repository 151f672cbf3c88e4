/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A folder for one unit test, with image files and their loop devices: scratch_setup() and
 * scratch_teardown() are cmocka fixtures, *state is a struct scratch.
 */
#ifndef UNIT_SCRATCH_H
#define UNIT_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/err.h"

struct scratch {
	char dir[40]; /* absolute; also where the test's mount namespace can mount things */
	int fd;
};

/* Makes the folder of one test: in TMPDIR, where tests/run looks for what a test left. */
void scratch_make_dir(char *dir, size_t size);

/* Also moves the process into a mount namespace of its own, loads the fake host, and points
 * STOR_MODULES to the build's modules. */
int scratch_setup(void **state);
/* Fails the test when a loop device still has a file in the folder after three seconds. */
int scratch_teardown(void **state);

/* The number of a loop device that is on a file below the folder; -1: none. */
int scratch_loop_below(const char *folder);
/* The same after a while: whoever looks at devices as they come and go may have it open for a
 * moment longer. */
int scratch_wait_no_loop(const char *folder);

/* A loop device on dir/NAME, locked as the loop backend locks it. Fails the test when it cannot. */
int scratch_loop(const struct scratch *scratch, const char *name, bool read_only);

/* Mounts the detached mount at dir/mnt and returns its line of /proc/self/mountinfo (static). */
const char *scratch_mountinfo(const struct scratch *scratch, int mount_fd);
void scratch_unmount(const struct scratch *scratch);

/* A user namespace that maps its 0..65535 to 100000.. of this one. */
int scratch_userns(void);

#endif
