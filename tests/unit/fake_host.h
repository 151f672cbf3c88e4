/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stand-in for stor, for unit tests that call a backend or backends/common directly: failures go
 * into a struct stor_err, programs run, progress is ignored; servers and isolated calls are
 * refused.
 */
#ifndef UNIT_FAKE_HOST_H
#define UNIT_FAKE_HOST_H

#include <stor/backend.h>

#include "core/base/err.h"

/* Also sets the `host` of backends/common. temp_file() makes its files in /tmp. */
const struct stor_host *fake_host_load(void);

/* Make progress() fail as if the user interrupted, from the given call on; 0: never. */
void fake_host_interrupt_at(unsigned call);

/* Values for a volume of this backend: defaults, with `given` ("key=value", ended by NULL; or NULL)
 * over them. Borrowed from static memory until the next call. */
const struct stor_value *fake_host_values(const struct stor_backend *backend,
                                          const char *const *given);

/* Run a command line with sh, as tests prepare their files; fails the test when it fails. */
void fake_host_sh(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
