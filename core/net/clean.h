/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking back what the kernel does not take back by itself when a container has ended. */
#ifndef NET_CLEAN_H
#define NET_CLEAN_H

#include "core/net/lease.h"

/*
 * A container that had a network has ended: take its leases, ports, lines in hosts files and files
 * back, and with the last user of a bridge the bridge and its rules. The link of the bridge goes a
 * moment later, by a process of its own. shares: it was on a bridge, or published ports. A
 * container whose network others share keeps its addresses until the next net_sweep() finds that
 * its interfaces are gone. Everything is tried; the first failure is reported.
 */
int net_release(struct net_state *state, const char *user, bool shares, struct stor_err *err);

/* While a dead container has the address: wait until its interfaces are gone, at most a second, and
 * take it back. Not under the lock. */
void net_wait_for_dead(struct net_state *state, const char *net, const struct net_address *address);

/* Do what net_release() does for the containers of dead stor processes whose interfaces are gone,
 * and remove bridges that are on their way out. As store_collect(). */
int net_sweep(struct store *store, const struct sweep_opts *opts, struct stor_err *err);

#endif
