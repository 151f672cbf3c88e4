# SPDX-License-Identifier: GPL-2.0-or-later
# The only makefile. Each folder's rules.mk lists its sources and libraries; nothing is configured:
# pkg-config says where libraries are. `make help` lists the targets.

VERSION := 0.1.0
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
LIBEXECDIR ?= $(PREFIX)/libexec
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/stor
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
UNITDIR ?= $(PREFIX)/lib/systemd/system
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig

# SAN=address,undefined builds and tests everything with sanitizers, KILL_POINTS=1 with places to be
# killed at; each in a folder of its own.
SAN ?=
B := build$(if $(SAN),/san)$(if $(KILL_POINTS),/kill)
# These goals first install what is missing, then make the rest in a make of their own, which finds
# the libraries; so they ask pkg-config for nothing.
FIRST_GOALS := deps deps-build help clean demo check check-unit check-system check-contract \
	check-fuzz check-vm check-long check-asan check-valgrind lint bench compare
ifeq ($(and $(MAKECMDGOALS),$(if $(filter-out $(FIRST_GOALS),$(MAKECMDGOALS)),,first)),first)
PKG_CONFIG := :
endif
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g
WERROR ?= $(if $(CI),1)
override CFLAGS += $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all,\
	-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) $(if $(WERROR),-Werror)
# Without a segment of their own for constants modules load a sixth quicker, and each start loads two.
override LDFLAGS += $(if $(SAN),-fsanitize=$(SAN)) -Wl,-z,relro,-z,now,-z,noseparate-code
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wvla -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 -Wcast-align=strict -Wlogical-op \
	-Wno-missing-field-initializers
LANGUAGE := -std=gnu11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -fstack-protector-strong -MMD -MP
COMPILE = $(CC) $(LANGUAGE) $(WARN) $(CFLAGS) $(CPPFLAGS) $(if $(KILL_POINTS),-DSTOR_KILL_POINTS)
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(2)')

.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all
all:

# Objects are rebuilt when the flags change.
FLAGS_NOW := $(CC) $(LANGUAGE) $(WARN) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) $(VERSION)
$(B)/flags: force
	@mkdir -p $(@D); echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' >$@
.PHONY: force

# Who may include what: core sees the whole tree, a backend sees the SDK and backends/common alone,
# tests see everything. A breach does not compile.
CORE_INCLUDES := -I. -Iplugins/include
BACKEND_INCLUDES := -Ibackends -Iplugins/include
includes-for = $(if $(filter backends/% plugins/%,$(1)),$(BACKEND_INCLUDES),$(CORE_INCLUDES) -Ibackends)

$(B)/obj/%.o: %.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(call includes-for,$<) $(EXTRA_$<) -DSTOR_VERSION='"$(VERSION)"' -c $< -o $@

objects = $(patsubst %.c,$(B)/obj/%.o,$(1))
pkg-cflags = $(if $(1),$(shell $(PKG_CONFIG) --cflags $(1)))
pkg-libs = $(if $(1),$(shell $(PKG_CONFIG) --libs $(1)))

# $(call define-archive,file.a,sources): a static library within the build.
define define-archive
$(B)/obj/$(1): $$(call objects,$(2))
	$$(call say,AR,$(1))
	$(Q)rm -f $$@; $$(AR) rcs $$@ $$^
endef

# $(call define-module,file,sources,archives,pkg-config names): one shared object that exports its
# entry point alone. clang with sanitizers cannot link with -z defs; gcc can.
define define-module
$(foreach s,$(2),$(eval EXTRA_$(s) += $(call pkg-cflags,$(4))))
$(B)/modules/$(1): $$(call objects,$(2)) $$(addprefix $(B)/obj/,$(3))
	$$(call say,LD,$(1))
	@mkdir -p $$(@D)
	$(Q)$$(CC) -shared $$(CFLAGS) $$(LDFLAGS) -Wl,-z,defs -Wl,--exclude-libs,ALL -o $$@ \
		$$(call objects,$(2)) $$(addprefix $(B)/obj/,$(3)) $(call pkg-libs,$(4))
MODULES += $(B)/modules/$(1)
MODULE_SOURCES += $(2)
endef

# $(call define-backend,name,sources,pkg-config names): stor-NAME.so, with backends/common.
define-backend = $(call define-module,backends/stor-$(1).so,$(2),common.a,$(3))

# $(call define-internal,name,sources,pkg-config names): a part of core that needs a library, loaded
# by the command that needs it.
define-internal = $(call define-module,internal/$(1).so,$(2),base.a,$(3))

# $(call define-cgroup,name,sources): a cgroup module, loaded by the run or command that needs one.
define-cgroup = $(call define-module,cgroup/$(1).so,$(2),base.a,)

# $(call define-net,name,sources,pkg-config names): a network module, loaded by the run that asks for
# such a network.
define-net = $(call define-module,net/$(1).so,$(2),base.a,$(3))

include core/rules.mk backends/common/rules.mk
include $(sort $(filter-out backends/common/rules.mk,$(wildcard backends/*/rules.mk)))
include $(sort $(wildcard modules/*/rules.mk cgroup/rules.mk net/*/rules.mk))
include bench/rules.mk plugins/rules.mk docs/rules.mk tests/rules.mk

all: $(B)/stor $(PROGRAMS) $(MODULES)

.PHONY: clean help
clean:
	rm -rf build

help:
	@echo 'all            build/stor and its modules'
	@echo 'deps           install the Debian packages that building and testing need'
	@echo 'demo           run one container on loop and one on dir, visibly'
	@echo 'check          install what is missing, build, and pass every test; a part of it:'
	@echo '               check-unit, check-system, check-contract, check-fuzz, check-vm;'
	@echo "               TESTS='system/run*' chooses: KIND/FILE or KIND/FILE:TEST"
	@echo 'check-long     longer campaigns (at most an hour)'
	@echo 'check-asan     the tests with address and undefined behaviour sanitizers'
	@echo 'check-valgrind the unit tests under valgrind'
	@echo 'lint           clang-tidy, cppcheck, format, layering, exported symbols'
	@echo 'bench          measure against floors and peers'
	@echo 'compare        measure stor, LXC and Docker beside each other; write docs/comparison.md and its details;'
	@echo '               asks before it installs what is missing (YES=1 agrees); ROUNDS=N, more rounds'
	@echo 'install        to PREFIX ($(PREFIX)), below DESTDIR; uninstall takes it back'
	@echo 'clean          remove build/'

-include $(shell find $(B)/obj $(B)/faulty -name '*.d' 2>/dev/null)
