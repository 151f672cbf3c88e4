/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of both families as numbers, with the length of their network's prefix. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct net_address {
	int family;      /* AF_INET or AF_INET6; 0: no address */
	unsigned prefix; /* bits of the network; all of them when the text had none */
	bool has_prefix; /* the text had one */
	uint8_t bytes[16];
};

/* Both families of one thing, by net_family(). */
enum net_family { NET_IP4, NET_IP6, NET_FAMILIES };

/* The least MTU with which an interface has IPv6. */
#define NET_IP6_MTU 1280u
/* mtu 0: the usual one. */
static inline bool net_mtu_has_ip6(unsigned mtu)
{
	return !mtu || mtu >= NET_IP6_MTU;
}
#define NET_ADDRESS_TEXT 64

/* Read ADDRESS or ADDRESS/LENGTH. 0, or -1: no such thing. */
int net_address_parse(const char *text, struct net_address *address);

/* Write ADDRESS, or ADDRESS/LENGTH. Returns buf (NET_ADDRESS_TEXT bytes). */
char *net_address_format(const struct net_address *address, bool with_prefix, char *buf);

enum net_family net_family(const struct net_address *address);
/* 4 or 16. */
size_t net_address_size(const struct net_address *address);

/* Are they the same, whatever their prefixes? */
bool net_address_equal(const struct net_address *a, const struct net_address *b);
/* Do `a` and `b` lie in the same network, by the prefix of `a`? */
bool net_address_same_net(const struct net_address *a, const struct net_address *b);

/* The network's own address plus n, with its prefix. */
struct net_address net_address_nth(const struct net_address *network, uint32_t n);
/* How many steps the address is from its network's own; UINT32_MAX when they are more. */
uint32_t net_address_number(const struct net_address *address);
/* How many addresses the network has, at most 2^31. */
uint32_t net_address_count(const struct net_address *network);

/* Can a machine of the network have it: neither the network's own address nor, with IPv4, the
 * broadcast address, where the network has more than two addresses? */
bool net_address_is_host(const struct net_address *address);

#endif
