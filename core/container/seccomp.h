/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System call filters as programs ready to install. The default profile is compiled when stor is
 * built, in a few variants by capabilities; for other sets of capabilities, and for profiles of the
 * user's own, the internal module compiles at the start.
 */
#ifndef CONTAINER_SECCOMP_H
#define CONTAINER_SECCOMP_H

#include <linux/filter.h>
#include <stdint.h>

#include "core/base/err.h"

/* profile: NULL for the default one, "unconfined" (an empty program), or a file in Docker's JSON
 * form. caps as of config.h. *owned is what the caller frees afterwards, or NULL. */
int seccomp_select(const char *profile, uint64_t caps, struct sock_fprog *program,
                   struct sock_filter **owned, struct stor_err *err);

/* --- the generated variants (built by seccomp/generate.c) ---------------------------------- */

struct seccomp_variant {
	uint64_t caps; /* those of SECCOMP_CAPS that this variant is for */
	unsigned short length;
	const struct sock_filter *program;
};

/* Capabilities that make a difference to the default profile. */
extern const uint64_t seccomp_relevant_caps;
extern const struct seccomp_variant seccomp_variants[]; /* ended by length 0 */

/* --- the internal module ------------------------------------------------------------------- */

struct seccomp_module {
	const char *version;
	/* Compile the default profile for these capabilities. *program is malloc'ed. */
	int (*compile_default)(uint64_t caps, struct sock_filter **program, unsigned short *length,
	                       struct stor_err *err);
	/* Compile a profile in Docker's JSON form. `path` names it in messages. */
	int (*compile_json)(const char *text, const char *path, uint64_t caps,
	                    struct sock_filter **program, unsigned short *length,
	                    struct stor_err *err);
};

#endif
