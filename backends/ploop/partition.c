/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The partition of a disk whose size has changed: see partition.h. */
#include "ploop/partition.h"

#include "common/gpt.h"
#include "common/host.h"
#include "ploop/format.h"

int ploop_fit_partition(struct blockdev *disk, uint32_t cluster_sectors, const char *path,
                        uint64_t *end_bytes, struct stor_err *err)
{
	struct gpt_partition partition, wanted;
	enum gpt_state state;
	int r = gpt_read(disk, &state, &partition);

	*end_bytes = disk->size_bytes;
	if (!r && state == GPT_NONE)
		return 0;
	if (!r && state == GPT_DAMAGED)
		return host->fail(err, STOR_FAILED, 0, "ploop: %s: partition table is damaged",
		                  path);
	if (!r && gpt_layout(disk->size_bytes / PLOOP_SECTOR, cluster_sectors, &wanted) < 0)
		return host->fail(err, STOR_USAGE, 0, "ploop: %s: too small for a partition", path);
	if (!r) {
		wanted.sectors += wanted.first_sector - partition.first_sector;
		wanted.first_sector = partition.first_sector;
		*end_bytes = (wanted.first_sector + wanted.sectors) * PLOOP_SECTOR;
		r = gpt_write(disk, &wanted);
	}
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: %s: write partition table", path) : 0;
}
