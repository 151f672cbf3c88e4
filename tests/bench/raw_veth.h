/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The least that a network can cost: a namespace, a pair of interfaces into it, an address on both
 * ends, and a default route, by bare netlink messages. */
#ifndef BENCH_RAW_VETH_H
#define BENCH_RAW_VETH_H

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>

#include "tests/bench/raw_attach.h"

struct message {
	struct nlmsghdr header;
	char body[1024];
};

static inline void *message_add(struct message *m, const void *data, size_t size)
{
	void *at = (char *)m + NLMSG_ALIGN(m->header.nlmsg_len);

	memcpy(at, data, size);
	m->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(m->header.nlmsg_len) + size);
	return at;
}

static inline struct rtattr *attribute_begin(struct message *m, unsigned short type)
{
	const struct rtattr attribute = { .rta_type = type, .rta_len = sizeof(attribute) };

	return (struct rtattr *)message_add(m, &attribute, sizeof(attribute));
}

static inline void attribute_end(struct message *m, struct rtattr *begin)
{
	begin->rta_len = (unsigned short)((char *)m + m->header.nlmsg_len - (char *)begin);
}

static inline void attribute(struct message *m, unsigned short type, const void *data, size_t size)
{
	struct rtattr *begin = attribute_begin(m, type);

	message_add(m, data, size);
	attribute_end(m, begin);
}

/* Sends a request and waits for the kernel's word. */
static inline void request(int fd, struct message *m, unsigned short type, unsigned short flags,
                           const char *what)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[1024];
	} answer;

	m->header.nlmsg_type = type;
	m->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	check(what, send(fd, m, m->header.nlmsg_len, 0));
	check(what, recv(fd, &answer, sizeof(answer), 0));
	errno = -answer.error.error;
	check(what, answer.error.error);
}

static inline struct message message_begin(const void *data, size_t size)
{
	struct message m = { .header = { .nlmsg_len = NLMSG_HDRLEN } };

	message_add(&m, data, size);
	return m;
}

static inline int open_netlink(void)
{
	return (int)check("netlink", socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
}

static inline void make_pair(int fd, const char *host, int ns_fd)
{
	const struct ifinfomsg up = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP }, peer = { 0 };
	struct message m = message_begin(&up, sizeof(up));
	struct rtattr *info, *data, *inner;

	attribute(&m, IFLA_IFNAME, host, strlen(host) + 1);
	info = attribute_begin(&m, IFLA_LINKINFO);
	attribute(&m, IFLA_INFO_KIND, "veth", 4);
	data = attribute_begin(&m, IFLA_INFO_DATA);
	inner = attribute_begin(&m, VETH_INFO_PEER);
	message_add(&m, &peer, sizeof(peer));
	attribute(&m, IFLA_IFNAME, "eth0", 5);
	attribute(&m, IFLA_NET_NS_FD, &ns_fd, sizeof(ns_fd));
	attribute_end(&m, inner);
	attribute_end(&m, data);
	attribute_end(&m, info);
	request(fd, &m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "make the pair");
}

static inline void add_address(int fd, int index, uint32_t address)
{
	const struct ifaddrmsg head = { .ifa_family = AF_INET,
		                        .ifa_prefixlen = 30,
		                        .ifa_index = (unsigned)index };
	struct message m = message_begin(&head, sizeof(head));

	attribute(&m, IFA_LOCAL, &address, sizeof(address));
	request(fd, &m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "add an address");
}

static inline void raise_link(int fd, int index)
{
	const struct ifinfomsg up = { .ifi_index = index,
		                      .ifi_flags = IFF_UP,
		                      .ifi_change = IFF_UP };
	struct message m = message_begin(&up, sizeof(up));

	request(fd, &m, RTM_NEWLINK, 0, "take a link up");
}

static inline void add_route(int fd, uint32_t gateway)
{
	const struct rtmsg head = { .rtm_family = AF_INET,
		                    .rtm_table = RT_TABLE_MAIN,
		                    .rtm_protocol = RTPROT_BOOT,
		                    .rtm_scope = RT_SCOPE_UNIVERSE,
		                    .rtm_type = RTN_UNICAST };
	struct message m = message_begin(&head, sizeof(head));

	attribute(&m, RTA_GATEWAY, &gateway, sizeof(gateway));
	request(fd, &m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, "add a route");
}

/* A namespace with one end of a pair. This process is in it afterwards. */
static inline void raw_veth(void)
{
	uint32_t network = 0x0aca0000u + ((uint32_t)getpid() & 0x3fff) * 4;
	int host = open_netlink(), own, guest, index, ns;
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "floor%d", (int)getpid() & 0x3fffffff);
	own = (int)check("namespace", open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
	check("unshare", unshare(CLONE_NEWNET));
	ns = (int)check("namespace", open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
	guest = open_netlink();
	make_pair(host, name, ns);
	index = (int)if_nametoindex("eth0");
	raise_link(guest, 1);
	raise_link(guest, index);
	add_address(guest, index, htonl(network + 2));
	add_route(guest, htonl(network + 1));
	check("setns", setns(own, CLONE_NEWNET));
	add_address(host, (int)if_nametoindex(name), htonl(network + 1));
	check("setns", setns(ns, CLONE_NEWNET));
	close(own);
	close(ns);
	close(guest);
	close(host);
}

#endif
