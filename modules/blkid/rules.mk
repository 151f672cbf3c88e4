# SPDX-License-Identifier: GPL-2.0-or-later
$(eval $(call define-internal,blkid,modules/blkid/blkid.c,blkid))
