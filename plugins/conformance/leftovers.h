/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a test's process left to the kernel when it was gone. */
#ifndef CONFORMANCE_LEFTOVERS_H
#define CONFORMANCE_LEFTOVERS_H

#include "core/base/str.h"

/* Name in `problems`, a line each, the processes (orphans of this one, which is a reaper), loop
 * devices and mounts below dir that are still there after three seconds, and end them. */
void leftovers_find(const char *dir, struct strbuf *problems);

#endif
