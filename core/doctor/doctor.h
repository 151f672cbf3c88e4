/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this machine has of all that stor can use. Each part looks at one thing after the other,
 * changes nothing, and reports what it found; nothing that is missing stops it.
 */
#ifndef CORE_DOCTOR_H
#define CORE_DOCTOR_H

#include "core/base/err.h"
#include "core/store.h"

enum doctor_status {
	DOCTOR_OK,
	DOCTOR_LIMITED, /* containers run, but something named cannot be used */
	DOCTOR_MISSING  /* no container runs without it */
};

struct doctor_finding {
	const char *area; /* "kernel" */
	const char *what; /* "overlay filesystem"; unique within its area */
	enum doctor_status status;
	const char *detail; /* what was found, or what it is needed for */
	const char *remedy; /* what to do about it; NULL: nothing to do */
};

/* Takes the findings; their texts are gone afterwards. */
struct doctor {
	void (*report)(void *ctx, const struct doctor_finding *finding);
	void *ctx;
};

/* Report one finding, its detail formatted as by printf(). */
void doctor_say(const struct doctor *doctor, const char *area, const char *what,
                enum doctor_status status, const char *remedy, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* System calls, filesystems, namespaces. */
void doctor_kernel(const struct doctor *doctor);
/* What this process may: capabilities, limits. */
void doctor_privileges(const struct doctor *doctor);
/* Controllers and where they live. */
void doctor_cgroups(const struct doctor *doctor);
/* Forwarding, names. */
void doctor_network(const struct doctor *doctor);
/* The filesystem of the store, which need not exist. */
void doctor_store(const struct doctor *doctor, const struct store *store);
/* Modules that load, and what backends say of the machine. */
void doctor_modules(const struct doctor *doctor);

#endif
