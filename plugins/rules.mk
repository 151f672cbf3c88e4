# SPDX-License-Identifier: GPL-2.0-or-later
# The SDK: header, pkg-config file, template, example, and the conformance suite, which is a program
# of its own beside the modules: it drives a backend through core's own loader.
suite-src := $(wildcard plugins/conformance/*.c)
$(foreach s,$(suite-src),$(eval EXTRA_$(s) += -I. -Iplugins))

$(B)/modules/stor-backend-check: $(call objects,$(suite-src)) $(B)/obj/core.a $(B)/obj/base.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@ $^
PROGRAMS += $(B)/modules/stor-backend-check

# $(call define-test-backend,name,sources): for tests, so not among the modules.
define define-test-backend
$(B)/tests/backends/stor-$(1).so: $$(call objects,$(2))
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$(Q)$$(CC) -shared $$(CFLAGS) $$(LDFLAGS) -Wl,-z,defs -o $$@ $$^
TEST_BACKENDS += $(B)/tests/backends/stor-$(1).so
endef

snapdir-src := $(wildcard plugins/examples/snapdir/*.c)
$(eval $(call define-test-backend,snapdir,$(snapdir-src)))

# Backends that break the contract on purpose, or use every service.
faulty-src := tests/backends/faulty.c
$(eval EXTRA_$(faulty-src) += -Iplugins/examples/snapdir)
$(eval $(call define-test-backend,faulty,$(faulty-src) $(filter-out %/snapdir.c,$(snapdir-src))))

test-build: $(TEST_BACKENDS)
