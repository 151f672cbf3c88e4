/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking for damage in one image file, and mending it. */
#ifndef PLOOP_CHECK_H
#define PLOOP_CHECK_H

#include <stdbool.h>

#include <stor/backend.h>

#include "ploop/file.h"

struct ploop_check {
	stor_emit_fn emit; /* findings: key "error", "warning", "repaired" or "note" */
	void *ctx;
	bool repair; /* otherwise nothing is written */
	/* Counted for the verdict. */
	unsigned damaged, repaired;
};

/*
 * Header, flags, mark, extension, and every slot: range, alignment, clusters that two slots point
 * to, clusters that none does, a file that ends within a cluster. `name` is for the findings. With
 * `repair` the file must be open for writing; what cannot be mended leaves the in-use mark set.
 * Returns 0 when the check could be done.
 */
int ploop_check_image(struct ploop_file *file, const char *name, struct ploop_check *check,
                      struct stor_err *err);

/* Emit a finding: printf-like. Returns what emit returned. */
int ploop_check_say(struct ploop_check *check, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

enum stor_verdict ploop_check_verdict(const struct ploop_check *check);

#endif
