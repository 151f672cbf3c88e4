/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which containers stor ps chooses. */
#ifndef CORE_CMD_PS_H
#define CORE_CMD_PS_H

#include "core/base/err.h"
#include "core/base/record.h"
#include "core/base/str.h"

/* Is it KEY=VALUE with a known key, and a value of its kind? STOR_USAGE. */
int ps_filter_check(const char *text, struct stor_err *err);

/* Does the container pass? Filters with the same key say "or", others "and". */
bool ps_filter_passes(const struct strv *filters, const char *id, const struct record *record);

#endif
