/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network of a container, as its configuration says; part of config.h. */
#ifndef CONTAINER_CONFIG_NET_H
#define CONTAINER_CONFIG_NET_H

#include "core/base/err.h"
#include "core/base/str.h"
#include "core/net/module.h"

enum config_net_mode {
	CONFIG_NET_NONE,      /* a network namespace of its own with nothing but lo */
	CONFIG_NET_HOST,      /* the host's */
	CONFIG_NET_OWN,       /* one of its own, with `networks` */
	CONFIG_NET_CONTAINER, /* that of the container `source` */
	CONFIG_NET_PATH,      /* that of the file `source` */
};

/* One interface. */
struct config_network {
	char *bridge;  /* NULL: a pair with the host alone */
	char name[16]; /* inside; empty: ethN */
	/* The host's end, or the bridge; and the guest's. Family 0: stor chooses. */
	struct net_address host[NET_FAMILIES], guest[NET_FAMILIES];
	unsigned mtu; /* 0: the kernel's */
	bool has_mac;
	uint8_t mac[NET_MAC_BYTES];
	uint64_t rate_bytes; /* a second; 0: no limit */
	bool may_forward;    /* switch forwarding on when it is off */
	bool no_nat;         /* of a bridge: no way out */
	bool docker_user;    /* let packets pass in Docker's chain */
};

/* A port of the host that leads to one of the container. */
struct config_port {
	struct net_address address; /* of the host; family 0: all */
	bool is_udp;
	uint16_t host, guest;
};

struct config_net {
	enum config_net_mode mode;
	char *source;
	struct config_network *networks;
	size_t network_count;
	struct config_port *ports;
	size_t port_count;
	struct net_address ip[NET_FAMILIES]; /* of the first network; family 0: stor chooses */
	struct strv dns, dns_search;
	struct strv hosts; /* NAME:ADDRESS */
};

void config_net_free(struct config_net *net);

/* One text of --net. */
int config_add_net(struct config_net *net, const char *text, struct stor_err *err);
/* One text of --publish: [IP:]HOST:GUEST[/tcp|udp]; an IPv6 address stands in brackets. */
int config_add_publish(struct config_net *net, const char *text, struct stor_err *err);
/* One text of --ip, --dns, --dns-search, --add-host (NAME:ADDRESS). */
int config_add_ip(struct config_net *net, const char *text, struct stor_err *err);
int config_add_dns(struct config_net *net, const char *text, struct stor_err *err);
int config_add_dns_search(struct config_net *net, const char *text, struct stor_err *err);
int config_add_host(struct config_net *net, const char *text, struct stor_err *err);

/* Check what belongs together, and fill in what follows from it (names of interfaces). */
int config_net_validate(struct config_net *net, struct stor_err *err);

#endif
