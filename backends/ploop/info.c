/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a volume is and takes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <stor/util.h>

#include "common/extents.h"
#include "common/host.h"
#include "ploop/backend.h"
#include "ploop/direct.h"
#include "ploop/driver.h"
#include "ploop/image.h"
#include "ploop/kernel.h"
#include "ploop/libploop.h"
#include "ploop/volume.h"

/* Images in the volume's own folder are freed with it, but for blocks that a clone has too; others
 * are its parents'. */
static int count_image(const struct ploop_volume *pv, const char *file, uint64_t *own,
                       uint64_t *shared, struct stor_err *err)
{
	cleanup_close int fd = openat(pv->dir_fd, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint64_t allocated, of_others;
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return host->fail(err, STOR_FAILED, errno, "ploop: image %s of %s", file, pv->path);
	allocated = of_others = (uint64_t)st.st_blocks * 512;
	if (!strchr(file, '/')) {
		of_others = extents_shared_bytes(fd);
		of_others = of_others < allocated ? of_others : allocated;
	}
	*own += allocated - of_others;
	*shared += of_others;
	return 0;
}

static int emit_number(struct stor_info *info, const char *key, uint64_t value)
{
	char text[32];

	if (!info->emit)
		return 0;
	snprintf(text, sizeof(text), "%" PRIu64, value);
	return info->emit(info->emit_ctx, key, text);
}

static const char *format_of(struct ploop_volume *pv)
{
	struct ploop_link *top = ploop_volume_top(pv);
	struct ploop_header header;

	if (top->is_raw)
		return "ploop, raw";
	if (!ploop_image_read_header(top->file, &header))
		return "ploop";
	if (header.version == 1)
		return "ploop v1";
	return pv->descriptor.is_preallocated ? "ploop v2, preallocated" : "ploop v2";
}

/* What attach=auto comes to for a writer, and why. */
static int emit_attach(const struct ploop_volume *pv, struct stor_info *info)
{
	const char *why = ploop_direct_place(pv, &(uint64_t){ 0 }, &(uint64_t){ 0 });
	char text[256];

	if (ploop_driver_is_there() && !ploop_kernel_refuses(pv))
		snprintf(text, sizeof(text), "kernel: there is a ploop driver");
	else if (why)
		snprintf(text, sizeof(text), "engine: %s", why);
	else
		snprintf(text, sizeof(text), "direct: %s",
		         pv->links[0].is_raw ? "it is a raw disk" : "its clusters lie in order");
	return info->emit(info->emit_ctx, "attach", text);
}

/* Who works on the files of this volume, or would if `tool` let it. */
static int emit_tool(struct stor_info *info, struct stor_err *err)
{
	struct libploop_job job = { .op = LIBPLOOP_FIND, .dir_fd = -1 };
	struct libploop_answer answer;
	char text[600];

	if (!info->emit)
		return 0;
	if (libploop_run(&job, &answer, err))
		return -1;
	if (answer.result == LIBPLOOP_DONE)
		snprintf(text, sizeof(text), "libploop (%s) and engine", answer.text);
	else
		snprintf(text, sizeof(text), "engine (no libploop: %s)", answer.text);
	return info->emit(info->emit_ctx, "tool", text);
}

/* A file of the chain is missing, or the chain is none: the check tells what is wrong with a volume
 * that nobody can attach. */
static bool is_broken(const struct ploop_volume *pv)
{
	const struct ploop_descriptor *d = &pv->descriptor;
	const struct ploop_shot *shot = ploop_descriptor_shot(d, d->top);

	for (unsigned n = 0; n < PLOOP_CHAIN_MAX; n++) {
		const struct ploop_image *image = ploop_descriptor_image(d, shot->guid);

		if (!image || faccessat(pv->dir_fd, image->file, F_OK, 0) < 0)
			return true;
		if (guid_equal(shot->parent, PLOOP_NO_GUID))
			return false;
		shot = ploop_descriptor_shot(d, shot->parent);
		if (!shot)
			return true;
	}
	return true;
}

static int describe_chain(struct ploop_volume *pv, struct stor_info *info, struct stor_err *err)
{
	char device[PLOOP_DRIVER_NAME_BYTES];

	if (ploop_volume_open_chain(pv, NULL, false, 0, err))
		return -1;
	info->format = format_of(pv);
	/* Whoever attached it for writing holds an exclusive lock, or has a device of the kernel's
	 * driver. Another descriptor of our own asks, and lets go when it is closed. */
	info->in_use = (flock(ploop_volume_top(pv)->file->fd, LOCK_SH | LOCK_NB) < 0 &&
	                errno == EWOULDBLOCK) ||
	               ploop_volume_is_served(pv, false, device);
	return 0;
}

int ploop_info(const struct stor_volume *volume, struct stor_info *info, struct stor_err *err)
{
	cleanup_ploop_volume struct ploop_volume pv = PLOOP_VOLUME_INIT;
	uint64_t own = 0, shared = 0;
	bool is_whole;

	if (ploop_volume_open(volume, PLOOP_VOLUME_UNLOCKED, 0, &pv, err))
		return -1;
	info->format = "ploop, broken";
	is_whole = !is_broken(&pv);
	if (is_whole && describe_chain(&pv, info, err))
		return -1;
	if (info->flags & STOR_INFO_IN_USE_ONLY)
		return 0;
	for (unsigned i = 0; i < pv.descriptor.image_count; i++)
		if (count_image(&pv, pv.descriptor.images[i].file, &own, &shared, err))
			return -1;
	info->size_bytes = pv.descriptor.sectors * PLOOP_SECTOR;
	info->allocated_bytes = own + shared;
	info->exclusive_bytes = own;
	if (emit_number(info, "shared_bytes", shared) ||
	    emit_number(info, "chain_files", pv.count) ||
	    emit_number(info, "cluster_bytes",
	                (uint64_t)pv.descriptor.cluster_sectors * PLOOP_SECTOR))
		return -1;
	if (is_whole && info->emit && emit_attach(&pv, info))
		return -1;
	return emit_tool(info, err);
}
