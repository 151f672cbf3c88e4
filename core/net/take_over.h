/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's network goes over from a dead stor process to one that took the container over. */
#ifndef NET_TAKE_OVER_H
#define NET_TAKE_OVER_H

#include "core/net/lease.h"

/* What the process `dead` had as a user is `own`'s: both "PID.START". */
void net_user_take_over(struct net_state *state, const char *dead, const char *own);

#endif
