/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a backend's table must be before anything in it is used: only backend_load.c asks. */
#ifndef CORE_BACKEND_CHECK_H
#define CORE_BACKEND_CHECK_H

#include "core/backend.h"

/* The stamps of a table as the plugin returned it, before it is copied: kind, version, size.
 * `file` is for messages. STOR_UNSUPPORTED with the reason. */
int backend_check_header(const struct stor_backend *table, const char *file, struct stor_err *err);

/* The host's copy: mandatory members, the name, the parameter table, callbacks that go together. */
int backend_check_table(const struct backend *backend, struct stor_err *err);

/* Have the parameter table with entries as large as this stor's: copied, where they are not. */
int params_take_table(struct backend *backend, struct stor_err *err);

/* The parameter table alone. */
int params_check_table(const struct backend *backend, struct stor_err *err);

#endif
