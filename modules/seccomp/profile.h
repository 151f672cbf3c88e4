/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The default system call profile as a table: an allow list like Docker's. What is on no list is
 * answered EPERM; what is newer than everything on the lists, and clone3, ENOSYS, so that programs
 * fall back to older calls.
 */
#ifndef SECCOMP_PROFILE_H
#define SECCOMP_PROFILE_H

#include <seccomp.h>
#include <stdint.h>

struct profile_rule {
	uint32_t action;
	const char *names;    /* separated by spaces; those unknown to libseccomp are passed over */
	uint64_t needs_caps;  /* applies when any of these is given; 0: always */
	uint64_t unless_caps; /* does not apply when any of these is given */
	unsigned arg_count;   /* all must match */
	struct scmp_arg_cmp args[1];
};

/* Ended by null names. */
extern const struct profile_rule profile_rules[];

#endif
