/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Detached containers whose monitor was killed. */
#ifndef CORE_CMD_ADOPT_H
#define CORE_CMD_ADOPT_H

#include "core/store.h"

/*
 * Give container `id`, or every one (NULL) whose monitor is dead while its first process lives, a
 * new monitor, with a word on standard error. What fails is tried again by the next command. For
 * struct store's adopt.
 */
void adopt_containers(struct store *store, const char *id);

#endif
