/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of both families as numbers: see address.h. */
#include "core/net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"

int net_address_parse(const char *text, struct net_address *address)
{
	struct net_address parsed = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	size_t length = strcspn(text, "/");
	char host[INET6_ADDRSTRLEN];
	uint64_t prefix;

	if (length >= sizeof(host))
		return -1;
	memcpy(host, text, length);
	host[length] = '\0';
	if (inet_pton(parsed.family, host, parsed.bytes) != 1)
		return -1;
	parsed.prefix = (unsigned)net_address_size(&parsed) * 8;
	parsed.has_prefix = text[length] == '/';
	if (parsed.has_prefix) {
		if (str_to_u64(text + length + 1, &prefix) < 0 || prefix > parsed.prefix || !prefix)
			return -1;
		parsed.prefix = (unsigned)prefix;
	}
	*address = parsed;
	return 0;
}

char *net_address_format(const struct net_address *address, bool with_prefix, char *buf)
{
	size_t length;

	inet_ntop(address->family, address->bytes, buf, NET_ADDRESS_TEXT);
	length = strlen(buf);
	if (with_prefix)
		snprintf(buf + length, NET_ADDRESS_TEXT - length, "/%u", address->prefix);
	return buf;
}

enum net_family net_family(const struct net_address *address)
{
	return address->family == AF_INET6 ? NET_IP6 : NET_IP4;
}

size_t net_address_size(const struct net_address *address)
{
	return address->family == AF_INET6 ? 16 : 4;
}

bool net_address_equal(const struct net_address *a, const struct net_address *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, net_address_size(a));
}

/* Takes the bits after the prefix away. */
static struct net_address network_of(const struct net_address *address)
{
	struct net_address network = *address;

	for (unsigned bit = address->prefix; bit < 8 * net_address_size(address); bit++)
		network.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return network;
}

bool net_address_same_net(const struct net_address *a, const struct net_address *b)
{
	struct net_address of_a = network_of(a), other = *b, of_b;

	other.prefix = a->prefix;
	if (a->family != b->family)
		return false;
	of_b = network_of(&other);
	return net_address_equal(&of_a, &of_b);
}

/* The last four bytes as a number. */
static uint32_t low_bits(const struct net_address *address)
{
	const uint8_t *last = address->bytes + net_address_size(address) - 4;

	return (uint32_t)last[0] << 24 | (uint32_t)last[1] << 16 | (uint32_t)last[2] << 8 | last[3];
}

struct net_address net_address_nth(const struct net_address *network, uint32_t n)
{
	struct net_address address = network_of(network);
	uint8_t *last = address.bytes + net_address_size(network) - 4;
	uint32_t value = low_bits(&address) + n;

	for (int i = 0; i < 4; i++)
		last[i] = (uint8_t)(value >> (24 - 8 * i));
	return address;
}

uint32_t net_address_number(const struct net_address *address)
{
	struct net_address network = network_of(address), zero;
	size_t high = net_address_size(address) - 4;

	zero = network;
	memcpy(zero.bytes, address->bytes, high);
	/* Beyond 32 bits nobody counts. */
	if (!net_address_equal(&zero, &network))
		return UINT32_MAX;
	return low_bits(address) - low_bits(&network);
}

uint32_t net_address_count(const struct net_address *network)
{
	unsigned bits = (unsigned)net_address_size(network) * 8 - network->prefix;

	return bits > 31 ? UINT32_C(1) << 31 : UINT32_C(1) << bits;
}

bool net_address_is_host(const struct net_address *address)
{
	uint32_t count = net_address_count(address), number = net_address_number(address);

	if (count <= 2)
		return true;
	return number != 0 && (address->family == AF_INET6 || number != count - 1);
}
