/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Published ports: held on the host while the container runs, so that nobody else takes them and a
 * taken one is an error at once. Packets never get as far as the sockets. See net.h. */
#include "core/container/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/net/rules.h"

static int port_fail(const struct config_port *port, const struct net_address *address,
                     struct stor_err *err)
{
	const char *protocol = port->is_udp ? "udp" : "tcp";
	char text[NET_ADDRESS_TEXT] = "";
	int errnum = errno;

	if (port->address.family)
		net_address_format(address, false, text);
	err_fail(err, errnum == EADDRINUSE ? STOR_BUSY : STOR_FAILED, errnum,
	         "publish port %u/%s%s%s of the host", port->host, protocol, *text ? " of " : "",
	         text);
	if (errnum == EADDRINUSE)
		err_hint(err, "another container publishes it, or a program of the host listens "
		              "there: ss -lnp shows it; choose another port");
	else if (errnum == EADDRNOTAVAIL)
		err_hint(err, "the host has no such address");
	return -1;
}

/* Binds the port at one address. Returns the descriptor, or -1 with err filled. */
static int hold_port(const struct config_port *port, const struct net_address *address,
                     struct stor_err *err)
{
	cleanup_close int fd = socket(address->family,
	                              (port->is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port->host) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port->host) };
	bool is_ip6 = address->family == AF_INET6;
	const int yes = 1;

	memcpy(&in.sin_addr, address->bytes, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, address->bytes, sizeof(in6.sin6_addr));
	if (fd < 0 ||
	    (is_ip6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) < 0) ||
	    bind(fd, is_ip6 ? (const struct sockaddr *)&in6 : (const struct sockaddr *)&in,
	         is_ip6 ? sizeof(in6) : sizeof(in)) < 0)
		return port_fail(port, address, err);
	return steal_fd(&fd);
}

static int hold_ports(struct container_net *net, const struct net_address *to, struct stor_err *err)
{
	const struct config_net *config = net->config;
	static const int families[] = { AF_INET, AF_INET6 };

	net->port_fds = xcalloc(config->port_count * NET_FAMILIES, sizeof(*net->port_fds));
	for (size_t i = 0; i < config->port_count; i++) {
		for (int f = 0; f < NET_FAMILIES; f++) {
			struct net_address address = config->ports[i].address;
			int fd;

			if (!to[f].family ||
			    (address.family && net_family(&address) != (enum net_family)f))
				continue;
			address.family = families[f];
			fd = hold_port(&config->ports[i], &address, err);
			if (fd < 0)
				return -1;
			net->port_fds[net->port_count++] = fd;
		}
	}
	return 0;
}

int container_net_publish(struct container_net *net, const char *end, const struct net_address *to,
                          struct stor_err *err)
{
	const struct config_net *config = net->config;
	cleanup_free struct net_port *ports = xcalloc(config->port_count, sizeof(*ports));

	for (size_t i = 0; i < config->port_count; i++) {
		const struct config_port *p = &config->ports[i];

		if (p->address.family && !to[net_family(&p->address)].family)
			return err_fail(err, STOR_USAGE, 0,
			                "--publish: the container has no address of the family "
			                "that the host's has");
		ports[i] = (struct net_port){ .is_udp = p->is_udp,
			                      .from = p->address,
			                      .from_port = p->host,
			                      .to_port = p->guest };
	}
	if (hold_ports(net, to, err) < 0)
		return -1;
	kill_point("net-ports");
	return net_publish(&net->state, net->id, end, to, ports, config->port_count, err);
}
