# SPDX-License-Identifier: GPL-2.0-or-later
loop-src := $(wildcard backends/loop/*.c)
$(eval $(call define-backend,loop,$(loop-src),ext2fs com_err))
