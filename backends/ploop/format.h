/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The expandable image on disk: a header of 64 bytes, an array of 32-bit slots (the BAT), then
 * clusters. All numbers are little endian. A slot says where a guest cluster lies in the file: in
 * sectors (version 1) or in clusters (version 2) from the file's start; 0: not in this file.
 *
 * Within stor a place in a file is always a cluster number, whatever the version.
 */
#ifndef PLOOP_FORMAT_H
#define PLOOP_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLOOP_SECTOR 512u
#define PLOOP_HEADER_BYTES 64u
#define PLOOP_HEADER_SLOTS 16u /* the header takes the room of so many slots */

/* The BAT is read and written in pages; page N of every delta covers the same guest clusters. */
#define PLOOP_PAGE_BYTES 4096u
#define PLOOP_PAGE_SLOTS 1024u

#define PLOOP_CLUSTER_SECTORS_MIN 64u
#define PLOOP_CLUSTER_SECTORS_MAX 131072u
#define PLOOP_CLUSTER_SECTORS_DEFAULT 2048u

#define PLOOP_CHAIN_MAX 127u /* files in a chain, the top included */

/* Header field "in use". */
#define PLOOP_MARK_IN_USE 0x746f6e59u
#define PLOOP_MARK_CLOSED 0u
#define PLOOP_MARK_CLOSED_CBT 0x312e3276u /* "v2.1": the extension is valid */

#define PLOOP_FLAG_EMPTY 1u /* no slot is set */
#define PLOOP_FLAG_CONVERT                                                                         \
	2u /* conversion between versions under way; FILE.idx has the old BAT                      \
	    */

struct ploop_header {
	unsigned version; /* 1 or 2 */
	uint32_t heads, cylinders;
	uint32_t cluster_sectors;
	uint32_t entries;      /* slots in the BAT */
	uint64_t sectors;      /* of the disk */
	uint32_t mark;         /* PLOOP_MARK_* */
	uint32_t first_sector; /* where clusters begin */
	uint32_t flags;        /* PLOOP_FLAG_* */
	uint64_t ext_sector;   /* extension cluster; 0: none */
};

/* NULL, or why nobody but the engine may use the image of this header (a static string). */
const char *ploop_header_needs_engine(const struct ploop_header *header);

/* NULL, or what makes these bytes no header that can be worked with (a static string). */
const char *ploop_header_parse(const uint8_t raw[PLOOP_HEADER_BYTES], struct ploop_header *header);

void ploop_header_encode(const struct ploop_header *header, uint8_t raw[PLOOP_HEADER_BYTES]);

/* A new, empty image's header; the size is rounded up to whole clusters. NULL, or why not. */
const char *ploop_header_make(struct ploop_header *header, unsigned version,
                              uint32_t cluster_sectors, uint64_t sectors);

/* Give the header another size, rounded up to whole clusters, with the first data sector that the
 * longer BAT needs at least. NULL, or why the version cannot express it. */
const char *ploop_header_resize(struct ploop_header *header, uint64_t sectors);

static inline uint64_t ploop_header_cluster_bytes(const struct ploop_header *header)
{
	return (uint64_t)header->cluster_sectors * PLOOP_SECTOR;
}

/* The file's first cluster that can hold data; the BAT lies before it. */
static inline uint32_t ploop_header_data_start(const struct ploop_header *header)
{
	return header->first_sector / header->cluster_sectors;
}

/* One more than the greatest cluster number that a slot can hold. */
uint64_t ploop_header_slot_limit(const struct ploop_header *header);

/* A slot as it is on disk (host byte order), from a cluster number and back. Decoding fails (false)
 * when the slot is not a multiple of the cluster; 0 must not be passed. */
uint32_t ploop_slot_encode(const struct ploop_header *header, uint32_t cluster);
bool ploop_slot_decode(const struct ploop_header *header, uint32_t slot, uint32_t *cluster);

/* Little endian access. */
static inline uint32_t ploop_get32(const void *at)
{
	const uint8_t *b = at;

	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t ploop_get64(const void *at)
{
	return ploop_get32(at) | (uint64_t)ploop_get32((const uint8_t *)at + 4) << 32;
}

static inline void ploop_put32(void *at, uint32_t value)
{
	uint8_t *b = at;

	for (unsigned i = 0; i < 4; i++)
		b[i] = (uint8_t)(value >> 8 * i);
}

static inline void ploop_put64(void *at, uint64_t value)
{
	ploop_put32(at, (uint32_t)value);
	ploop_put32((uint8_t *)at + 4, (uint32_t)(value >> 32));
}

#endif
