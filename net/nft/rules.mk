# SPDX-License-Identifier: GPL-2.0-or-later
$(eval $(call define-net,nft,net/nft/nft.c,libnftables))
