/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing zeros over what a file has no blocks for, or blocks never written. */
#ifndef PLOOP_SEAL_H
#define PLOOP_SEAL_H

#include <stor/backend.h>

#include "ploop/file.h"

/* All of the file, with progress; durable when it returns. `name` is for messages. */
int ploop_seal_all(struct ploop_file *file, const char *name, struct stor_err *err);

#endif
