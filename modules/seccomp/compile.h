/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compiling profiles with libseccomp: when stor is built (generate.c), and at a start (module.c).
 */
#ifndef SECCOMP_COMPILE_H
#define SECCOMP_COMPILE_H

#include <linux/filter.h>
#include <seccomp.h>
#include <stdbool.h>

#include "core/base/err.h"

/* A profile being built: this machine's own calls and its 32-bit ones. */
struct compiler {
	scmp_filter_ctx ctx;
	uint32_t default_action;
	uint32_t arches[2]; /* tokens, also AUDIT_ARCH_* values */
	unsigned arch_count;
	int newest[2]; /* the largest call number named so far, per architecture */
};

/* Token of the 32-bit architecture that this machine's kernel runs beside its own; 0: none known.
 */
uint32_t compiler_narrow_arch(void);

int compiler_begin(struct compiler *c, uint32_t default_action, bool with_32_bit,
                   struct stor_err *err);
void compiler_end(struct compiler *c);

/* Add one call's rule; a name that libseccomp or the architecture does not have is passed over. */
int compiler_add(struct compiler *c, uint32_t action, const char *name,
                 const struct scmp_arg_cmp *args, unsigned arg_count, struct stor_err *err);

/* The finished program, malloc'ed. newer_enosys: calls beyond the newest named answer ENOSYS. */
int compiler_finish(struct compiler *c, bool newer_enosys, struct sock_filter **program,
                    unsigned short *length, struct stor_err *err);

/* The default profile. */
int compile_default(uint64_t caps, struct sock_filter **program, unsigned short *length,
                    struct stor_err *err);

/* A profile in Docker's JSON form: json.c. */
int compile_json(const char *text, const char *path, uint64_t caps, struct sock_filter **program,
                 unsigned short *length, struct stor_err *err);

#endif
