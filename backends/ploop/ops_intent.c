/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an operation has to remove once its descriptor is stored, written down before. A file that
 * the descriptor names is never removed: so the intent may also name a new file, which goes when
 * the descriptor was not stored after all.
 */
#include "ploop/ops_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/host.h"
#include "ploop/image.h"

#define INTENT_TEMPORARY PLOOP_INTENT_NAME ".tmp"
#define INTENT_MAX (1u << 20)

static void append(struct ploop_intent *intent, const char *key, const char *value)
{
	char *text = NULL;
	int n = asprintf(&text, "%s%s %s\n", intent->text ? intent->text : "", key, value);

	if (n < 0) {
		intent->failed = true;
		return;
	}
	free(intent->text);
	intent->text = text;
	intent->length = (size_t)n;
}

void ploop_intent_drop(struct ploop_intent *intent, const char *file)
{
	if (file && ploop_file_is_own(file) && !strchr(file, '\n'))
		append(intent, "drop", file);
}

void ploop_intent_version(struct ploop_intent *intent, unsigned version)
{
	append(intent, "version", version == 1 ? "1" : "2");
}

static int write_intent(struct ploop_disk *disk, const struct ploop_intent *intent)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	struct ploop_dir *dir = disk->dir;
	int r = dir->ops->unlink(dir, INTENT_TEMPORARY);

	if (r && r != -ENOENT)
		return r;
	/* An earlier one counts until this one does. */
	r = dir->ops->open(dir, INTENT_TEMPORARY, PLOOP_OPEN_CREATE, &file);
	if (!r)
		r = file->ops->pwrite(file, intent->text, intent->length, 0);
	if (!r)
		r = file->ops->sync(file);
	if (!r)
		r = dir->ops->rename(dir, INTENT_TEMPORARY, PLOOP_INTENT_NAME);
	return r ? r : dir->ops->sync(dir);
}

int ploop_intent_store(struct ploop_disk *disk, struct ploop_intent *intent, struct stor_err *err)
{
	int r = 0;

	if (intent->text)
		append(intent, "end", "");
	if (intent->failed)
		r = -ENOMEM;
	else if (intent->text && !ploop_op_fault(disk, NO_INTENT))
		r = write_intent(disk, intent);
	free(intent->text);
	*intent = (struct ploop_intent){ .text = NULL };
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: write %s/" PLOOP_INTENT_NAME,
	                      disk->path)
	         : 0;
}

static bool is_named(const struct ploop_descriptor *descriptor, const char *file)
{
	for (unsigned i = 0; i < descriptor->image_count; i++)
		if (!strcmp(descriptor->images[i].file, file))
			return true;
	return false;
}

/* What backup software keeps in a file goes with it. */
static void tell_of_tracking(struct ploop_disk *disk, const char *name)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	struct ploop_header header;

	if (disk->dir->ops->open(disk->dir, name, PLOOP_OPEN_OWN, &file) ||
	    !ploop_image_read_header(file, &header))
		return;
	if (header.ext_sector && header.mark == PLOOP_MARK_CLOSED_CBT)
		host->log(STOR_LOG_WARN,
		          "ploop: \"%s\": its change tracking data is dropped with it", name);
}

/* Remove what the text names and the descriptor does not. */
static int drop_all(struct ploop_disk *disk, const struct ploop_descriptor *descriptor, char *text,
                    unsigned *version)
{
	char *save = NULL;
	int r = 0;

	for (char *line = strtok_r(text, "\n", &save); line && !r;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *name = line + 5;

		if (!strncmp(line, "version ", 8))
			*version = line[8] == '1' ? 1 : 2;
		if (strncmp(line, "drop ", 5) != 0 || !ploop_file_is_own(name) ||
		    is_named(descriptor, name))
			continue;
		tell_of_tracking(disk, name);
		r = disk->dir->ops->unlink(disk->dir, name);
		if (r == -ENOENT)
			r = 0;
	}
	return r ? r : disk->dir->ops->sync(disk->dir);
}

static int load(struct ploop_disk *disk, char **text)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	uint64_t size;
	int r = disk->dir->ops->open(disk->dir, PLOOP_INTENT_NAME, PLOOP_OPEN_OWN, &file);

	if (!r)
		r = file->ops->size(file, &size);
	if (r)
		return r;
	if (size > INTENT_MAX)
		return -EFBIG;
	*text = calloc(1, size + 1);
	return *text ? file->ops->pread(file, *text, size, 0) : -ENOMEM;
}

int ploop_intent_fulfil(struct ploop_disk *disk, unsigned *version, struct stor_err *err)
{
	cleanup_free char *text = NULL;
	int r = load(disk, &text);

	*version = 0;
	if (r == -ENOENT)
		return 0;
	/* Without its end it was never followed by anything. */
	if (!r && strstr(text, "\nend "))
		r = drop_all(disk, &disk->descriptor, text, version);
	if (!r && !*version)
		r = disk->dir->ops->unlink(disk->dir, PLOOP_INTENT_NAME);
	return r ? host->fail(err, STOR_FAILED, -r,
	                      "ploop: remove what %s/" PLOOP_INTENT_NAME " names", disk->path)
	         : 0;
}

int ploop_ops_store(struct ploop_disk *disk, struct ploop_descriptor *changed,
                    struct ploop_intent *intent, struct stor_err *err)
{
	cleanup_free char *text = intent->text ? strdup(intent->text) : NULL;
	bool drops = intent->text;
	unsigned version = 0;
	int r = 0;

	if (drops && !text)
		intent->failed = true;
	if (ploop_intent_store(disk, intent, err))
		return -1;
	if (ploop_op_fault(disk, DROP_EARLY) && drops) {
		r = drop_all(disk, changed, text, &version);
		drops = false;
	}
	if (ploop_descriptor_store(disk->dir, changed, err))
		return -1;
	ploop_ops_adopt(disk, changed);
	if (drops)
		r = drop_all(disk, &disk->descriptor, text, &version);
	if (!r && drops)
		r = disk->dir->ops->unlink(disk->dir, PLOOP_INTENT_NAME);
	/* It has happened; the rest is left to the next recovery. */
	if (r && r != -ENOENT)
		host->log(STOR_LOG_WARN, "ploop: %s: files left behind: %s", disk->path,
		          strerror(-r));
	return 0;
}
