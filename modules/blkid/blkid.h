/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Internal module `blkid`: what is on a device that stor does not mount, for the message. */
#ifndef MODULES_BLKID_H
#define MODULES_BLKID_H

#include <stddef.h>

#include "core/base/err.h"

struct blkid_module {
	const char *version; /* of stor: core/module.h compares it */
	/* Puts "swap", "crypto_LUKS", "dos partition table", … into `what`; empty when nothing is
	 * recognised. */
	int (*identify)(int fd, char *what, size_t size, struct stor_err *err);
};

#endif
