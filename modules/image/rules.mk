# SPDX-License-Identifier: GPL-2.0-or-later
# Importing and exporting images: libarchive reads and writes tar, json-c reads manifests, nettle
# (which libarchive is linked with anyway) has SHA-256.
image-src := $(wildcard modules/image/*.c)
$(eval $(call define-internal,image,$(image-src),libarchive json-c nettle))
