/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making a filter short: the kernel translates it to machine code at every start of a container. */
#ifndef SECCOMP_SHRINK_H
#define SECCOMP_SHRINK_H

#include <linux/filter.h>
#include <stdint.h>

/*
 * Write a filter anew, with the same verdict on every call: a search tree of ranges of call numbers
 * for each architecture, and what looks at arguments as it was. One that is no shorter then, or
 * that does with numbers what libseccomp does not, stays as it is. *length: instructions. arches:
 * the AUDIT_ARCH_* that the filter tells apart.
 */
void shrink_filter(struct sock_filter *program, unsigned short *length, const uint32_t *arches,
                   unsigned arch_count);

#endif
