/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interfaces of a container's own: addresses, bridges, pairs. See net.h. */
#include "core/container/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/module.h"
#include "core/net/bridge.h"
#include "core/net/clean.h"
#include "core/net/files.h"
#include "core/net/rules.h"

/* Leases of addresses of pairs; no bridge can have this name. */
#define PAIRS "-"
#define PAIR_POOL "10.203.0.0/16"
#define PAIR_POOL6 "fd73:746f:7203::/64"
/* A pair has a network of four addresses: its own, the host's, the guest's, and broadcast. */
#define PAIR_ADDRESSES 4
#define PAIR_PREFIX 30
#define PAIR_PREFIX6 126

struct own {
	struct container_net *net;
	const struct net_veth_module *veth;
	struct net_pair *pairs; /* one for each network */
	char (*host_names)[NET_LINK_MAX];
	bool has_gateway[NET_FAMILIES];
	bool rules_changed;
};

/* --- pairs -------------------------------------------------------------------------------- */

/* Is nothing on the host in the pair's network, of which this address of the pool is the first? */
static int is_unused(void *ctx, const struct net_address *address, struct stor_err *err)
{
	const struct own *own = ctx;
	struct net_address network = *address;
	int routed;

	network.prefix = PAIR_PREFIX;
	routed = own->veth->find_route(&network, err);

	return routed < 0 ? -1 : !routed;
}

static struct net_address nth(const struct net_address *network, unsigned prefix, uint32_t n)
{
	struct net_address address = *network;

	address.prefix = prefix;
	return net_address_nth(&address, n);
}

static int choose_pair(struct own *own, struct net_pair *pair, struct stor_err *err)
{
	struct net_range range = { .step = PAIR_ADDRESSES, .is_unused = is_unused, .ctx = own };
	struct net_address network, network6;

	net_address_parse(PAIR_POOL, &range.network);
	range.end = net_address_count(&range.network);
	if (net_lease_take_free(&own->net->state, PAIRS, &range, own->net->user, &network, err) <
	    0) {
		err_hint(err, "choose one: --net veth,host=ADDRESS/LENGTH,guest=ADDRESS/LENGTH");
		return -1;
	}
	pair->host[NET_IP4] = nth(&network, PAIR_PREFIX, 1);
	pair->guest[NET_IP4] = nth(&network, PAIR_PREFIX, 2);
	if (!net_has_ip6() || !net_mtu_has_ip6(pair->mtu))
		return 0;
	/* The IPv4 address is the end of it: so it is as unique. */
	net_address_parse(PAIR_POOL6, &network6);
	memcpy(network6.bytes + 12, network.bytes, 4);
	pair->host[NET_IP6] = nth(&network6, PAIR_PREFIX6, 1);
	pair->guest[NET_IP6] = nth(&network6, PAIR_PREFIX6, 2);
	return 0;
}

/* A network that the user chose must not be somebody else's. */
static int take_pair(struct own *own, const struct net_address *host,
                     const struct net_address *guest, struct stor_err *err)
{
	struct container_net *net = own->net;
	char text[NET_ADDRESS_TEXT];
	int routed;

	net_wait_for_dead(&net->state, PAIRS, host);
	if (net_lease_take(&net->state, PAIRS, host, net->user, err) < 0 ||
	    net_lease_take(&net->state, PAIRS, guest, net->user, err) < 0)
		return -1;
	routed = own->veth->find_route(host, err);
	if (routed < 0 || routed < (int)host->prefix)
		return routed < 0 ? -1 : 0;
	err_fail(err, STOR_BUSY, 0, "--net veth: the host has an interface in the network %s",
	         net_address_format(host, true, text));
	err_hint(err, "choose another network, or leave host= and guest= out");
	return -1;
}

static int prepare_pair(struct own *own, const struct config_network *n, struct net_pair *pair,
                        struct stor_err *err)
{
	struct container_net *net = own->net;
	char address[NET_ADDRESS_TEXT];
	bool is_told = n->host[NET_IP4].family || n->host[NET_IP6].family;

	memcpy(pair->host, n->host, sizeof(pair->host));
	memcpy(pair->guest, n->guest, sizeof(pair->guest));
	if (!is_told && choose_pair(own, pair, err) < 0)
		return -1;
	for (int f = 0; f < NET_FAMILIES; f++) {
		if (!pair->host[f].family)
			continue;
		if (is_told && take_pair(own, &pair->host[f], &pair->guest[f], err) < 0)
			return -1;
		pair->gateway[f] = pair->host[f];
		strbuf_printf(&net->pair_lines, "%s\t%s\n",
		              net_address_format(&pair->guest[f], false, address), net->names);
	}
	return 0;
}

/* --- bridges ------------------------------------------------------------------------------ */

/* Nobody may be given the bridge's own address. */
static int is_not_gateway(void *ctx, const struct net_address *address, struct stor_err *err)
{
	(void)err;
	return !net_address_equal(ctx, address);
}

static int choose_address(struct container_net *net, struct net_bridge *bridge,
                          enum net_family family, struct net_address *guest, struct stor_err *err)
{
	struct net_range range = { .network = bridge->gateway[family],
		                   .first = 1,
		                   .step = 1,
		                   .is_unused = is_not_gateway,
		                   .ctx = &bridge->gateway[family] };

	if (!bridge->is_ours) {
		err_fail(
			err, STOR_USAGE, 0,
			"--net bridge=%s: stor did not make this bridge, and knows no free address",
			bridge->name);
		err_hint(err, "--net bridge=%s,ip=ADDRESS gives one", bridge->name);
		return -1;
	}
	range.end = net_address_count(&range.network) - (family == NET_IP4 ? 1 : 0);
	if (net_lease_take_free(&net->state, bridge->name, &range, net->user, guest, err) < 0)
		return err_context(err, "bridge %s", bridge->name);
	return 0;
}

/* The address that the user asked for. */
static int take_address(struct container_net *net, const struct net_bridge *bridge,
                        struct net_address *guest, struct stor_err *err)
{
	const struct net_address *gateway = &bridge->gateway[net_family(guest)];
	char ip[NET_ADDRESS_TEXT], network[NET_ADDRESS_TEXT];

	if (!gateway->family || !net_address_same_net(gateway, guest))
		return err_fail(err, STOR_USAGE, 0,
		                "the address %s is not in the bridge %s's network%s%s",
		                net_address_format(guest, false, ip), bridge->name,
		                gateway->family ? " " : "",
		                gateway->family ? net_address_format(gateway, true, network) : "");
	guest->prefix = gateway->prefix;
	if (!net_address_is_host(guest) || net_address_equal(guest, gateway)) {
		err_fail(err, STOR_BUSY, 0, "the address %s is %s",
		         net_address_format(guest, false, ip),
		         net_address_equal(guest, gateway) ? "the bridge's own"
		                                           : "that of the network itself");
		return -1;
	}
	return net_lease_take(&net->state, bridge->name, guest, net->user, err);
}

/* Addresses of a family, and where packets to the rest of the world go. */
static int address_family(struct own *own, struct net_bridge *bridge, enum net_family family,
                          struct net_pair *pair, struct stor_err *err)
{
	struct net_address *guest = &pair->guest[family];

	if (guest->family)
		return take_address(own->net, bridge, guest, err);
	if (!bridge->gateway[family].family || (!bridge->is_ours && family == NET_IP6))
		return 0;
	return choose_address(own->net, bridge, family, guest, err);
}

/* A bridge takes on the least MTU of its ports, and with too small a one loses its IPv6. */
static int check_port_mtu(const struct net_bridge *bridge, unsigned mtu, struct stor_err *err)
{
	if (net_mtu_has_ip6(mtu) || !bridge->gateway[NET_IP6].family)
		return 0;
	err_fail(err, STOR_USAGE, 0,
	         "--net bridge=%s,mtu=%u: the bridge has IPv6, which needs an MTU of at least %u",
	         bridge->name, mtu, NET_IP6_MTU);
	err_hint(err, "a bridge of its own without IPv6 takes it: --net "
	              "bridge=NAME,gateway=ADDRESS/LENGTH");
	return -1;
}

static int prepare_port(struct own *own, const struct config_network *n, struct net_pair *pair,
                        struct stor_err *err)
{
	struct container_net *net = own->net;
	struct net_bridge bridge = { .name = n->bridge,
		                     .no_nat = n->no_nat,
		                     .docker_user = n->docker_user,
		                     .may_forward = n->may_forward };

	memcpy(bridge.gateway, n->host, sizeof(bridge.gateway));
	memcpy(pair->guest, n->guest, sizeof(pair->guest));
	pair->bridge = n->bridge;
	strv_add(&net->bridges, n->bridge);
	if (net_bridge_join(&net->state, own->veth, &bridge, err) < 0 ||
	    check_port_mtu(&bridge, n->mtu, err) < 0)
		return -1;
	for (int f = 0; f < NET_FAMILIES; f++) {
		if (address_family(own, &bridge, (enum net_family)f, pair, err) < 0)
			return -1;
		if (!bridge.is_ours || !bridge.no_nat)
			pair->gateway[f] = bridge.gateway[f];
	}
	if (!bridge.no_nat && net_forward_check(n->may_forward, err) < 0)
		return -1;
	own->rules_changed = own->rules_changed || bridge.rules_changed;
	if (bridge.rules_changed && !bridge.no_nat &&
	    net_rules_open_forward(n->bridge, bridge.docker_user, err) < 0)
		return -1;
	return net_hosts_add(&net->state, n->bridge, pair->guest, net->names, err);
}

/* --- all of them -------------------------------------------------------------------------- */

/* One made of the address comes again with it, so that nobody remembers a wrong one. */
static void choose_mac(const struct config_network *n, struct net_pair *pair)
{
	enum net_family family = pair->guest[NET_IP4].family ? NET_IP4 : NET_IP6;
	const uint8_t *last = pair->guest[family].bytes + (family == NET_IP4 ? 0 : 12);

	if (n->has_mac) {
		memcpy(pair->mac, n->mac, NET_MAC_BYTES);
		return;
	}
	pair->mac[0] = 0x02;
	pair->mac[1] = family == NET_IP4 ? 0x73 : 0x74;
	memcpy(pair->mac + 2, last, 4);
}

/* The first interface that leads anywhere has the default route. With IPv6 only where the host
 * forwards it: else packets would be lost where another way could be tried. */
static void choose_routes(struct own *own, struct net_pair *pair)
{
	for (int f = 0; f < NET_FAMILIES; f++) {
		if (own->has_gateway[f] || !pair->guest[f].family ||
		    (f == NET_IP6 && !net_forward_is_on(NET_IP6)))
			pair->gateway[f].family = 0;
		else if (pair->gateway[f].family)
			own->has_gateway[f] = true;
	}
}

static void note_addresses(struct container_net *net, const struct net_pair *pair)
{
	char text[NET_ADDRESS_TEXT];

	for (int f = 0; f < NET_FAMILIES; f++)
		if (pair->guest[f].family)
			strv_take(&net->addresses,
			          xasprintf("%s %s", pair->guest_name,
			                    net_address_format(&pair->guest[f], true, text)));
}

static int prepare_networks(struct own *own, struct stor_err *err)
{
	struct container_net *net = own->net;

	for (size_t i = 0; i < net->config->network_count; i++) {
		const struct config_network *n = &net->config->networks[i];
		struct net_pair *pair = &own->pairs[i];

		net_link_name(net->id, (unsigned)i, own->host_names[i]);
		pair->host_name = own->host_names[i];
		pair->guest_name = n->name;
		pair->reflects = n->bridge && !i && net->config->port_count;
		pair->mtu = n->mtu;
		pair->rate_bytes = n->rate_bytes;
		if ((n->bridge ? prepare_port(own, n, pair, err)
		               : prepare_pair(own, n, pair, err)) < 0)
			return -1;
		choose_mac(n, pair);
		choose_routes(own, pair);
		note_addresses(net, pair);
	}
	return 0;
}

/* What several containers share, under the lock. */
static int prepare_shared(struct own *own, struct stor_err *err)
{
	struct container_net *net = own->net;
	const struct config_net *config = net->config;
	cleanup_close int lock_fd = -1;

	for (size_t i = 0; i < config->network_count; i++)
		for (int f = 0; f < NET_FAMILIES; f++)
			if (config->networks[i].bridge && config->networks[i].guest[f].family)
				net_wait_for_dead(&net->state, config->networks[i].bridge,
				                  &config->networks[i].guest[f]);
	lock_fd = net_state_lock(&net->state, err);
	if (lock_fd < 0 || prepare_networks(own, err) < 0)
		return -1;
	if (config->port_count) {
		own->rules_changed = true;
		if (net_forward_check(config->networks[0].may_forward, err) < 0 ||
		    container_net_publish(net, own->pairs[0].bridge ?: own->pairs[0].host_name,
		                          own->pairs[0].guest, err) < 0)
			return -1;
	}
	return own->rules_changed ? net_rules_apply(&net->state, err) : 0;
}

/* The host's 127.0.0.1 answers for the ports of a pair, as for those of a bridge. */
static int open_loopback(const struct own *own, struct stor_err *err)
{
	cleanup_free char *name = xasprintf("ipv4/conf/%s/route_localnet", own->pairs[0].host_name);

	if (!own->net->config->port_count || own->pairs[0].bridge ||
	    net_sysctl_write(name, "1") == 0)
		return 0;
	return err_fail(err, STOR_FAILED, errno, "write net.%s", name);
}

static int make_own(struct own *own, struct netns *made, struct stor_err *err)
{
	struct container_net *net = own->net;
	bool is_shared = net->config->port_count > 0;

	for (size_t i = 0; i < net->config->network_count; i++)
		is_shared = is_shared || net->config->networks[i].bridge;
	if ((is_shared ? prepare_shared(own, err) : prepare_networks(own, err)) < 0 ||
	    netns_finish(made, err) < 0)
		return -1;
	net->ns_fd = steal_fd(&made->fd);
	for (size_t i = 0; i < net->config->network_count; i++)
		if (own->veth->make_pair(&own->pairs[i], net->ns_fd, err) < 0)
			return -1;
	kill_point("net-ready");
	return open_loopback(own, err);
}

int container_net_make_own(struct container_net *net, struct netns *made, struct stor_err *err)
{
	size_t count = net->config->network_count;
	cleanup_free struct net_pair *pairs = xcalloc(count, sizeof(*pairs));
	cleanup_free char(*names)[NET_LINK_MAX] = xcalloc(count, sizeof(*names));
	struct own own = { .net = net, .pairs = pairs, .host_names = names };

	own.veth = module_load("net", "veth", err);
	return own.veth ? make_own(&own, made, err) : -1;
}
