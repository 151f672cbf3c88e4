# SPDX-License-Identifier: GPL-2.0-or-later
# Importing and exporting images: libarchive reads and writes tar, json-c reads manifests, nettle
# has SHA-256 and zlib undoes gzip (libarchive is linked with both anyway).
image-src := $(wildcard modules/image/*.c)
$(eval $(call define-internal,image,$(image-src),libarchive json-c nettle zlib))
