# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests: tests/unit/test_NAME.c, each a cmocka program linked with core and backends/common.
unit-src := $(wildcard tests/unit/test_*.c)
unit-bin := $(patsubst tests/unit/%.c,$(B)/tests/%,$(unit-src))
test-pkgs := cmocka ext2fs com_err blkid

# What they share (a fake host for backends), taken as needed.
unit-shared := $(filter-out $(unit-src),$(wildcard tests/unit/*.c))
# Sources of a backend that a test calls directly: unit-with-NAME.
unit-with-dir := backends/dir/dir.c
unit-with-loop := $(loop-src)
unit-with-seccomp := modules/seccomp/shrink.c
unit-with-cgroup := $(cgroup-common) cgroup/v2/device_filter.c
unit-with-bench_stats := bench/report/stats.c
unit-with-bench_figure := bench/report/figure.c bench/report/escape.c

# Asked for when a test is compiled, and once: a machine that only builds lacks these packages.
test-cflags = $(eval test-cflags := $(call pkg-cflags,$(test-pkgs)))$(test-cflags)
$(foreach s,$(unit-src) $(unit-shared),$(eval EXTRA_$(s) += $$(test-cflags)))
$(eval $(call define-archive,unit.a,$(unit-shared)))

.SECONDEXPANSION:
$(B)/tests/test_%: $(B)/obj/tests/unit/test_%.o $$(call objects,$$(unit-with-$$*)) \
	$(B)/obj/unit.a $(B)/obj/core.a $(B)/obj/base.a $(B)/obj/common.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call pkg-libs,$(test-pkgs)) -lm

# Small programs that tests use.
tool-bin := $(patsubst tests/tools/%.c,$(B)/tests/tools/%,$(wildcard tests/tools/*.c))
$(B)/tests/tools/%: $(B)/obj/tests/tools/%.o $(B)/obj/unit.a $(B)/obj/core.a $(B)/obj/base.a \
	$(B)/obj/common.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call pkg-libs,$(test-pkgs))

# Two of them run in roots that have no library.
free-tools := $(B)/tests/tools/calls $(B)/tests/tools/capture
$(free-tools): $(B)/tests/tools/%: tests/tools/%.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(WARN) -O2 -static -nostdlib -ffreestanding -fno-pie -no-pie \
		-fno-stack-protector -o $@ $<

# Programs that measure.
bench-src := $(wildcard tests/bench/*.c)
bench-bin := $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(bench-src))
$(foreach s,$(bench-src),$(eval EXTRA_$(s) += $$(test-cflags)))
$(B)/tests/bench/%: $(B)/obj/tests/bench/%.o $(B)/obj/core.a $(B)/obj/base.a $(B)/obj/common.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call pkg-libs,$(test-pkgs))

$(B)/tests/bench/export: $(B)/obj/tests/bench/export.o $(B)/obj/ploop.a $(B)/obj/core.a \
		$(B)/obj/base.a $(B)/obj/common.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call pkg-libs,$(test-pkgs) expat liburing) -lpthread

.PHONY: test-tools test-build
test-tools: $(tool-bin)
include tests/fuzz/rules.mk
# All that tests need of the build.
test-build: all $(unit-bin) $(tool-bin) $(bench-bin) $(fuzz-bin) $(TEST_BACKENDS)

# Packages that building and testing need, and what tests keep in the cache folder.
.PHONY: deps deps-build
deps:
	@tests/deps
	@tests/vm/kernel >/dev/null
	@tests/debian-root >/dev/null
deps-build:
	@tests/deps build

# $(call build-for-tests,variables): in a make of its own, which sees the packages just installed.
parallel = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
build-for-tests = @$(MAKE) --no-print-directory $(parallel) $(1)

.PHONY: demo bench
demo: deps-build
	$(call build-for-tests,all)
	@tests/demo
# ROUNDS=N measures more; ROWS='start*' chooses.
bench: deps
	$(call build-for-tests,test-build)
	@tests/bench/run
	@tests/bench/datapath
	@tests/bench/operations
	@tests/bench/network
	@tests/bench/scale

# Asks before it installs (YES=1 agrees); starts no service of the machine.
.PHONY: compare
compare:
	@tests/compare/install
	$(call build-for-tests,all)
	@tests/compare/compare

.PHONY: check check-unit check-system check-contract check-fuzz check-vm
CHECK_KINDS := unit contract system fuzz tests/lint/structure.sh vm
check: deps
	$(call build-for-tests,test-build)
	@tests/run --summary build/summary $(CHECK_KINDS)
check-unit check-system check-contract check-vm: check-%: deps
	$(call build-for-tests,test-build)
	@tests/run $*

# The inputs that are kept, then FUZZ_SECONDS of looking for more with each target.
FUZZ_SECONDS ?= 5
check-fuzz: deps
	$(call build-for-tests,$(fuzz-bin) fuzzers)
	@tests/run fuzz
	@bash tests/fuzz/look $(FUZZ_SECONDS)

# Campaigns too long for `make check`.
.PHONY: check-long
check-long: deps
	$(call build-for-tests,test-build fuzzers)
	STOR_PLOOP_STATES=$${STOR_PLOOP_STATES:-100000} $(B)/tests/test_ploop_crash
	STOR_PLOOP_OP_STATES=$${STOR_PLOOP_OP_STATES:-2500} $(B)/tests/test_ploop_ops
	@bash tests/fuzz/look 120
	@STOR_LONG=yes tests/run tests/system/run_kill.sh tests/system/ploop_tools.sh \
		tests/system/ploop_debian.sh tests/system/net.sh tests/system/life_races.sh

# The rules of the house, which `make check` asks too, and other people's checkers.
.PHONY: lint
lint: deps
	$(call build-for-tests,test-build)
	@tests/run lint

# clang-tidy, asked again about a file when that or one of its headers changed. Not about unit tests,
# whose cmocka macros it takes for mistakes.
ifneq ($(filter tidy %.tidy,$(MAKECMDGOALS)),)
tidy-src := $(filter-out tests/unit/%,$(shell find core backends bench modules net cgroup plugins tests \
	-name '*.c' 2>/dev/null))
-include $(shell find $(B)/tidy -name '*.d' 2>/dev/null)
endif
tidy-flags = $(filter-out -MMD -MP,$(LANGUAGE)) $(call includes-for,$(1)) $(EXTRA_$(1)) \
	-DSTOR_VERSION='"$(VERSION)"'
.PHONY: tidy
tidy: $(patsubst %.c,$(B)/tidy/%.tidy,$(tidy-src))
$(B)/tidy/%.tidy: %.c .clang-tidy
	$(call say,TIDY,$<)
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- $(call tidy-flags,$<) >$@.log 2>&1 || \
		{ grep -A3 'error:' $@.log; exit 1; }
	$(Q)$(CC) $(call tidy-flags,$<) -MM -MP -MT $@ -MF $@.d $<
	@rm -f $@.log; touch $@

# The same tests on a build with sanitizers. Leaks count; a process that ends by _exit is not asked.
.PHONY: check-asan check-valgrind
check-asan: deps
	$(call build-for-tests,SAN=address$(comma)undefined test-build)
	@ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:exitcode=97:verify_asan_link_order=0:suppressions=$(CURDIR)/tests/asan.supp \
		LSAN_OPTIONS=suppressions=$(CURDIR)/tests/lsan.supp:print_suppressions=0 \
		UBSAN_OPTIONS=print_stacktrace=1 tests/run --left-out tests/asan-lacks \
		--build build/san unit contract system
comma := ,

VALGRIND := valgrind -q --error-exitcode=97 --leak-check=full --show-leak-kinds=definite \
	--errors-for-leak-kinds=none --child-silent-after-fork=yes
check-valgrind: deps
	$(call build-for-tests,test-build)
	@tests/run --left-out tests/valgrind-lacks --refuse '^==.* definitely lost' --prefix '$(VALGRIND)' unit

# The ploop engine's tests link it; test_ploop_faults links it with bugs put back.
$(B)/tests/test_ploop%: $(B)/obj/tests/unit/test_ploop%.o $(B)/obj/ploop-test.a $(B)/obj/ploop.a \
		$(B)/obj/unit.a $(B)/obj/core.a $(B)/obj/base.a $(B)/obj/common.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call pkg-libs,$(test-pkgs) expat liburing) -lpthread
$(B)/tests/test_ploop_faults: $(B)/faulty/tests/unit/test_ploop_faults.o $(B)/obj/ploop-faulty.a \
		$(B)/obj/core.a $(B)/obj/base.a $(B)/obj/common.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call pkg-libs,$(test-pkgs) expat liburing) -lpthread

$(B)/tests/tools/ploopctl: $(B)/obj/tests/tools/ploopctl.o $(B)/obj/ploop-test.a $(B)/obj/ploop.a \
		$(B)/obj/core.a $(B)/obj/base.a $(B)/obj/common.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call pkg-libs,$(test-pkgs) expat liburing) -lpthread
