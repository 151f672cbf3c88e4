/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stor's own executable, out of the reach of a container. Until its command is executed, the
 * container's first process shows stor as /proc/self/exe. A command that leads there is refused,
 * but where somebody else can write to what the command's path goes through, it may lead there only
 * after it was looked at.
 */
#ifndef CONTAINER_SEAL_H
#define CONTAINER_SEAL_H

#include "core/container/config.h"

/*
 * Where the configuration has such places, make sure that this program is executed from a read-only
 * mount of its file: when it is not yet, it is executed again from one that nobody else sees, and
 * this does not return. The environment then says where its modules are. With --init nothing is
 * done: the reaper, which executes the command, lies on such a mount.
 */
int seal_program(const struct container_config *config, struct stor_err *err);

/* The same for a process that joins a container, where others see it. */
int seal_program_always(struct stor_err *err);

#endif
