# SPDX-License-Identifier: GPL-2.0-or-later
# The default profile compiled when stor is built, and others at a start by the internal module.
seccomp-gen-src := modules/seccomp/generate.c modules/seccomp/compile.c modules/seccomp/profile.c \
	modules/seccomp/shrink.c core/container/caps.c
$(B)/seccomp-generate: $(call objects,$(seccomp-gen-src)) $(B)/obj/base.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call pkg-libs,libseccomp)

$(B)/gen/seccomp_variants.c: $(B)/seccomp-generate
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)$< >$@

seccomp-src := $(filter-out modules/seccomp/generate.c,$(wildcard modules/seccomp/*.c)) \
	core/container/caps.c
$(eval $(call define-internal,seccomp,$(seccomp-src),libseccomp json-c))
