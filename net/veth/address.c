/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses and routes of an interface. */
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/base/str.h"
#include "net/veth/session.h"

static void put_rtnl_addr(struct rtnl_addr **addr)
{
	if (*addr)
		rtnl_addr_put(*addr);
}

/* Where it is the family's, the last address of the network is everybody's. */
static int set_broadcast(struct rtnl_addr *addr, const struct net_address *address)
{
	struct net_address last = net_address_nth(address, net_address_count(address) - 1);
	cleanup_address struct nl_addr *broadcast = NULL;

	if (address->family != AF_INET || address->prefix > 30)
		return 0;
	last.prefix = 32;
	broadcast = session_address(&last);
	return broadcast ? rtnl_addr_set_broadcast(addr, broadcast) : -NLE_NOMEM;
}

static int add_one(struct nl_sock *sock, int index, const struct net_address *address)
{
	__attribute__((cleanup(put_rtnl_addr))) struct rtnl_addr *addr = rtnl_addr_alloc();
	cleanup_address struct nl_addr *local = session_address(address);
	int code;

	if (!addr || !local)
		return -NLE_NOMEM;
	rtnl_addr_set_ifindex(addr, index);
	code = rtnl_addr_set_local(addr, local);
	if (!code)
		code = set_broadcast(addr, address);
	/* Nobody else has it, and a container cannot wait until that was asked. */
	if (address->family == AF_INET6)
		rtnl_addr_set_flags(addr, IFA_F_NODAD);
	return code ? code : rtnl_addr_add(sock, addr, 0);
}

int address_add(struct nl_sock *sock, int index, const struct net_address *addresses,
                const char *what, struct stor_err *err)
{
	char text[NET_ADDRESS_TEXT];

	for (int i = 0; i < NET_FAMILIES; i++) {
		int code = addresses[i].family ? add_one(sock, index, &addresses[i]) : 0;

		if (!code)
			continue;
		session_fail(err, code, "give %s the address %s", what,
		             net_address_format(&addresses[i], true, text));
		if (i == NET_IP6)
			err_hint(err,
			         "is IPv6 switched off? sysctl net.ipv6.conf.all.disable_ipv6");
		return -1;
	}
	return 0;
}

void address_trust(const char *name)
{
	cleanup_free char *path = xasprintf("/proc/sys/net/ipv6/conf/%s/accept_dad", name);
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	/* Without it, or without IPv6, all is well a second or two later. */
	if (fd >= 0 && write(fd, "0", 1) < 0)
		log_debug("write %s: %m", path);
}

static void put_route(struct rtnl_route **route)
{
	if (*route)
		rtnl_route_put(*route);
}

static int add_default_route(struct nl_sock *sock, int index, const struct net_address *gateway)
{
	__attribute__((cleanup(put_route))) struct rtnl_route *route = rtnl_route_alloc();
	struct net_address anywhere = { .family = gateway->family };
	cleanup_address struct nl_addr *via = session_address(gateway);
	cleanup_address struct nl_addr *destination = session_address(&anywhere);
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	int code = -NLE_NOMEM;

	if (route && via && destination && hop)
		code = rtnl_route_set_dst(route, destination);
	if (code) {
		if (hop)
			rtnl_route_nh_free(hop);
		return code;
	}
	rtnl_route_set_family(route, (uint8_t)gateway->family);
	rtnl_route_set_table(route, RT_TABLE_MAIN);
	rtnl_route_set_scope(route, RT_SCOPE_UNIVERSE);
	rtnl_route_nh_set_ifindex(hop, index);
	rtnl_route_nh_set_gateway(hop, via);
	rtnl_route_add_nexthop(route, hop);
	return rtnl_route_add(sock, route, NLM_F_CREATE | NLM_F_EXCL);
}

int address_add_routes(struct nl_sock *sock, int index, const struct net_address *gateways,
                       const char *what, struct stor_err *err)
{
	char text[NET_ADDRESS_TEXT];

	for (int i = 0; i < NET_FAMILIES; i++) {
		int code = gateways[i].family ? add_default_route(sock, index, &gateways[i]) : 0;

		if (code)
			return session_fail(err, code, "give %s the default route by %s", what,
			                    net_address_format(&gateways[i], false, text));
	}
	return 0;
}

/* --- what is there ------------------------------------------------------------------------ */

/* Notes the length of the prefix that the kernel's answer matched. */
static int take_match(struct nl_msg *msg, void *arg)
{
	const struct rtmsg *route = nlmsg_data(nlmsg_hdr(msg));

	*(int *)arg = route->rtm_dst_len;
	return NL_OK;
}

static int ask_route(struct nl_sock *sock, const struct net_address *network, int *matched)
{
	struct rtmsg request = { .rtm_family = (unsigned char)network->family,
		                 .rtm_dst_len = (unsigned char)(8 * net_address_size(network)),
		                 .rtm_flags = RTM_F_FIB_MATCH };
	struct net_address first = net_address_nth(network, 1);
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, 0);
	int code;

	if (!msg)
		return -NLE_NOMEM;
	code = nlmsg_append(msg, &request, sizeof(request), NLMSG_ALIGNTO);
	if (!code)
		code = nla_put(msg, RTA_DST, (int)net_address_size(network), first.bytes);
	if (!code)
		code = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, take_match, matched);
	return code ? (nlmsg_free(msg), code) : nl_send_sync(sock, msg);
}

int address_find_route(const struct net_address *network, struct stor_err *err)
{
	cleanup_session struct nl_sock *sock = session_open(err);
	int matched = 0, code;

	if (!sock)
		return -1;
	code = ask_route(sock, network, &matched);
	/* No route at all. */
	if (code == -NLE_FAILURE || code == -NLE_OBJ_NOTFOUND)
		return 0;
	if (code < 0)
		return session_fail(err, code, "look for a route");
	return matched;
}

static void take_address(struct nl_object *object, void *arg)
{
	struct rtnl_addr *addr = (struct rtnl_addr *)object;
	struct net_address *addresses = arg, found = { .has_prefix = true };
	struct nl_addr *local = rtnl_addr_get_local(addr);

	if (!local || rtnl_addr_get_scope(addr) != RT_SCOPE_UNIVERSE)
		return;
	found.family = rtnl_addr_get_family(addr);
	if (found.family != AF_INET && found.family != AF_INET6)
		return;
	found.prefix = (unsigned)rtnl_addr_get_prefixlen(addr);
	memcpy(found.bytes, nl_addr_get_binary_addr(local), net_address_size(&found));
	if (!addresses[net_family(&found)].family)
		addresses[net_family(&found)] = found;
}

int address_find(struct nl_sock *sock, int index, struct net_address *addresses,
                 struct stor_err *err)
{
	struct rtnl_addr *filter = rtnl_addr_alloc();
	struct nl_cache *cache = NULL;
	int code = filter ? rtnl_addr_alloc_cache(sock, &cache) : -NLE_NOMEM;

	memset(addresses, 0, NET_FAMILIES * sizeof(*addresses));
	if (code == 0) {
		rtnl_addr_set_ifindex(filter, index);
		nl_cache_foreach_filter(cache, OBJ_CAST(filter), take_address, addresses);
		nl_cache_free(cache);
	}
	put_rtnl_addr(&filter);
	return code ? session_fail(err, code, "list addresses") : 0;
}
