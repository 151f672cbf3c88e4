# Unit tests: tests/unit/test_NAME.c, each a cmocka program linked with core and backends/common.
unit-src := $(wildcard tests/unit/test_*.c)
unit-bin := $(patsubst tests/unit/%.c,$(B)/tests/%,$(unit-src))
test-pkgs := cmocka ext2fs com_err blkid

$(foreach s,$(unit-src),$(eval EXTRA_$(s) += $(call pkg-cflags,$(test-pkgs))))

$(B)/tests/test_%: $(B)/obj/tests/unit/test_%.o $(B)/obj/core.a $(B)/obj/base.a $(B)/obj/common.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call pkg-libs,$(test-pkgs))
check-unit: $(unit-bin)
	@set -e; for t in $^; do $$t; done

# Small programs that tests use.
tool-bin := $(patsubst tests/tools/%.c,$(B)/tests/tools/%,$(wildcard tests/tools/*.c))
$(B)/tests/tools/%: $(B)/obj/tests/tools/%.o $(B)/obj/common.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call pkg-libs,$(test-pkgs))
.PHONY: test-tools
test-tools: $(tool-bin)
