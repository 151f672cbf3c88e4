/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's services, for the code that backends share and for the backends that use it. */
#ifndef COMMON_HOST_H
#define COMMON_HOST_H

#include <stor/backend.h>

/* Set by host_load(); valid in every later callback. */
extern const struct stor_host *host;

/* A ready-made `load` callback. */
int host_load(const struct stor_host *services, struct stor_err *err);

#endif
