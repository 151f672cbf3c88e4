/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridges that several containers share: see bridge.h. */
#include "core/net/bridge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/fs.h"
#include "core/module.h"

/* Bridges whose network is not told get the first free one of these, looking from a place that
 * depends on their name. */
#define POOL_NETWORKS 256

static char *record_path(const char *folder, const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

int net_bridge_load(struct net_state *state, const char *name, struct record *record,
                    struct stor_err *err)
{
	cleanup_free char *path = record_path("bridges", name);

	return record_load(record, state->fd, path, err);
}

int net_bridge_list(struct net_state *state, struct strv *names, struct stor_err *err)
{
	return store_list(state->fd, "bridges", names, err);
}

/* One that is on its way out is taken back. Whether there is a record then. */
static bool take_back(struct net_state *state, const char *name)
{
	cleanup_free char *path = record_path("bridges", name);
	cleanup_free char *going = record_path("going", name);

	return faccessat(state->fd, path, F_OK, 0) == 0 ||
	       renameat(state->fd, going, state->fd, path) == 0;
}

static int save(struct net_state *state, const struct net_bridge *bridge, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *path = record_path("bridges", bridge->name);
	static const char *const keys[] = { "gateway", "gateway6" };
	char text[NET_ADDRESS_TEXT];

	for (int i = 0; i < NET_FAMILIES; i++)
		if (bridge->gateway[i].family)
			record_set(&record, keys[i],
			           net_address_format(&bridge->gateway[i], true, text));
	record_set(&record, "nat", bridge->no_nat ? "no" : "yes");
	if (bridge->docker_user)
		record_set(&record, "firewall", "docker-user");
	return record_save(&record, state->fd, path, false, err);
}

/* --- making ------------------------------------------------------------------------------- */

/* Network number k of the pool, as the address that the bridge takes in it. */
static struct net_address pool_gateway(enum net_family family, unsigned k)
{
	struct net_address pool;

	if (family == NET_IP4) {
		net_address_parse("10.204.0.0/24", &pool);
		pool.bytes[2] = (uint8_t)k;
	} else {
		net_address_parse("fd73:746f:7200::/64", &pool);
		pool.bytes[7] = (uint8_t)k;
	}
	return net_address_nth(&pool, 1);
}

/* 1, 0 or -1. */
static int is_pool_network_free(const struct net_veth_module *veth, unsigned k,
                                struct stor_err *err)
{
	struct net_address ip4 = pool_gateway(NET_IP4, k), ip6 = pool_gateway(NET_IP6, k);
	int routed = veth->find_route(&ip4, err);

	if (routed == 0 && net_has_ip6())
		routed = veth->find_route(&ip6, err);
	return routed < 0 ? -1 : !routed;
}

static int choose_network(const struct net_veth_module *veth, struct net_bridge *bridge,
                          struct stor_err *err)
{
	unsigned start = strcmp(bridge->name, "stor0") != 0
	                         ? (unsigned)(store_hash(bridge->name) % POOL_NETWORKS)
	                         : 0;

	for (unsigned i = 0; i < POOL_NETWORKS; i++) {
		unsigned k = (start + i) % POOL_NETWORKS;
		int is_free = is_pool_network_free(veth, k, err);

		if (is_free < 0)
			return -1;
		if (!is_free)
			continue;
		bridge->gateway[NET_IP4] = pool_gateway(NET_IP4, k);
		if (net_has_ip6())
			bridge->gateway[NET_IP6] = pool_gateway(NET_IP6, k);
		return 0;
	}
	err_fail(err, STOR_FAILED, 0, "no network of 10.204.0.0/16 is unused on this host");
	err_hint(err, "choose one: --net bridge=%s,gateway=ADDRESS/LENGTH", bridge->name);
	return -1;
}

static int make(struct net_state *state, const struct net_veth_module *veth,
                struct net_bridge *bridge, struct stor_err *err)
{
	uint64_t hash = store_hash(bridge->name) ^ state->inode;
	uint8_t mac[NET_MAC_BYTES] = { 0x02, 0x73, 0x74, 0, 0, 0 };
	cleanup_free char *localnet = NULL;

	for (int i = 0; i < NET_FAMILIES; i++)
		if (bridge->gateway[i].family && !bridge->gateway[i].has_prefix)
			return err_fail(err, STOR_USAGE, 0,
			                "--net bridge=%s: a bridge that is to be made needs "
			                "gateway=ADDRESS/LENGTH",
			                bridge->name);
	if (!bridge->gateway[NET_IP4].family && !bridge->gateway[NET_IP6].family &&
	    choose_network(veth, bridge, err) < 0)
		return -1;
	memcpy(mac + 3, &hash, 3);
	bridge->is_ours = bridge->rules_changed = true;
	if (save(state, bridge, err) < 0)
		return -1;
	kill_point("net-bridge-recorded");
	if (veth->make_bridge(bridge->name, mac, bridge->gateway, err) < 0)
		return -1;
	kill_point("net-bridge-made");
	/* Published ports answer on 127.0.0.1; a rule keeps the containers from it. */
	localnet = xasprintf("ipv4/conf/%s/route_localnet", bridge->name);
	if (bridge->gateway[NET_IP4].family && net_sysctl_write(localnet, "1") < 0)
		return err_fail(err, STOR_FAILED, errno, "write net.%s", localnet);
	return 0;
}

/* --- one that exists ---------------------------------------------------------------------- */

static int check_wish(const struct net_bridge *bridge, const struct net_address *has, int i,
                      struct stor_err *err)
{
	char is[NET_ADDRESS_TEXT], wanted[NET_ADDRESS_TEXT];
	const struct net_address *wish = &bridge->gateway[i];

	if (!wish->family ||
	    (net_address_equal(wish, has) && (!wish->has_prefix || wish->prefix == has->prefix)))
		return 0;
	err_fail(err, STOR_BUSY, 0, "the bridge %s has the address %s, not %s", bridge->name,
	         has->family ? net_address_format(has, true, is) : "of no such family",
	         net_address_format(wish, wish->has_prefix, wanted));
	err_hint(err, "leave gateway= out, or name another bridge");
	return -1;
}

/* Of ours: wishes must fit, or be added. */
static int join_ours(struct net_state *state, const struct net_veth_module *veth,
                     struct net_bridge *bridge, struct stor_err *err)
{
	static const char *const keys[] = { "gateway", "gateway6" };
	cleanup_record struct record record = RECORD_INIT;
	struct net_address has[NET_FAMILIES] = { { 0 } }, ignored[NET_FAMILIES];
	bool wants_firewall = bridge->docker_user;
	int found;

	if (net_bridge_load(state, bridge->name, &record, err) < 0)
		return -1;
	for (int i = 0; i < NET_FAMILIES; i++) {
		const char *text = record_get(&record, keys[i]);

		if (text)
			net_address_parse(text, &has[i]);
		if (check_wish(bridge, &has[i], i, err) < 0)
			return -1;
		bridge->gateway[i] = has[i];
	}
	/* Killed before it was made, or taken away by somebody. */
	found = veth->find_bridge(bridge->name, ignored, err);
	if (found <= 0)
		return found < 0 ? -1 : make(state, veth, bridge, err);
	bridge->is_ours = true;
	bridge->docker_user = record_get(&record, "firewall") != NULL;
	bridge->no_nat = !strcmp(record_get(&record, "nat") ?: "yes", "no");
	if (!wants_firewall || bridge->docker_user)
		return 0;
	bridge->docker_user = bridge->rules_changed = true;
	return save(state, bridge, err);
}

/* Of somebody else: its address is the gateway, unless another machine's is told. */
static int join_foreign(struct net_bridge *bridge, const struct net_address *has,
                        struct stor_err *err)
{
	for (int i = 0; i < NET_FAMILIES; i++) {
		struct net_address *wish = &bridge->gateway[i];

		if (!wish->family)
			*wish = has[i];
		else if (!wish->has_prefix && has[i].family)
			wish->prefix = has[i].prefix;
	}
	if (bridge->gateway[NET_IP4].family || bridge->gateway[NET_IP6].family)
		return 0;
	err_fail(err, STOR_USAGE, 0, "the bridge %s has no address", bridge->name);
	err_hint(err,
	         "give one to it, or say --net bridge=%s,gateway=ADDRESS/LENGTH of a router "
	         "that is reached by it",
	         bridge->name);
	return -1;
}

int net_bridge_join(struct net_state *state, const struct net_veth_module *veth,
                    struct net_bridge *bridge, struct stor_err *err)
{
	struct net_address has[NET_FAMILIES];
	int found;

	if (take_back(state, bridge->name)) {
		/* Without a user its rules are gone, or never were. */
		bridge->rules_changed = !net_lease_is_any(state, bridge->name);
		return join_ours(state, veth, bridge, err);
	}
	found = veth->find_bridge(bridge->name, has, err);
	if (found < 0)
		return -1;
	return found ? join_foreign(bridge, has, err) : make(state, veth, bridge, err);
}

/* --- going -------------------------------------------------------------------------------- */

bool net_bridge_leave(struct net_state *state, const char *name)
{
	cleanup_free char *path = record_path("bridges", name);
	cleanup_free char *going = record_path("going", name);

	if (net_lease_is_any(state, name) || renameat(state->fd, path, state->fd, going) < 0)
		return false;
	kill_point("net-bridge-going");
	return true;
}

bool net_bridge_is_going(struct net_state *state)
{
	return !fs_is_empty(state->fd, "going");
}

int net_bridge_remove_going(struct net_state *state, struct stor_err *err)
{
	const struct net_veth_module *veth;
	cleanup_strv struct strv names = STRV_INIT;

	if (store_list(state->fd, "going", &names, err) < 0)
		return -1;
	veth = names.count ? module_load("net", "veth", err) : NULL;
	if (names.count && !veth)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = record_path("going", names.items[i]);

		if (veth->remove_link(names.items[i], err) < 0)
			return -1;
		kill_point("net-bridge-removed");
		unlinkat(state->fd, path, 0);
	}
	return 0;
}
