/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads an entry's extended attributes and gives them to its inode. */
#include "common/ext4_walk.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "common/host.h"

/* The kernel's limits: XATTR_LIST_MAX and XATTR_SIZE_MAX. */
#define LIST_BYTES (64u << 10)
#define VALUE_BYTES (64u << 10)

/* No call reads the attributes of a link or a device node by descriptor before Linux 6.13. */
struct subject {
	int fd;
	char path[sizeof("/proc/self/fd/") + 12 + NAME_MAX + 1];
};

static ssize_t list_names(const struct subject *subject, char *names)
{
	return subject->fd >= 0 ? flistxattr(subject->fd, names, LIST_BYTES)
	                        : llistxattr(subject->path, names, LIST_BYTES);
}

static ssize_t get_value(const struct subject *subject, const char *name, void *value)
{
	return subject->fd >= 0 ? fgetxattr(subject->fd, name, value, VALUE_BYTES)
	                        : lgetxattr(subject->path, name, value, VALUE_BYTES);
}

static int make_buffers(struct ext4_walk *walk, struct stor_err *err)
{
	if (!walk->xattr_names)
		walk->xattr_names = malloc(LIST_BYTES + VALUE_BYTES);
	return walk->xattr_names ? 0 : host->fail(err, STOR_FAILED, ENOMEM, "read attributes");
}

static int fail_kind(const struct ext4_walk *walk, const char *name, struct stor_err *err)
{
	host->fail(err, STOR_UNSUPPORTED, 0, "copy %s: ext4 cannot hold the attribute %s",
	           walk->path, name);
	host->hint(err, "remove it with: setfattr -x %s FILE", name);
	return -1;
}

static int fail_size(const struct ext4_walk *walk, const struct ext4_xattr *attribute,
                     struct stor_err *err)
{
	/* The name begins inside the full one, after its prefix. */
	const char *full = attribute->name;

	while (full > walk->xattr_names && full[-1])
		full--;
	host->fail(err, STOR_UNSUPPORTED, 0,
	           "copy %s: the attribute %s of %u bytes does not fit in what ext4 has for the "
	           "attributes of one file",
	           walk->path, full, attribute->value_bytes);
	if (walk->w->block_bytes < 4096)
		host->hint(err, "use a block size of 4096");
	else
		host->hint(err,
		           "keep the tree on the dir backend, or remove the attribute: "
		           "setfattr -x %s FILE",
		           full);
	return -1;
}

/* Read one value to values + *used. Returns 1, or 0 when the attribute is gone, or -1. */
static int read_attribute(struct ext4_walk *walk, const struct subject *subject, const char *name,
                          struct ext4_xattr *attribute, unsigned char **values, size_t *used,
                          struct stor_err *err)
{
	unsigned char *value = (unsigned char *)walk->xattr_names + LIST_BYTES;
	ssize_t bytes = get_value(subject, name, value);
	void *grown;

	if (bytes < 0 && errno == ENODATA)
		return 0;
	if (bytes < 0)
		return host->fail(err, STOR_FAILED, errno, "read the attribute %s of %s", name,
		                  walk->path);
	if (!ext4_xattr_split(name, attribute))
		return fail_kind(walk, name, err);
	if (!attribute->name_length) { /* only ACLs have a prefix for a name */
		bytes = (ssize_t)ext4_xattr_acl(value, (size_t)bytes, value);
		if (!bytes)
			return fail_kind(walk, name, err);
	}
	grown = realloc(*values, *used + (size_t)bytes + 1);
	if (!grown)
		return host->fail(err, STOR_FAILED, ENOMEM, "read attributes");
	*values = grown;
	memcpy(*values + *used, value, (size_t)bytes);
	/* The place may still move: until all are read, `value` is an offset. */
	attribute->value = (void *)*used;
	attribute->value_bytes = (uint32_t)bytes;
	*used += (size_t)bytes;
	return 1;
}

static int add_attribute(struct ext4_walk *walk, size_t count, struct stor_err *err)
{
	size_t room = walk->xattr_room ? walk->xattr_room * 2 : 16;
	void *grown;

	if (count < walk->xattr_room)
		return 0;
	grown = reallocarray(walk->xattrs, room, sizeof(*walk->xattrs));
	if (!grown)
		return host->fail(err, STOR_FAILED, ENOMEM, "read attributes");
	walk->xattrs = grown;
	walk->xattr_room = room;
	return 0;
}

static int store(struct ext4_walk *walk, size_t count, struct ext2_inode_large *inode,
                 struct stor_err *err)
{
	struct ext4_writer *w = walk->w;
	const struct ext4_xattr *too_much;
	uint64_t block, one;
	unsigned char *data;
	bool needs_block;

	too_much = ext4_xattr_place(walk->xattrs, count, w->block_bytes, &needs_block);
	if (too_much)
		return fail_size(walk, too_much, err);
	ext4_xattr_write_inode(walk->xattrs, count, (char *)inode + EXT4_XATTR_INODE_OFFSET);
	if (!needs_block)
		return 0;
	if (ext4_take(w, 1, &block, &one) < 0)
		return -1;
	data = ext4_put_block(w, block, err);
	if (!data)
		return -1;
	ext4_xattr_write_block(walk->xattrs, count, data, w->block_bytes, block, w->csum_seed);
	inode->i_file_acl = htole32((uint32_t)block);
	inode->osd2.linux2.l_i_file_acl_high = htole16((uint16_t)(block >> 32));
	ext4_inode_add_blocks(w, inode, 1);
	return 0;
}

int ext4_copy_attributes(struct ext4_walk *walk, int fd, int dir_fd, const char *name,
                         struct ext2_inode_large *inode, struct stor_err *err)
{
	struct subject subject = { .fd = fd };
	size_t count = 0, used = 0;
	ssize_t length;

	if (make_buffers(walk, err) < 0)
		return -1;
	if (fd < 0)
		snprintf(subject.path, sizeof(subject.path), "/proc/self/fd/%d/%s", dir_fd, name);
	length = list_names(&subject, walk->xattr_names);
	if (length < 0 && (errno == ENOTSUP || errno == ENOSYS))
		return 0;
	if (length < 0)
		return host->fail(err, STOR_FAILED, errno, "list the attributes of %s", walk->path);
	for (char *at = walk->xattr_names; at < walk->xattr_names + length; at += strlen(at) + 1) {
		int got;

		if (add_attribute(walk, count, err) < 0)
			return -1;
		got = read_attribute(walk, &subject, at, &walk->xattrs[count], &walk->xattr_values,
		                     &used, err);
		if (got < 0)
			return -1;
		count += (size_t)got;
	}
	for (size_t i = 0; i < count; i++)
		walk->xattrs[i].value = walk->xattr_values + (size_t)walk->xattrs[i].value;
	return count ? store(walk, count, inode, err) : 0;
}
