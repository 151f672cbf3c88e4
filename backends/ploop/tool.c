/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libploop or the engine: see tool.h. libploop takes the lock of DiskDescriptor.xml itself, so it
 * is let go for the call. Meanwhile the locks on the chain's images keep other users of stor away,
 * and whatever `ploop` does in between libploop reads before it begins.
 */
#include "ploop/tool.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>

#include <stor/util.h>

#include "common/copyfile.h"
#include "common/host.h"
#include "ploop/ops_internal.h"
#include "ploop/volume.h"

bool ploop_tool_prefers_libploop(enum ploop_tool_choice choice, enum libploop_op op)
{
	if (choice != PLOOP_TOOL_AUTO)
		return choice == PLOOP_TOOL_LIBPLOOP;
	return op != LIBPLOOP_MERGE && op != LIBPLOOP_VERSION && op != LIBPLOOP_LAYOUT;
}

/* --- what libploop is not let near -------------------------------------------------------------
 */

static const char *why_not_image(struct ploop_disk *disk, const struct libploop_job *job,
                                 const char *name)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	bool makes_one = job->op == LIBPLOOP_SNAPSHOT || job->op == LIBPLOOP_SWITCH;
	uint8_t raw[PLOOP_HEADER_BYTES];
	struct ploop_header header;

	if (!ploop_file_is_own(name))
		return "an image lies in another folder";
	if (disk->dir->ops->open(disk->dir, name, PLOOP_OPEN_OWN, &file) ||
	    file->ops->pread(file, raw, sizeof(raw), 0))
		return "an image cannot be read";
	if (ploop_header_parse(raw, &header))
		return NULL; /* raw */
	/* It takes the mark of a newer program for an in-use mark, and "repairs" the image. */
	if (header.mark)
		return "an image carries the mark of another program";
	/* It would refuse: this saves the way. */
	if (makes_one && header.version == 2 && disk->tool->choice == PLOOP_TOOL_AUTO)
		return "without its driver it makes no images of version 2";
	return NULL;
}

/* NULL, or why. */
static const char *why_not(struct ploop_disk *disk, const struct libploop_job *job)
{
	const struct ploop_descriptor *d = &disk->descriptor;
	const struct ploop_shot *first = ploop_descriptor_shot(d, d->images[0].guid);

	for (unsigned i = 0; i < d->image_count; i++) {
		const char *why = why_not_image(disk, job, d->images[i].file);

		if (why)
			return why;
	}
	/* It converts the first one that the descriptor names. */
	if (job->op == LIBPLOOP_LAYOUT && (!first || !guid_equal(first->parent, PLOOP_NO_GUID)))
		return "the base is not the first image of " PLOOP_DESCRIPTOR_NAME;
	return NULL;
}

/* --- the call ----------------------------------------------------------------------------------
 */

/* Files that nobody else of stor may use, then the lock that libploop waits for. */
static int hand_over(struct ploop_volume *pv, struct stor_err *err)
{
	ploop_descriptor_free(&pv->descriptor);
	if (ploop_descriptor_load(pv->dir, &pv->descriptor, err))
		return -1;
	if (ploop_volume_open_chain(pv, NULL, true, 0, err))
		return -1;
	if (!flock(pv->lock_fd, LOCK_UN))
		return 0;
	return host->fail(err, STOR_FAILED, errno, "ploop: unlock %s", pv->path);
}

static int take_back(struct ploop_volume *pv, struct stor_err *err)
{
	int r = copyfile_lock(pv->lock_fd, LOCK_EX, PLOOP_RELEASE_WAIT_MS);

	ploop_volume_close_chain(pv);
	return r ? host->fail(err, errno == EWOULDBLOCK ? STOR_BUSY : STOR_FAILED, errno,
	                      "ploop: lock %s", pv->path)
	         : 0;
}

/* What is there now; and of what was not finished, nothing. */
static int adopt(struct ploop_disk *disk, bool recover, struct stor_err *err)
{
	struct ploop_descriptor now;
	int r;

	if (ploop_descriptor_load(disk->dir, &now, err))
		return -1;
	ploop_ops_adopt(disk, &now);
	if (recover)
		return ploop_ops_recover(disk, err);
	r = disk->dir->ops->sync(disk->dir);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: sync %s", disk->path) : 0;
}

/* It divides by numbers that descriptors of others may lack: so it is given one of ours. */
static int call(struct ploop_disk *disk, const struct libploop_job *job,
                struct libploop_answer *answer, struct stor_err *err)
{
	struct ploop_volume *pv = disk->tool->pv;
	int crashed;

	if (ploop_descriptor_store(disk->dir, &disk->descriptor, err) || hand_over(pv, err)) {
		ploop_volume_close_chain(pv);
		return -1;
	}
	crashed = libploop_run(job, answer, err);
	/* The crash has been told; what it left must not be told instead. */
	if (crashed && (copyfile_lock(pv->lock_fd, LOCK_EX, PLOOP_RELEASE_WAIT_MS) ||
	                (ploop_volume_close_chain(pv), adopt(disk, true, err))))
		return -1;
	if (crashed)
		return -1;
	if (take_back(pv, err))
		return -1;
	if (answer->result == LIBPLOOP_DONE)
		return adopt(disk, false, err);
	/* What was refused must not be gone on with. */
	(void)disk->dir->ops->unlink(disk->dir, PLOOP_INTENT_NAME);
	return adopt(disk, true, err);
}

int ploop_tool_do(struct ploop_disk *disk, struct libploop_job *job, const char *what,
                  struct stor_err *err)
{
	const struct ploop_tool *tool = disk->tool;
	struct libploop_answer answer;
	const char *why;

	if (!tool || !ploop_tool_prefers_libploop(tool->choice, job->op))
		return 1;
	why = why_not(disk, job);
	if (why && tool->choice == PLOOP_TOOL_LIBPLOOP) {
		host->fail(err, STOR_UNSUPPORTED, 0, "ploop: %s: %s: not for libploop: %s", what,
		           disk->path, why);
		host->hint(err, "-o tool=engine does it");
		return -1;
	}
	if (why) {
		host->log(STOR_LOG_DEBUG, "ploop: %s: by the engine: %s", what, why);
		return 1;
	}
	job->dir_fd = tool->pv->dir_fd;
	if (call(disk, job, &answer, err))
		return host->fail(err, STOR_FAILED, 0, "ploop: %s: %s", what, disk->path);
	if (answer.result == LIBPLOOP_DONE) {
		host->log(STOR_LOG_DEBUG, "ploop: %s: by libploop", what);
		return 0;
	}
	if (tool->choice == PLOOP_TOOL_LIBPLOOP)
		return libploop_fail(&answer, what, err);
	host->log(STOR_LOG_DEBUG, "ploop: %s: by the engine: libploop: %s", what, answer.text);
	return 1;
}

int ploop_tool_create(enum ploop_tool_choice choice, const struct libploop_job *job,
                      struct stor_err *err)
{
	struct libploop_answer answer;

	if (!ploop_tool_prefers_libploop(choice, LIBPLOOP_CREATE))
		return 1;
	if (libploop_run(job, &answer, err))
		return host->fail(err, STOR_FAILED, 0, "ploop: create");
	if (answer.result == LIBPLOOP_DONE) {
		host->log(STOR_LOG_DEBUG, "ploop: create: by libploop");
		return 0;
	}
	if (choice == PLOOP_TOOL_LIBPLOOP)
		return libploop_fail(&answer, "create", err);
	host->log(STOR_LOG_DEBUG, "ploop: create: by the engine: libploop: %s", answer.text);
	return 1;
}
