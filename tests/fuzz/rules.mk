# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzz targets: tests/fuzz/NAME.c. Each is built with sanitizers from its own objects, for replaying
# the corpus (tests/fuzz_NAME) and, by clang, for looking for more (fuzzers/NAME).
fuzz-src := $(wildcard tests/fuzz/*.c)
fuzz-names := $(patsubst tests/fuzz/%.c,%,$(fuzz-src))
fuzz-pkgs := libarchive json-c nettle zlib expat libseccomp
fuzz-lib-src := $(base-src) core/params.c $(common-src) $(ploop-src) tests/ploop/memfs.c \
	tests/ploop/testhost.c $(image-src) $(filter-out modules/seccomp/module.c,$(seccomp-src)) \
	$(stor-bench-src)
fuzz-corpus := $(CURDIR)/tests/fuzz/corpus
FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
CLANG ?= clang

# $(1) source, $(2) compiler and what it needs: not the user's CFLAGS, which could ask for less.
fuzz-compile = $(2) -std=gnu11 -D_GNU_SOURCE -MMD -MP $(FUZZ_FLAGS) $(call includes-for,$(1)) \
	$(EXTRA_$(1)) -DSTOR_VERSION='"$(VERSION)"'
$(foreach s,$(fuzz-src),$(eval EXTRA_$(s) += $(call pkg-cflags,$(fuzz-pkgs))))

# For make tidy, which compiles it by itself.
EXTRA_tests/fuzz/driver/replay.c := -DFUZZ_CORPUS='"$(fuzz-corpus)"'

$(B)/fuzz/replay/%.o: %.c $(B)/flags
	$(call say,CC,$< (sanitized))
	@mkdir -p $(@D)
	$(Q)$(call fuzz-compile,$<,$(CC) $(WARN) $(if $(WERROR),-Werror)) -c $< -o $@
$(B)/fuzz/clang/%.o: %.c $(B)/flags
	$(call say,CC,$< (fuzzed))
	@mkdir -p $(@D)
	$(Q)$(call fuzz-compile,$<,$(CLANG) -fsanitize=fuzzer-no-link) -c $< -o $@

# $(call define-fuzz-library,replay or clang)
define define-fuzz-library
$(B)/fuzz/$(1)/fuzz.a: $(patsubst %.c,$(B)/fuzz/$(1)/%.o,$(fuzz-lib-src))
	$$(call say,AR,fuzz.a ($(1)))
	$$(Q)rm -f $$@; $$(AR) rcs $$@ $$^
endef
$(foreach how,replay clang,$(eval $(call define-fuzz-library,$(how))))

# The corpus is the program's own folder.
$(B)/tests/fuzz_%: $(B)/fuzz/replay/tests/fuzz/%.o tests/fuzz/driver/replay.c \
		$(B)/fuzz/replay/fuzz.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) $(FUZZ_FLAGS) -I. -DFUZZ_CORPUS='"$(fuzz-corpus)/$*"' \
		-o $@ $^ $(call pkg-libs,$(fuzz-pkgs)) -lpthread -lm
$(B)/fuzzers/%: $(B)/fuzz/clang/tests/fuzz/%.o $(B)/fuzz/clang/fuzz.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -fsanitize=fuzzer $(FUZZ_FLAGS) -o $@ $^ $(call pkg-libs,$(fuzz-pkgs)) -lpthread -lm

fuzz-bin := $(addprefix $(B)/tests/fuzz_,$(fuzz-names))
fuzzers := $(addprefix $(B)/fuzzers/,$(fuzz-names))
.PHONY: fuzzers
fuzzers: $(fuzzers)
-include $(shell find $(B)/fuzz -name '*.d' 2>/dev/null)
