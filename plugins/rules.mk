# SPDX-License-Identifier: GPL-2.0-or-later
# The SDK: header, pkg-config file, template, example, and the conformance suite, which is a program
# of its own beside the modules: it drives a backend through core's own loader.
suite-src := $(wildcard plugins/conformance/*.c)
$(foreach s,$(suite-src),$(eval EXTRA_$(s) += -I.))

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
$(eval $(call define-test-backend,faulty,tests/backends/faulty.c $(filter-out %/snapdir.c,$(snapdir-src))))
$(eval $(call define-test-backend,services,tests/backends/services.c))

test-build: $(TEST_BACKENDS)

# --- installing ---------------------------------------------------------------------------------
# The pkg-config file says where things are relative to itself when they lie below PREFIX, so that
# the whole can be moved.
SDKDOCDIR = $(DOCDIR)/examples
relative-to-prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))
pc-prefix = $(if $(filter $(PREFIX)/lib/%,$(PKGCONFIGDIR)),$${pcfiledir}/$(if \
	$(filter $(PREFIX)/lib/pkgconfig,$(PKGCONFIGDIR)),../..,../../..),$(PREFIX))
abi-version := $(shell sed -n 's/^.define STOR_ABI_VERSION \([0-9]*\)u$$/\1/p' \
	plugins/include/stor/backend.h)

$(B)/stor-backend.pc: plugins/stor-backend.pc.in plugins/include/stor/backend.h $(B)/flags force
	@sed -e 's|@PREFIX@|$(pc-prefix)|' -e 's|@LIBDIR@|$(call relative-to-prefix,$(LIBDIR))|' \
		-e 's|@INCLUDEDIR@|$(call relative-to-prefix,$(INCLUDEDIR))|' \
		-e 's|@VERSION@|$(VERSION)|' -e 's|@ABI_VERSION@|$(abi-version)|' $< >$@

sdk-headers := $(wildcard plugins/include/stor/backend.h plugins/include/stor/util.h)
sdk-examples := $(wildcard plugins/template/* plugins/examples/*/*)
sdk-installed = $(PKGCONFIGDIR)/stor-backend.pc $(LIBDIR)/stor/stor-backend-check \
	$(patsubst plugins/include/%,$(INCLUDEDIR)/%,$(sdk-headers)) \
	$(foreach f,$(sdk-examples),$(SDKDOCDIR)/$(patsubst examples/%,%,$(f:plugins/%=%)))

.PHONY: install-sdk uninstall-sdk
install-sdk: $(B)/stor-backend.pc $(B)/modules/stor-backend-check
	$(INSTALL) -D -m 644 $(B)/stor-backend.pc $(DESTDIR)$(PKGCONFIGDIR)/stor-backend.pc
	$(INSTALL) -D -m 755 $(B)/modules/stor-backend-check $(DESTDIR)$(LIBDIR)/stor/stor-backend-check
	$(foreach h,$(sdk-headers),$(INSTALL) -D -m 644 $(h) \
		$(DESTDIR)$(patsubst plugins/include/%,$(INCLUDEDIR)/%,$(h)) &&) true
	$(foreach f,$(sdk-examples),$(INSTALL) -D -m 644 $(f) \
		$(DESTDIR)$(SDKDOCDIR)/$(patsubst examples/%,%,$(f:plugins/%=%)) &&) true

uninstall-sdk:
	rm -f $(addprefix $(DESTDIR),$(sdk-installed))
	for d in $(sort $(dir $(filter $(SDKDOCDIR)/%,$(sdk-installed)))) $(SDKDOCDIR) $(INCLUDEDIR)/stor; do \
		[ ! -d "$(DESTDIR)$$d" ] || rmdir --ignore-fail-on-non-empty "$(DESTDIR)$$d"; done
