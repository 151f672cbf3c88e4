/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The module net/veth: links by libnl. */
#include "net/veth/session.h"

extern const struct net_veth_module stor_net_veth;
__attribute__((visibility("default"))) const struct net_veth_module stor_net_veth = {
	.version = STOR_VERSION,
	.make_pair = pair_make,
	.make_bridge = bridge_make,
	.find_bridge = bridge_find,
	.remove_link = bridge_remove_link,
	.find_route = address_find_route,
};
