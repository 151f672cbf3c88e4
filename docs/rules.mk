# SPDX-License-Identifier: GPL-2.0-or-later
# Man pages: docs/NAME.SECTION.pod and backends/BACKEND/NAME.SECTION.pod become build/man/NAME.SECTION.
# Installing what is not the SDK, which plugins/rules.mk installs.
pages-src := $(wildcard docs/*.[0-9].pod plugins/*.[0-9].pod backends/*/*.[0-9].pod)
pages :=

# $(call define-page,file.pod)
define define-page
pages += $(B)/man/$(notdir $(1:.pod=))
$(B)/man/$(notdir $(1:.pod=)): $(1) $(B)/flags
	$$(call say,POD,$(1))
	@mkdir -p $$(@D)
	$$(Q)pod2man --utf8 --errors=die --name='$(call page-name,$(1))' --section='$(call page-section,$(1))' \
		--release='stor $(VERSION)' --center='stor manual' $$< $$@
endef
page-name = $(basename $(notdir $(1:.pod=)))
page-section = $(patsubst .%,%,$(suffix $(1:.pod=)))
$(foreach p,$(pages-src),$(eval $(call define-page,$(p))))

.PHONY: docs install uninstall
docs: $(pages)
all: docs

# Modules keep the folder that their kind has in the build: LIBDIR/stor/backends, …/internal. stor
# finds them, and programs that lie among them, as ../lib/stor from itself, wherever all is moved.
MODULEDIR = $(LIBDIR)/stor
installed-module = $(MODULEDIR)/$(patsubst $(B)/modules/%,%,$(1))
installed-page = $(MANDIR)/man$(patsubst .%,%,$(suffix $(1)))/$(notdir $(1))
to-install = $(MODULES) $(filter $(B)/modules/%,$(PROGRAMS))
installed-files = $(BINDIR)/stor $(foreach m,$(to-install),$(call installed-module,$(m))) \
	$(foreach p,$(pages),$(call installed-page,$(p))) \
	$(COMPLETIONDIR)/stor $(UNITDIR)/stor.slice $(UNITDIR)/stor.service \
	$(DOCDIR)/LICENSE $(DOCDIR)/architecture.md $(DOCDIR)/internals.md
sdk-has = $(if $(shell grep -l '^$(1):' plugins/rules.mk),$(1))
INSTALL ?= install

install: all $(call sdk-has,install-sdk)
	$(INSTALL) -D -m 755 $(B)/stor $(DESTDIR)$(BINDIR)/stor
	$(foreach m,$(to-install),$(INSTALL) -D -m 755 $(m) $(DESTDIR)$(call installed-module,$(m)) &&) true
	$(foreach p,$(pages),$(INSTALL) -D -m 644 $(p) $(DESTDIR)$(call installed-page,$(p)) &&) true
	$(INSTALL) -D -m 644 docs/completion.bash $(DESTDIR)$(COMPLETIONDIR)/stor
	$(INSTALL) -D -m 644 docs/stor.slice $(DESTDIR)$(UNITDIR)/stor.slice
	sed 's|@BINDIR@|$(BINDIR)|' docs/stor.service | $(INSTALL) -D -m 644 /dev/stdin $(DESTDIR)$(UNITDIR)/stor.service
	$(INSTALL) -D -m 644 LICENSE $(DESTDIR)$(DOCDIR)/LICENSE
	$(INSTALL) -D -m 644 docs/architecture.md $(DESTDIR)$(DOCDIR)/architecture.md
	$(INSTALL) -D -m 644 docs/internals.md $(DESTDIR)$(DOCDIR)/internals.md

# Folders that are stor's own go when they are empty; those of the system stay.
uninstall: $(call sdk-has,uninstall-sdk)
	rm -f $(addprefix $(DESTDIR),$(installed-files))
	for d in $(patsubst %,'$(DESTDIR)%',$(sort $(dir $(foreach m,$(to-install),$(call installed-module,$(m))))) \
		$(MODULEDIR) $(DOCDIR)); do \
		[ ! -d "$$d" ] || rmdir --ignore-fail-on-non-empty "$$d"; done
