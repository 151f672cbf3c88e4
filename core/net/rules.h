/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address translation: one table of our own, `inet stor`, which is made anew, in one transaction,
 * from what bridges/ and publish/ say, and goes with the last of them. Nothing else of the ruleset
 * is touched, but for Docker's chain where a bridge asks for it.
 */
#ifndef NET_RULES_H
#define NET_RULES_H

#include "core/net/lease.h"

/* A port of the host that leads to a container. */
struct net_port {
	bool is_udp;
	struct net_address from; /* of the host; family 0: all of its addresses */
	uint16_t from_port;
	uint16_t to_port;
};

/* Write publish/ID: the container's ports lead to its addresses; `end` is the bridge, or the host's
 * end of the pair, that it is reached by. */
int net_publish(struct net_state *state, const char *id, const char *end,
                const struct net_address *to, const struct net_port *ports, size_t count,
                struct stor_err *err);
/* Remove it. Whether there was one: then net_rules_apply() is due. */
bool net_unpublish(struct net_state *state, const char *id);

/* Make the table what the folders say; under net_state_lock(). */
int net_rules_apply(struct net_state *state, struct stor_err *err);

/* May there be a table? A file, "rules", says so while there is, for one that was killed on the
 * way. */
bool net_rules_may_exist(struct net_state *state);

/*
 * Look for chains of others that drop forwarded packets. With docker_user, let the bridge's pass in
 * Docker's chain; else warn, naming the chain and the rule that would help.
 */
int net_rules_open_forward(const char *bridge, bool docker_user, struct stor_err *err);
/* Take that back, for every bridge that is going and asked for it. */
int net_rules_close_forward(struct net_state *state, struct stor_err *err);

#endif
