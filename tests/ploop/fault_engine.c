/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Image files that fail: see fault_engine.h. */
#include "fault_engine.h"

#include <stdlib.h>

struct faulty_file {
	struct ploop_file file;
	struct ploop_file *inner;
	struct fault *fault;
};

static struct faulty_file *of(struct ploop_file *file)
{
	return (struct faulty_file *)file;
}

/* 0, or the error with which this operation fails. */
static int strike(struct ploop_file *file, enum fault_kind kind)
{
	struct fault *fault = of(file)->fault;
	unsigned number = ++fault->seen[kind];

	if (!fault->at || kind != fault->kind ||
	    (fault->stays ? number < fault->at : number != fault->at))
		return 0;
	fault->failed++;
	return fault->error;
}

static int faulty_pread(struct ploop_file *file, void *data, size_t length, uint64_t offset)
{
	int r = strike(file, FAULT_READ);

	return r ? r : of(file)->inner->ops->pread(of(file)->inner, data, length, offset);
}

static int faulty_pwrite(struct ploop_file *file, const void *data, size_t length, uint64_t offset)
{
	struct ploop_file *inner = of(file)->inner;
	int r = strike(file, FAULT_WRITE);

	if (r)
		(void)inner->ops->pwrite(inner, data, length / 1024 * 512, offset);
	return r ? r : inner->ops->pwrite(inner, data, length, offset);
}

static int faulty_sync(struct ploop_file *file)
{
	int r = strike(file, FAULT_SYNC);

	return r ? r : of(file)->inner->ops->sync(of(file)->inner);
}

static int faulty_truncate(struct ploop_file *file, uint64_t size)
{
	int r = strike(file, FAULT_TRUNCATE);

	return r ? r : of(file)->inner->ops->truncate(of(file)->inner, size);
}

static int faulty_zero(struct ploop_file *file, uint64_t offset, uint64_t length)
{
	int r = strike(file, FAULT_ZERO);

	return r ? r : of(file)->inner->ops->zero(of(file)->inner, offset, length);
}

static int faulty_seal(struct ploop_file *file, uint64_t offset, uint64_t length, uint64_t granule)
{
	return of(file)->inner->ops->seal(of(file)->inner, offset, length, granule);
}

static int faulty_size(struct ploop_file *file, uint64_t *size)
{
	return of(file)->inner->ops->size(of(file)->inner, size);
}

static void faulty_close(struct ploop_file *file)
{
	ploop_file_close(of(file)->inner);
	free(file);
}

static const struct ploop_file_ops faulty_ops = {
	.pread = faulty_pread,
	.pwrite = faulty_pwrite,
	.sync = faulty_sync,
	.truncate = faulty_truncate,
	.zero = faulty_zero,
	.seal = faulty_seal,
	.size = faulty_size,
	.close = faulty_close,
};

struct ploop_file *fault_wrap(struct ploop_file *inner, struct fault *fault)
{
	struct faulty_file *faulty = malloc(sizeof(*faulty));

	if (!faulty)
		abort();
	*faulty = (struct faulty_file){ { &faulty_ops, -1 }, inner, fault };
	return &faulty->file;
}
