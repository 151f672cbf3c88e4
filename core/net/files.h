/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names inside containers: the files that are mounted on /etc/hosts and /etc/resolv.conf. The
 * containers of a bridge share one hosts file, hosts/BRIDGE, with a line for each of them; those
 * with more than that network have files/ID.hosts, into which the lines of their bridges are
 * copied. As they are mounted, they are changed in place: by one write, whose end is padded when
 * the text got shorter, so that a reader sees the old text or the new.
 */
#ifndef NET_FILES_H
#define NET_FILES_H

#include "core/net/lease.h"

/* Add a container's line to a bridge's hosts, or take it away; under net_state_lock(). `names` are
 * words, the first of which is the container's id. */
int net_hosts_add(struct net_state *state, const char *bridge, const struct net_address *addresses,
                  const char *names, struct stor_err *err);
void net_hosts_remove(struct net_state *state, const char *bridge, const char *id);
/* Take a container out of every bridge's hosts. */
void net_hosts_remove_all(struct net_state *state, const char *id);

/* Make files/ID.hosts: `own` lines, then those of the bridges; under the lock where there are any.
 */
int net_hosts_make(struct net_state *state, const char *id, const char *own,
                   const struct strv *bridges, struct stor_err *err);

/* Absolute paths; malloc'ed. */
char *net_hosts_path(struct net_state *state, const char *bridge);
char *net_files_path(struct net_state *state, const char *id, const char *kind);

/*
 * Which resolv.conf a container shall have: that of the host, or, where the lists say something or
 * the host's names resolvers on its loopback, files/ID.resolv, made of the real upstream's. *path
 * is absolute and malloc'ed; NULL: the host has none, and nothing was asked for.
 */
int net_resolv_make(struct net_state *state, const char *id, bool shares_host,
                    const struct strv *dns, const struct strv *search, char **path,
                    struct stor_err *err);

/* Remove the files of one container. */
void net_files_remove(struct net_state *state, const char *id);

#endif
