loop-src := $(wildcard backends/loop/*.c)
ifneq ($(wildcard backends/common/ext4.c),)
$(eval $(call define-backend,loop,$(loop-src),ext2fs com_err))
endif
