# SPDX-License-Identifier: GPL-2.0-or-later
$(eval $(call define-backend,dir,backends/dir/dir.c,))
