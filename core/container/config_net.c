/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks as users write them: --net. Ports and names are in config_publish.c. */
#include "core/container/config_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#define DEFAULT_BRIDGE "stor0"
/* The kernel counts a token bucket's rate in 32 bits of bytes. */
#define RATE_LIMIT_BYTES UINT64_C(0x7fffffff)

void config_net_free(struct config_net *net)
{
	for (size_t i = 0; i < net->network_count; i++)
		free(net->networks[i].bridge);
	free(net->networks);
	free(net->ports);
	free(net->source);
	strv_free(&net->dns);
	strv_free(&net->dns_search);
	strv_free(&net->hosts);
	memset(net, 0, sizeof(*net));
}

/* A name that the kernel takes for an interface, and that needs no quoting in rules. */
static bool is_link_name(const char *name)
{
	size_t length = strlen(name);

	return length && length <= 15 && strcmp(name, "lo") != 0 && str_is_name(name);
}

/* "100mbit": bits a second, of which a unit is 1000. 0, or -1. */
static int parse_rate(const char *text, uint64_t *bytes)
{
	static const struct {
		const char *name;
		uint64_t bits;
	} units[] = { { "bit", 1 }, { "kbit", 1000 }, { "mbit", 1000000 }, { "gbit", 1000000000 } };
	size_t digits = strspn(text, "0123456789");
	cleanup_free char *number = xstrndup(text, digits);
	uint64_t value;

	if (str_to_u64(number, &value) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(text + digits, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].bits, &value))
			return -1;
		*bytes = value / 8;
		return *bytes >= 1000 && *bytes <= RATE_LIMIT_BYTES ? 0 : -1;
	}
	return -1;
}

static int parse_mac(const char *text, uint8_t *mac)
{
	unsigned b[NET_MAC_BYTES];
	char rest;

	if (strlen(text) != 17 || sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2],
	                                 &b[3], &b[4], &b[5], &rest) != NET_MAC_BYTES)
		return -1;
	for (int i = 0; i < NET_MAC_BYTES; i++)
		mac[i] = (uint8_t)b[i];
	/* That of a group of machines, or of none. */
	return mac[0] & 1 || !(mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]) ? -1 : 0;
}

static int parse_mtu(const char *text, unsigned *mtu)
{
	uint64_t value;

	if (str_to_u64(text, &value) < 0 || value < 68 || value > 65535)
		return -1;
	*mtu = (unsigned)value;
	return 0;
}

/* One address of each family can be given. */
static int parse_side(const char *text, bool with_prefix, struct net_address *side)
{
	struct net_address address;

	if (net_address_parse(text, &address) < 0 || (with_prefix && !address.has_prefix) ||
	    !net_address_is_host(&address))
		return -1;
	side += net_family(&address);
	if (side->family)
		return -1;
	*side = address;
	return 0;
}

static int pair_key(struct config_network *n, const char *key, const char *value)
{
	if (!strcmp(key, "host"))
		return parse_side(value, true, n->host);
	if (!strcmp(key, "guest"))
		return parse_side(value, true, n->guest);
	return -1;
}

static int bridge_key(struct config_network *n, const char *key, const char *value)
{
	bool nat;

	if (!strcmp(key, "ip"))
		return parse_side(value, false, n->guest);
	if (!strcmp(key, "gateway"))
		return parse_side(value, false, n->host);
	if (!strcmp(key, "firewall")) {
		n->docker_user = true;
		return strcmp(value, "docker-user") != 0 ? -1 : 0;
	}
	if (strcmp(key, "nat") != 0 || str_to_bool(value, &nat) < 0)
		return -1;
	n->no_nat = !nat;
	return 0;
}

static int network_key(struct config_network *n, const char *key, const char *value)
{
	if (!strcmp(key, "mtu"))
		return parse_mtu(value, &n->mtu);
	if (!strcmp(key, "mac")) {
		n->has_mac = true;
		return parse_mac(value, n->mac);
	}
	if (!strcmp(key, "rate"))
		return parse_rate(value, &n->rate_bytes);
	if (!strcmp(key, "forward")) {
		n->may_forward = true;
		return strcmp(value, "enable") != 0 ? -1 : 0;
	}
	if (!strcmp(key, "name")) {
		if (!is_link_name(value))
			return -1;
		snprintf(n->name, sizeof(n->name), "%s", value);
		return 0;
	}
	return n->bridge ? bridge_key(n, key, value) : pair_key(n, key, value);
}

static int parse_keys(struct config_network *n, char *rest, const char *text, struct stor_err *err)
{
	char *word;

	while ((word = strsep(&rest, ","))) {
		char *value = strchr(word, '=');

		if (value)
			*value++ = '\0';
		if (value && network_key(n, word, value) == 0)
			continue;
		err_fail(err, STOR_USAGE, 0, "--net %s: key \"%s\" %s", text, word,
		         value ? "is not known here or has a wrong value" : "has no value");
		err_hint(err,
		         "%s mtu=68..65535 mac=XX:XX:XX:XX:XX:XX rate=N[kmg]bit (8kbit to "
		         "17gbit) name=NAME forward=enable",
		         n->bridge ? "ip=ADDRESS gateway=ADDRESS[/LENGTH] nat=yes|no "
		                     "firewall=docker-user"
		                   : "host=ADDRESS/LENGTH guest=ADDRESS/LENGTH");
		return -1;
	}
	return 0;
}

static int add_network(struct config_net *net, char *first, char *rest, const char *text,
                       struct stor_err *err)
{
	const char *bridge = NULL;
	struct config_network *n;

	if (str_starts(first, "bridge")) {
		bridge = first[6] == '=' ? first + 7 : DEFAULT_BRIDGE;
		if (!is_link_name(bridge))
			return err_fail(err, STOR_USAGE, 0,
			                "--net %s: \"%s\" is no name for a bridge (at most 15 "
			                "letters, digits, _ . -)",
			                text, bridge);
	}
	net->networks = xrealloc(net->networks, (net->network_count + 1) * sizeof(*net->networks));
	n = &net->networks[net->network_count++];
	memset(n, 0, sizeof(*n));
	n->bridge = bridge ? xstrdup(bridge) : NULL;
	net->mode = CONFIG_NET_OWN;
	return parse_keys(n, rest, text, err);
}

/* none, host and the networks of others stand alone; the last one counts, as for other options. */
static int set_mode(struct config_net *net, enum config_net_mode mode, const char *source,
                    const char *text, struct stor_err *err)
{
	if (net->network_count) {
		err_fail(err, STOR_USAGE, 0, "--net %s: cannot be combined with other networks",
		         text);
		err_hint(err, "only veth and bridge can be given several times");
		return -1;
	}
	free(net->source);
	net->source = source ? xstrdup(source) : NULL;
	net->mode = mode;
	return 0;
}

int config_add_net(struct config_net *net, const char *text, struct stor_err *err)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy, *first;

	if (!strcmp(text, "none"))
		return set_mode(net, CONFIG_NET_NONE, NULL, text, err);
	if (!strcmp(text, "host"))
		return set_mode(net, CONFIG_NET_HOST, NULL, text, err);
	if (str_starts(text, "container:") && str_is_name(text + 10))
		return set_mode(net, CONFIG_NET_CONTAINER, text + 10, text, err);
	if (str_starts(text, "ns:/"))
		return set_mode(net, CONFIG_NET_PATH, text + 3, text, err);
	first = strsep(&rest, ",");
	if (!strcmp(first, "veth") || !strcmp(first, "bridge") || str_starts(first, "bridge=")) {
		if (net->mode == CONFIG_NET_NONE || net->mode == CONFIG_NET_OWN)
			return add_network(net, first, rest, text, err);
		err_fail(err, STOR_USAGE, 0, "--net %s: cannot be combined with other networks",
		         text);
		err_hint(err, "only veth and bridge can be given several times");
		return -1;
	}
	err_fail(err, STOR_USAGE, 0, "--net: unknown network \"%s\"", text);
	err_hint(err, "known are none, host, veth[,KEY=VALUE...], bridge[=NAME][,KEY=VALUE...], "
	              "container:NAME and ns:/PATH");
	return -1;
}

/* --- what belongs together ---------------------------------------------------------------- */

static int check_pair(const struct config_network *n, struct stor_err *err)
{
	for (int i = 0; i < NET_FAMILIES; i++) {
		if (!n->host[i].family != !n->guest[i].family) {
			err_fail(err, STOR_USAGE, 0, "--net veth: host= and guest= go together");
			return -1;
		}
		if (n->host[i].family && (!net_address_same_net(&n->host[i], &n->guest[i]) ||
		                          n->host[i].prefix != n->guest[i].prefix ||
		                          net_address_equal(&n->host[i], &n->guest[i])))
			return err_fail(err, STOR_USAGE, 0,
			                "--net veth: host= and guest= must be two addresses of one "
			                "network");
	}
	return 0;
}

/* On an interface with a smaller MTU the kernel has no IPv6. */
static int check_mtu(const struct config_network *n, struct stor_err *err)
{
	if (net_mtu_has_ip6(n->mtu) || (!n->host[NET_IP6].family && !n->guest[NET_IP6].family))
		return 0;
	return err_fail(err, STOR_USAGE, 0, "--net: IPv6 needs an MTU of at least %u, not %u",
	                NET_IP6_MTU, n->mtu);
}

/* Where the bridge's network is told, the container's address lies in it. */
static int check_bridge(const struct config_network *n, struct stor_err *err)
{
	char ip[NET_ADDRESS_TEXT], gateway[NET_ADDRESS_TEXT];

	for (int i = 0; i < NET_FAMILIES; i++) {
		const struct net_address *gw = &n->host[i], *own = &n->guest[i];

		if (!gw->family || !own->family)
			continue;
		if (net_address_equal(gw, own))
			return err_fail(err, STOR_USAGE, 0,
			                "--net bridge=%s: ip= and gateway= are the same address",
			                n->bridge);
		if (gw->has_prefix && !net_address_same_net(gw, own))
			return err_fail(err, STOR_USAGE, 0, "--net bridge=%s: %s is not in %s",
			                n->bridge, net_address_format(own, false, ip),
			                net_address_format(gw, true, gateway));
	}
	return 0;
}

/* --ip is the ip= of the first network. */
static int apply_ip(struct config_net *net, struct stor_err *err)
{
	for (int i = 0; i < NET_FAMILIES; i++) {
		if (!net->ip[i].family)
			continue;
		if (!net->network_count || !net->networks[0].bridge) {
			err_fail(err, STOR_USAGE, 0, "--ip: the first network is no bridge");
			err_hint(err, "add --net bridge; --net veth takes host= and guest=");
			return -1;
		}
		if (net->networks[0].guest[i].family)
			return err_fail(err, STOR_USAGE, 0, "--ip and ip= are both given");
		net->networks[0].guest[i] = net->ip[i];
	}
	return 0;
}

static int check_names(struct config_net *net, struct stor_err *err)
{
	for (size_t i = 0; i < net->network_count; i++) {
		struct config_network *n = &net->networks[i];

		if (!*n->name)
			snprintf(n->name, sizeof(n->name), "eth%u", (unsigned)i % 36);
		for (size_t j = 0; j < i; j++)
			if (!strcmp(n->name, net->networks[j].name))
				return err_fail(err, STOR_USAGE, 0,
				                "--net: two interfaces with the name %s", n->name);
	}
	return 0;
}

int config_net_validate(struct config_net *net, struct stor_err *err)
{
	if (net->network_count > 36)
		return err_fail(err, STOR_USAGE, 0, "--net: more than 36 networks");
	if (apply_ip(net, err) < 0 || check_names(net, err) < 0)
		return -1;
	for (size_t i = 0; i < net->network_count; i++) {
		struct config_network *n = &net->networks[i];

		if ((n->bridge ? check_bridge(n, err) : check_pair(n, err)) < 0 ||
		    check_mtu(n, err) < 0)
			return -1;
	}
	if (net->port_count && !net->network_count) {
		err_fail(err, STOR_USAGE, 0, "--publish: the container has no network to lead to");
		err_hint(err, "add --net bridge, or --net veth");
		return -1;
	}
	if (net->mode == CONFIG_NET_CONTAINER &&
	    (net->dns.count || net->dns_search.count || net->hosts.count))
		return err_fail(err, STOR_USAGE, 0,
		                "--net container:%s: names are those of that container",
		                net->source);
	return 0;
}
