/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A GPT with one Linux partition, as `ploop init` lays it, on any block device. Sectors are 512
 * bytes. */
#ifndef COMMON_GPT_H
#define COMMON_GPT_H

#include <stdint.h>

#include "common/blockdev.h"

struct gpt_partition {
	uint64_t first_sector, sectors;
};

enum gpt_state {
	GPT_NONE,    /* no partition table at all */
	GPT_GOOD,    /* both copies */
	GPT_ONE,     /* one copy is damaged, missing, or not at the device's end */
	GPT_DAMAGED, /* there is one, and neither copy can be used */
};

/* Where `ploop init` puts the partition: one cluster is left free at the start, and the end is
 * rounded down to a whole cluster. -1: the device is too small. */
int gpt_layout(uint64_t device_sectors, uint32_t cluster_sectors, struct gpt_partition *partition);

/* Write both copies, the second one first and flushed before the other is touched, so that a
 * power cut leaves one valid. The identifiers of an existing table are kept. 0 or negative errno.
 */
int gpt_write(struct blockdev *dev, const struct gpt_partition *partition);

/* Read and judge; *partition is the first one in use (GPT_GOOD, GPT_ONE). 0 or negative errno. */
int gpt_read(struct blockdev *dev, enum gpt_state *state, struct gpt_partition *partition);

#endif
