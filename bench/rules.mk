# SPDX-License-Identifier: GPL-2.0-or-later
# stor-bench, a program of its own, which `stor bench` executes: bench/data*.c reads data files,
# bench/measure takes
# measurements, bench/report makes tables and plots of them.
stor-bench-src := $(filter-out bench/main.c,$(wildcard bench/*.c bench/measure/*.c bench/report/*.c))
stor-bench-pkgs := json-c
$(foreach s,$(stor-bench-src),$(eval EXTRA_$(s) += $(call pkg-cflags,$(stor-bench-pkgs))))
$(eval $(call define-archive,bench.a,$(stor-bench-src)))

$(B)/modules/internal/stor-bench: $(call objects,bench/main.c) $(B)/obj/bench.a $(B)/obj/base.a
	$(call say,LD,$@)
	$(Q)$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call pkg-libs,$(stor-bench-pkgs)) -lm
PROGRAMS += $(B)/modules/internal/stor-bench
