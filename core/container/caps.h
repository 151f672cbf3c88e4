/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capabilities by name, as sets of bits: bit N is capability N of <linux/capability.h>. */
#ifndef CONTAINER_CAPS_H
#define CONTAINER_CAPS_H

#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"

/* Bits of the capabilities that stor knows by name. */
#define CAPS_ALL ((UINT64_C(1) << 41) - 1)
#define CAPS_BIT(cap) (UINT64_C(1) << (cap))
/* With these a container could make a device node, or mount a filesystem that has some. */
#define CAPS_FOR_DEVICES (CAPS_BIT(CAP_MKNOD) | CAPS_BIT(CAP_SYS_ADMIN))

/* What a container has unless told otherwise: Docker's set without MKNOD and AUDIT_WRITE. */
uint64_t caps_default(void);

/* Number of "CHOWN", "cap_chown", …; -1: unknown. */
int caps_from_name(const char *name);

/* "CHOWN" for a number; NULL: unknown. */
const char *caps_name(int cap);

/* The default set with --cap-add and --cap-drop applied as Docker does: ALL stands for every
 * capability in stor's own bounding set, and a single name beats the other list's ALL. STOR_USAGE
 * for an unknown name; STOR_UNSUPPORTED for one that is not in that set. */
int caps_resolve(const struct strv *add, const struct strv *drop, uint64_t *caps,
                 struct stor_err *err);

#endif
