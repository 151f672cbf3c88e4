# SPDX-License-Identifier: GPL-2.0-or-later
# The two versions of the kernel's interface to control groups.
cgroup-common := $(wildcard cgroup/common/*.c)
$(eval $(call define-cgroup,v1,$(wildcard cgroup/v1/*.c) $(cgroup-common)))
$(eval $(call define-cgroup,v2,$(wildcard cgroup/v2/*.c) $(cgroup-common)))
