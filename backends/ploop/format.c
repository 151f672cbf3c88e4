/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header of an expandable image and the meaning of its slots: see format.h. */
#include "ploop/format.h"

#include <string.h>

enum {
	AT_MAGIC = 0,
	AT_TYPE = 16,
	AT_HEADS = 20,
	AT_CYLINDERS = 24,
	AT_CLUSTER = 28,
	AT_ENTRIES = 32,
	AT_SECTORS = 36,
	AT_MARK = 44,
	AT_FIRST = 48,
	AT_FLAGS = 52,
	AT_EXT = 56,
};

#define TYPE_EXPANDABLE 2u
#define MAGIC_BYTES 16u

static const char magic[2][MAGIC_BYTES + 1] = { "WithoutFreeSpace", "WithouFreSpacExt" };

static bool is_cluster_size(uint32_t sectors)
{
	return sectors >= PLOOP_CLUSTER_SECTORS_MIN && sectors <= PLOOP_CLUSTER_SECTORS_MAX &&
	       !(sectors & (sectors - 1));
}

/* Sectors that header and BAT take, rounded up to whole clusters. */
static uint64_t bat_sectors(uint32_t entries, uint32_t cluster_sectors)
{
	uint64_t bytes = PLOOP_HEADER_BYTES + (uint64_t)entries * 4;
	uint64_t cluster_bytes = (uint64_t)cluster_sectors * PLOOP_SECTOR;

	return (bytes + cluster_bytes - 1) / cluster_bytes * cluster_sectors;
}

const char *ploop_header_needs_engine(const struct ploop_header *header)
{
	if (header->flags & PLOOP_FLAG_CONVERT)
		return "its conversion was interrupted";
	if (header->ext_sector || header->mark == PLOOP_MARK_CLOSED_CBT)
		return "it carries change tracking data";
	return NULL;
}

const char *ploop_header_parse(const uint8_t raw[PLOOP_HEADER_BYTES], struct ploop_header *header)
{
	struct ploop_header h = { .heads = ploop_get32(raw + AT_HEADS) };

	for (unsigned i = 0; i < 2; i++)
		if (!memcmp(raw + AT_MAGIC, magic[i], MAGIC_BYTES))
			h.version = i + 1;
	if (!h.version)
		return "no expandable image: unknown magic";
	if (ploop_get32(raw + AT_TYPE) != TYPE_EXPANDABLE)
		return "unknown image type";
	h.cylinders = ploop_get32(raw + AT_CYLINDERS);
	h.cluster_sectors = ploop_get32(raw + AT_CLUSTER);
	h.entries = ploop_get32(raw + AT_ENTRIES);
	h.sectors = h.version == 1 ? ploop_get32(raw + AT_SECTORS) : ploop_get64(raw + AT_SECTORS);
	h.mark = ploop_get32(raw + AT_MARK);
	h.first_sector = ploop_get32(raw + AT_FIRST);
	h.flags = ploop_get32(raw + AT_FLAGS);
	h.ext_sector = ploop_get64(raw + AT_EXT);
	if (!is_cluster_size(h.cluster_sectors))
		return "cluster size is no power of two from 32 KiB to 64 MiB";
	if (!h.sectors || h.sectors > UINT64_MAX / PLOOP_SECTOR)
		return "impossible disk size";
	if ((h.sectors - 1) / h.cluster_sectors >= h.entries)
		return "block allocation table shorter than the disk";
	if (h.first_sector % h.cluster_sectors)
		return "first data sector within a cluster";
	if (h.first_sector < bat_sectors(h.entries, h.cluster_sectors))
		return "first data sector within the block allocation table";
	*header = h;
	return NULL;
}

void ploop_header_encode(const struct ploop_header *header, uint8_t raw[PLOOP_HEADER_BYTES])
{
	memcpy(raw + AT_MAGIC, magic[header->version - 1], MAGIC_BYTES);
	ploop_put32(raw + AT_TYPE, TYPE_EXPANDABLE);
	ploop_put32(raw + AT_HEADS, header->heads);
	ploop_put32(raw + AT_CYLINDERS, header->cylinders);
	ploop_put32(raw + AT_CLUSTER, header->cluster_sectors);
	ploop_put32(raw + AT_ENTRIES, header->entries);
	ploop_put64(raw + AT_SECTORS, header->sectors);
	ploop_put32(raw + AT_MARK, header->mark);
	ploop_put32(raw + AT_FIRST, header->first_sector);
	ploop_put32(raw + AT_FLAGS, header->flags);
	ploop_put64(raw + AT_EXT, header->ext_sector);
}

const char *ploop_header_resize(struct ploop_header *header, uint64_t sectors)
{
	uint32_t cluster = header->cluster_sectors;
	uint64_t entries, rounded, first;

	if (!sectors || sectors > (UINT64_MAX / PLOOP_SECTOR) - cluster)
		return "impossible disk size";
	entries = (sectors + cluster - 1) / cluster;
	rounded = entries * cluster;
	/* Every cluster and the BAT before it must be expressible in a slot. */
	if (entries > UINT32_MAX - PLOOP_HEADER_SLOTS)
		return "disk too large for its cluster size";
	first = bat_sectors((uint32_t)entries, cluster);
	if (header->version == 1 && rounded + first > UINT32_MAX)
		return "disk too large for version 1 of the format";
	if (entries + first / cluster > UINT32_MAX || first > UINT32_MAX)
		return "disk too large for its cluster size";
	header->sectors = rounded;
	header->entries = (uint32_t)entries;
	header->cylinders = rounded / 512 > UINT32_MAX ? UINT32_MAX : (uint32_t)(rounded / 512);
	if (header->first_sector < first)
		header->first_sector = (uint32_t)first;
	return NULL;
}

const char *ploop_header_make(struct ploop_header *header, unsigned version,
                              uint32_t cluster_sectors, uint64_t sectors)
{
	if (version != 1 && version != 2)
		return "unknown format version";
	if (!is_cluster_size(cluster_sectors))
		return "cluster size is no power of two from 32 KiB to 64 MiB";
	*header = (struct ploop_header){
		.version = version,
		.heads = 16,
		.cluster_sectors = cluster_sectors,
		.flags = PLOOP_FLAG_EMPTY,
	};
	return ploop_header_resize(header, sectors);
}

uint64_t ploop_header_slot_limit(const struct ploop_header *header)
{
	if (header->version == 1)
		return (UINT32_MAX / header->cluster_sectors) + UINT64_C(1);
	return UINT64_C(1) << 32;
}

uint32_t ploop_slot_encode(const struct ploop_header *header, uint32_t cluster)
{
	return header->version == 1 ? cluster * header->cluster_sectors : cluster;
}

bool ploop_slot_decode(const struct ploop_header *header, uint32_t slot, uint32_t *cluster)
{
	if (header->version == 1) {
		*cluster = slot / header->cluster_sectors;
		return slot % header->cluster_sectors == 0;
	}
	*cluster = slot;
	return true;
}
