# SPDX-License-Identifier: GPL-2.0-or-later
# What several backends share; linked into each that uses it.
common-src := $(wildcard backends/common/*.c)
$(eval $(call define-archive,common.a,$(common-src)))
