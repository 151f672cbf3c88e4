/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The FUSE protocol of an export, apart from the data: a root directory with one file. */
#include "common/export_fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

/* Nothing changes but the size, of which the kernel is told. */
#define FOR_EVER (UINT64_C(1) << 32)

/* From Linux's uapi/linux/fuse.h of version 7.42; Debian 12 has 7.38. */
#ifndef FUSE_OVER_IO_URING
#define FUSE_OVER_IO_URING (1ULL << 41)
#endif

static bool offers_uring(const struct export_head *head)
{
	return head->init[3] & FUSE_INIT_EXT && (uint64_t)head->init[4] << 32 & FUSE_OVER_IO_URING;
}

static int answer_init(struct export *export, const struct export_head *head,
                       struct fuse_init_out *init)
{
	uint32_t wanted = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO | FUSE_MAX_PAGES;
	unsigned payload_bytes = EXPORT_PAYLOAD_BYTES;

	*init = (struct fuse_init_out){
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
	};
	/* The kernel then begins anew with the older version. */
	if (head->init[0] > FUSE_KERNEL_VERSION)
		return sizeof(*init);
	if (head->init[0] < FUSE_KERNEL_VERSION || (head->init[3] & wanted) != wanted)
		return -EPROTO;
	if (head->init[1] < init->minor)
		init->minor = head->init[1];
	init->flags = wanted;
	if (export->uring && offers_uring(head)) {
		init->flags |= FUSE_INIT_EXT;
		init->flags2 = FUSE_OVER_IO_URING >> 32;
		payload_bytes = export_uring_agree(export->uring);
	} else {
		export_uring_free(export);
	}
	init->max_background = EXPORT_BACKGROUND;
	init->congestion_threshold = EXPORT_BACKGROUND;
	init->max_write = payload_bytes;
	init->time_gran = 1;
	init->max_pages = (uint16_t)(payload_bytes / EXPORT_PAGE_BYTES);
	return sizeof(*init);
}

static void fill_attr(const struct export_target *target, uint64_t node, struct fuse_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	attr->ino = node;
	attr->nlink = 1;
	attr->blksize = EXPORT_PAGE_BYTES;
	if (node == FUSE_ROOT_ID) {
		attr->mode = EXPORT_ROOT_MODE;
		return;
	}
	attr->mode = S_IFREG | (target->read_only ? 0400 : 0600);
	attr->size = target->size_bytes;
	attr->blocks = target->size_bytes / 512;
}

static int answer_lookup(const struct export_target *target, const struct export_head *head,
                         struct fuse_entry_out *entry)
{
	size_t length = head->in.len - sizeof(head->in);

	if (head->in.nodeid != FUSE_ROOT_ID || length != sizeof(EXPORT_FILE_NAME) ||
	    memcmp(head->name, EXPORT_FILE_NAME, sizeof(EXPORT_FILE_NAME)) != 0)
		return -ENOENT;
	memset(entry, 0, sizeof(*entry));
	entry->nodeid = EXPORT_FILE_INODE;
	entry->entry_valid = FOR_EVER;
	entry->attr_valid = FOR_EVER;
	fill_attr(target, EXPORT_FILE_INODE, &entry->attr);
	return sizeof(*entry);
}

static int answer_open(const struct export_target *target, const struct export_head *head,
                       struct fuse_open_out *open)
{
	if (head->in.nodeid != EXPORT_FILE_INODE)
		return -EISDIR;
	if (target->read_only && (head->open.flags & O_ACCMODE) != O_RDONLY)
		return -EROFS;
	*open = (struct fuse_open_out){
		.open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES | FOPEN_NOFLUSH,
	};
	return sizeof(*open);
}

/* The loop device takes its discard granularity from the block size. */
static int answer_statfs(const struct export_target *target, struct fuse_statfs_out *out)
{
	memset(out, 0, sizeof(*out));
	out->st.bsize = target->discard_bytes;
	out->st.frsize = target->discard_bytes;
	out->st.blocks = target->size_bytes / target->discard_bytes;
	out->st.namelen = sizeof(EXPORT_FILE_NAME) - 1;
	return sizeof(*out);
}

int export_fuse_answer(struct export *export, const struct export_head *head,
                       union export_answer *answer)
{
	const struct export_target *target = export->target;

	switch (head->in.opcode) {
	case FUSE_INIT:
		return answer_init(export, head, &answer->init);
	case FUSE_LOOKUP:
		return answer_lookup(target, head, &answer->entry);
	case FUSE_GETATTR:
		memset(&answer->attr, 0, sizeof(answer->attr));
		answer->attr.attr_valid = FOR_EVER;
		fill_attr(target, head->in.nodeid, &answer->attr.attr);
		return sizeof(answer->attr);
	case FUSE_OPEN:
		return answer_open(target, head, &answer->open);
	case FUSE_STATFS:
		return answer_statfs(target, &answer->statfs);
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_DESTROY:
		return 0;
	default:
		/* Among them INTERRUPT, which the kernel then sends no more: every request
		 * ends by itself. */
		return -ENOSYS;
	}
}
