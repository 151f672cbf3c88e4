# SPDX-License-Identifier: GPL-2.0-or-later
# core/base knows nothing of containers; core is everything else but main. `stor` links libc alone.
base-src := $(wildcard core/base/*.c)
# The default system call profiles are compiled to programs when stor is built (modules/seccomp).
core-src := $(filter-out core/main.c,$(wildcard core/*.c core/container/*.c core/cgroup/*.c core/net/*.c core/doctor/*.c)) \
	$(B)/gen/seccomp_variants.c
$(eval $(call define-archive,base.a,$(base-src)))
$(eval $(call define-archive,core.a,$(core-src)))

$(B)/stor: $(call objects,core/main.c) $(B)/obj/core.a $(B)/obj/base.a
	$(call say,LD,$@)
	$(Q)$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@ $^

# The reaper, process 1 of containers with --init; beside the internal modules, where core finds it.
# Sanitizers have no static form.
$(B)/modules/internal/stor-init: core/init/stor-init.c $(B)/flags
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) $(filter-out -fsanitize=%,$(CFLAGS)) -static -o $@ $<
PROGRAMS += $(B)/modules/internal/stor-init
