# SPDX-License-Identifier: GPL-2.0-or-later
$(eval $(call define-backend,ploop,$(wildcard backends/ploop/*.c),ext2fs com_err expat liburing))

# The engine, as an archive that tests link, and once more with bugs that tests put back on purpose.
ploop-src := $(wildcard backends/ploop/*.c)
$(eval $(call define-archive,ploop.a,$(ploop-src)))
$(eval $(call define-archive,ploop-test.a,$(wildcard tests/ploop/*.c)))

ploop-faulty := $(patsubst %.c,$(B)/faulty/%.o,$(ploop-src) $(wildcard tests/ploop/*.c))
$(B)/faulty/%.o: %.c $(B)/flags
	$(call say,CC,$< (faulty))
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -DPLOOP_FAULTS $(call includes-for,$<) $(EXTRA_$<) -DSTOR_VERSION='"$(VERSION)"' -c $< -o $@
$(B)/obj/ploop-faulty.a: $(ploop-faulty)
	$(call say,AR,ploop-faulty.a)
	$(Q)rm -f $@; $(AR) rcs $@ $^
