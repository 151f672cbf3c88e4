/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signals and waiting times as users write them. */
#ifndef CORE_SIGNALS_H
#define CORE_SIGNALS_H

#include <stdint.h>

#include "core/base/err.h"

/* Number of "TERM", "SIGTERM", "RTMIN+3", "15"; -1: none. */
int signal_parse(const char *text);

/* Seconds; -1: for ever. STOR_USAGE. */
int signal_parse_timeout(const char *option, const char *value, int64_t *seconds,
                         struct stor_err *err);

#endif
