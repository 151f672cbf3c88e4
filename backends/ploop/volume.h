/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A volume as files: the directory with DiskDescriptor.xml and the images of the chain that it
 * names, opened and locked.
 *
 * Locks, all by flock(): DiskDescriptor.xml.lck, which `ploop` takes too, shared while the volume
 * is attached and exclusive while its files are changed as a whole; the top image exclusive while
 * somebody may write to it, else shared; the images below it shared. A device of the kernel's ploop
 * driver, whoever made it, counts as locks on what it has, for it takes none.
 */
#ifndef PLOOP_VOLUME_H
#define PLOOP_VOLUME_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <stor/backend.h>

#include "common/gpt.h"
#include "ploop/descriptor.h"
#include "ploop/driver.h"
#include "ploop/engine.h"
#include "ploop/file.h"

struct ploop_volume {
	struct ploop_dir *dir;
	int dir_fd;
	int lock_fd; /* of DiskDescriptor.xml.lck; -1: none */
	char path[PATH_MAX];
	bool is_foreign, is_unlocked, may_be_served;
	bool has_descriptor; /* false: a lone image file, for which one was made up */
	struct ploop_descriptor descriptor;
	/* The chain, base first; files are NULL where the engine took them over. */
	struct ploop_link links[PLOOP_CHAIN_MAX];
	unsigned count;
};

#define PLOOP_VOLUME_INIT                                                                          \
	{                                                                                          \
		.dir_fd = -1, .lock_fd = -1                                                        \
	}

#define PLOOP_VOLUME_EXCLUSIVE 1u /* nobody has it attached, or else STOR_BUSY */
#define PLOOP_VOLUME_UNLOCKED 2u  /* to look only: take no locks */
#define PLOOP_VOLUME_READS 4u     /* lock, but make no lock file where there is none */
#define PLOOP_VOLUME_SERVED 8u    /* a device of the kernel's driver may have it */

/* Every lock is waited for so long at least: a server lets go a moment after the device that it
 * served is gone. */
#define PLOOP_RELEASE_WAIT_MS 2000u

/* Open the directory, lock it, and read the descriptor. 0, or -1 with err filled and nothing to
 * close. wait_ms: how long to wait for the lock, if longer than PLOOP_RELEASE_WAIT_MS. */
int ploop_volume_open(const struct stor_volume *volume, unsigned flags, uint32_t wait_ms,
                      struct ploop_volume *pv, struct stor_err *err);

/* The same of a directory, for the operations on one. */
int ploop_volume_open_dir(const char *path, unsigned flags, uint32_t wait_ms,
                          struct ploop_volume *pv, struct stor_err *err);

/* Open the files of the chain that ends with `guid` (NULL: the live state), the last one for
 * writing if `writes`; and lock them, except of a volume opened unlocked. */
int ploop_volume_open_chain(struct ploop_volume *pv, const char *guid, bool writes,
                            uint32_t wait_ms, struct stor_err *err);

/* Open and lock the files below the live state's own. */
int ploop_volume_open_below(struct ploop_volume *pv, struct stor_err *err);

/* Has a device of the kernel's driver the open chain, in a way that excludes its use? Its name. */
bool ploop_volume_is_served(const struct ploop_volume *pv, bool writes,
                            char name[PLOOP_DRIVER_NAME_BYTES]);

/* Has a device of the kernel's driver one of the volume's own files? */
bool ploop_volume_has_device(const struct ploop_volume *pv);

/* How a volume in use is attached that has no server, for messages. */
static inline const char *ploop_volume_serverless(const struct ploop_volume *pv)
{
	return ploop_volume_has_device(pv) ? "attached by the kernel's driver"
	                                   : "attached directly";
}

void ploop_volume_close_chain(struct ploop_volume *pv);
void ploop_volume_close(struct ploop_volume *pv);
#define cleanup_ploop_volume __attribute__((cleanup(ploop_volume_close)))

static inline struct ploop_link *ploop_volume_top(struct ploop_volume *pv)
{
	return &pv->links[pv->count - 1];
}

/* What the engine opens the chain with; points into pv. */
struct ploop_open_params ploop_volume_params(const struct ploop_volume *pv, bool writes);

/* An engine on the opened chain, whose files it takes over; NULL with err filled. */
struct ploop_engine *ploop_volume_engine(struct ploop_volume *pv, bool writes,
                                         struct stor_err *err);

/* Write a new volume's descriptor, and its lock file; is_lasting: durably. */
int ploop_volume_describe(struct ploop_dir *dir, const struct ploop_descriptor *descriptor,
                          bool is_lasting, struct stor_err *err);

/* Where the filesystem lies on the disk. */
struct ploop_extent {
	uint64_t offset_bytes, size_bytes;
	bool is_partition;
	uint32_t block_bytes; /* largest logical block of a device on which it mounts */
};

/* Find it: the partition, or all of a disk without a partition table. */
int ploop_find_filesystem(struct blockdev *dev, const char *path, struct ploop_extent *extent,
                          struct stor_err *err);

#endif
