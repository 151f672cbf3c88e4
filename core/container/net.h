/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A container's network, from before its first process starts until after it has ended. The
 * namespace is made, and its interfaces are ready, before there is a process in it; the kernel
 * removes both after the last one.
 */
#ifndef CONTAINER_NET_H
#define CONTAINER_NET_H

#include "core/base/record.h"
#include "core/container/config_net.h"
#include "core/container/netns.h"
#include "core/net/lease.h"

struct container_net {
	const struct config_net *config;
	struct store *store;
	const char *id;         /* of the container */
	const char *names;      /* of it, for hosts files: words, the id first */
	struct net_state state; /* open when this container is a user of it */
	char user[NET_USER_MAX];
	int ns_fd; /* where the first process goes; -1: where clone puts it */
	char *hosts,
		*resolv; /* what is mounted on /etc/hosts and /etc/resolv.conf; NULL: nothing */
	char *owner;     /* whose network this is, when it is another container's */
	struct strv addresses;    /* "NAME ADDRESS/LENGTH" */
	struct strv bridges;      /* their names */
	struct strbuf pair_lines; /* for the hosts file: its addresses on no bridge */
	int *port_fds;            /* hold the published ports of the host */
	size_t port_count;
};

#define CONTAINER_NET_INIT                                                                         \
	{                                                                                          \
		.state = NET_STATE_INIT, .ns_fd = -1                                               \
	}

/* Make the network ready. made: a namespace that is being made; one of its own becomes net->ns_fd.
 * After a failure, too, container_net_end() takes back what was made. All
 * arguments outlive `net`. */
int container_net_begin(struct container_net *net, struct store *store,
                        const struct config_net *config, const char *id, const char *names,
                        struct netns *made, struct stor_err *err);

/* The first process is in its network: nothing here may keep the namespace. */
void container_net_started(struct container_net *net);

/* What is to be noted with the container: keys net.address (several), net.hosts, net.resolv,
 * net.owner. */
void container_net_describe(const struct container_net *net, struct record *record);

/* The container has ended. */
int container_net_end(struct container_net *net, struct stor_err *err);

/* net_own.c: interfaces of its own. */
int container_net_make_own(struct container_net *net, struct netns *made, struct stor_err *err);
/* net_ports.c: hold the host's ports, and write where they lead. to: addresses of the container;
 * end: the host's interface that it is reached by. */
int container_net_publish(struct container_net *net, const char *end, const struct net_address *to,
                          struct stor_err *err);

#endif
