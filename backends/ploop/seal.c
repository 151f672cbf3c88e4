/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files without holes: see seal.h. */
#include "ploop/seal.h"

#include "common/host.h"

#define STEP_BYTES (UINT64_C(64) << 20)

int ploop_seal_all(struct ploop_file *file, const char *name, struct stor_err *err)
{
	uint64_t size = 0;
	int r = file->ops->size(file, &size);

	for (uint64_t at = 0; at < size && !r; at += STEP_BYTES) {
		uint64_t length = size - at < STEP_BYTES ? size - at : STEP_BYTES;

		/* No granule fits: every hole is written to. */
		r = file->ops->seal(file, at, length, UINT64_C(1) << 62);
		if (!r && host->progress("writing zeros", at + length, size, err) < 0)
			return -1;
	}
	if (!r)
		r = file->ops->sync(file);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: write zeros to \"%s\"", name) : 0;
}
