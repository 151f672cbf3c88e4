/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bridges that several containers share. One that stor makes has a record, bridges/NAME, with the
 * keys gateway and gateway6 (its addresses), nat (yes|no) and firewall (docker-user); it goes with
 * its last user. One that is there already is used as it is, and stays.
 */
#ifndef NET_BRIDGE_H
#define NET_BRIDGE_H

#include "core/base/record.h"
#include "core/net/lease.h"
#include "core/net/module.h"

struct net_bridge {
	const char *name;                         /* borrowed */
	struct net_address gateway[NET_FAMILIES]; /* wanted; then what it has */
	bool no_nat, docker_user, may_forward;    /* wanted */
	bool is_ours;                             /* stor made it */
	bool rules_changed;                       /* net_rules_apply() is due */
};

/*
 * Find the bridge, or make it; under net_state_lock(), by a user who has a lease named after it
 * already, or takes one before the lock is given up. STOR_BUSY: it exists with another address.
 */
int net_bridge_join(struct net_state *state, const struct net_veth_module *veth,
                    struct net_bridge *bridge, struct stor_err *err);

/* After a lease was given up, under the lock: a bridge of ours that nobody uses any more is marked
 * as going. Returns whether it is, so that rules are to be made anew. */
bool net_bridge_leave(struct net_state *state, const char *name);

/* Remove the links of bridges that are going; under the lock. It takes tens of milliseconds. */
int net_bridge_remove_going(struct net_state *state, struct stor_err *err);

/* Let a process of its own do that, which holds lock_fd (taken) as long as it takes. */
void net_bridge_remove_later(struct net_state *state, int *lock_fd);

/* Is any bridge on its way out? */
bool net_bridge_is_going(struct net_state *state);

/* Names of the bridges that stor made. */
int net_bridge_list(struct net_state *state, struct strv *names, struct stor_err *err);
int net_bridge_load(struct net_state *state, const char *name, struct record *record,
                    struct stor_err *err);

/* Does the host forward packets of the family? forward.c; `enable` switches it on. */
int net_forward_check(bool enable, struct stor_err *err);
bool net_forward_is_on(enum net_family family);
/* Does the host speak IPv6? */
bool net_has_ip6(void);
/* Write a value below /proc/sys/net. 0, or -1 with errno. */
int net_sysctl_write(const char *name, const char *value);

#endif
