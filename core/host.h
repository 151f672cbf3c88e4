/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The services that need a process of their own, as host.c puts them into the backends' table. */
#ifndef CORE_HOST_H
#define CORE_HOST_H

#include <stor/backend.h>

#include "core/cgroup/cgroup.h"

/* Let servers be born in the leaf for them of this cgroup, which outlives that, until another one
 * or NULL is said. */
void host_put_servers_into(struct cgroup *cgroup);

/* See struct stor_server_req. The server is nobody's child: no zombie of it stays here. */
int host_spawn_server(const struct stor_server_req *req, struct stor_server *server,
                      struct stor_err *err);

/* See struct stor_call_req. The child dies with this process. */
int host_call_isolated(const struct stor_call_req *req, struct stor_err *err);

/* Make `ps` show `title`, which need not fit where the arguments lie: their memory stays as it is.
 * The short name (15 bytes) is the title's first word. */
void host_set_title(const char *title);

#endif
