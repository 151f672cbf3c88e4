/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Times that users give. */
#ifndef CORE_CMD_TIME_H
#define CORE_CMD_TIME_H

#include "core/base/err.h"
#include "core/container_log.h"

/* An option's value: so long ago (90s, 10m, 2h, 1d), seconds since the epoch, or a date in UTC or
 * a beginning of one. time (LOG_TIME_MAX bytes) gets it in the form of logs. */
int option_time(const char *option, const char *value, char *time, struct stor_err *err);

#endif
