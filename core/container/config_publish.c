/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports, addresses and names of a container's network as users write them: see config_net.h. */
#include "core/container/config_net.h"

#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

static int parse_port(const char *text, uint16_t *port)
{
	uint64_t value;

	if (!text || str_to_u64(text, &value) < 0 || !value || value > UINT16_MAX)
		return -1;
	*port = (uint16_t)value;
	return 0;
}

/* "IP:" or "[IP]:" before the ports. Returns where those begin; NULL: no address. */
static char *split_address(char *text, struct net_address *address)
{
	char *end, *ports;

	if (*text == '[') {
		end = strchr(text++, ']');
		if (!end || end[1] != ':')
			return NULL;
		ports = end + 2;
	} else {
		end = strchr(text, ':');
		if (!end || !strchr(end + 1, ':'))
			return text;
		ports = end + 1;
	}
	*end = '\0';
	return net_address_parse(text, address) < 0 || address->has_prefix ? NULL : ports;
}

int config_add_publish(struct config_net *net, const char *text, struct stor_err *err)
{
	cleanup_free char *copy = xstrdup(text);
	struct config_port port = { .is_udp = false };
	char *protocol = strchr(copy, '/'), *guest, *host;

	if (protocol)
		*protocol++ = '\0';
	host = split_address(copy, &port.address);
	guest = host ? strchr(host, ':') : NULL;
	if (guest)
		*guest++ = '\0';
	port.is_udp = protocol && !strcmp(protocol, "udp");
	if (!host || parse_port(host, &port.host) < 0 || parse_port(guest, &port.guest) < 0 ||
	    (protocol && !port.is_udp && strcmp(protocol, "tcp") != 0)) {
		err_fail(err, STOR_USAGE, 0, "--publish: \"%s\" is not [IP:]HOST:GUEST[/tcp|udp]",
		         text);
		err_hint(err, "HOST and GUEST are ports, 1 to 65535; an IPv6 address stands in "
		              "brackets");
		return -1;
	}
	net->ports = xrealloc(net->ports, (net->port_count + 1) * sizeof(*net->ports));
	net->ports[net->port_count++] = port;
	return 0;
}

int config_add_ip(struct config_net *net, const char *text, struct stor_err *err)
{
	struct net_address address;

	if (net_address_parse(text, &address) < 0 || address.has_prefix)
		return err_fail(err, STOR_USAGE, 0, "--ip: \"%s\" is not an address", text);
	net->ip[net_family(&address)] = address;
	return 0;
}

int config_add_dns(struct config_net *net, const char *text, struct stor_err *err)
{
	struct net_address address;

	if (net_address_parse(text, &address) < 0 || address.has_prefix)
		return err_fail(err, STOR_USAGE, 0, "--dns: \"%s\" is not an address", text);
	strv_add(&net->dns, text);
	return 0;
}

static bool is_domain(const char *text)
{
	size_t length = strlen(text);

	return length && length <= 253 &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") ==
	               length;
}

int config_add_dns_search(struct config_net *net, const char *text, struct stor_err *err)
{
	if (!is_domain(text))
		return err_fail(err, STOR_USAGE, 0, "--dns-search: \"%s\" is not a domain", text);
	strv_add(&net->dns_search, text);
	return 0;
}

int config_add_host(struct config_net *net, const char *text, struct stor_err *err)
{
	const char *colon = strchr(text, ':');
	cleanup_free char *name = xstrndup(text, colon ? (size_t)(colon - text) : 0);
	struct net_address address;

	if (!is_domain(name) || net_address_parse(colon + 1, &address) < 0 || address.has_prefix)
		return err_fail(err, STOR_USAGE, 0, "--add-host: \"%s\" is not NAME:ADDRESS", text);
	strv_add(&net->hosts, text);
	return 0;
}
