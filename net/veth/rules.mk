# SPDX-License-Identifier: GPL-2.0-or-later
$(eval $(call define-net,veth,$(wildcard net/veth/*.c) core/net/address.c,libnl-3.0 libnl-route-3.0))
