/* SPDX-License-Identifier: GPL-2.0-or-later */
/* POSIX ACLs between what libarchive reads and writes and the attributes that the kernel keeps. */
#include <archive.h>
#include <archive_entry.h>
#include <endian.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "modules/image/archive.h"
#include "modules/image/names.h"

/* The attribute's value, as in <linux/posix_acl_xattr.h>. */
#define ACL_VERSION 2
struct acl_entry {
	uint16_t tag, permissions;
	uint32_t id;
};

static const struct {
	int theirs;
	uint16_t kernel;
	bool has_id;
} tags[] = {
	{ ARCHIVE_ENTRY_ACL_USER_OBJ, 0x01, false },  { ARCHIVE_ENTRY_ACL_USER, 0x02, true },
	{ ARCHIVE_ENTRY_ACL_GROUP_OBJ, 0x04, false }, { ARCHIVE_ENTRY_ACL_GROUP, 0x08, true },
	{ ARCHIVE_ENTRY_ACL_MASK, 0x10, false },      { ARCHIVE_ENTRY_ACL_OTHER, 0x20, false },
};

#define TAG_COUNT (sizeof(tags) / sizeof(*tags))

/* Looks for a name in a file like passwd: NAME:x:ID:…. 0, or -1: not there. */
static int id_of_name(int root_fd, const char *file, const char *name, uint32_t *id)
{
	cleanup_close int fd = fs_open_in_root(root_fd, file, O_RDONLY | O_NONBLOCK);
	size_t length = strlen(name);
	char *line = NULL;
	size_t room = 0;
	FILE *stream = fd < 0 ? NULL : fdopen(fd, "r");
	int result = -1;

	if (!stream)
		return -1;
	fd = -1;
	while (result < 0 && getline(&line, &room, stream) > 0) {
		const char *at = line + length, *third;
		uint64_t number;
		char digits[16];
		size_t n;

		if (strncmp(line, name, length) != 0 || *at != ':')
			continue;
		third = strchr(at + 1, ':');
		n = third ? strspn(third + 1, "0123456789") : 0;
		if (!n || n >= sizeof(digits))
			continue;
		memcpy(digits, third + 1, n);
		digits[n] = '\0';
		if (!str_to_u64(digits, &number) && number < UINT32_MAX) {
			*id = (uint32_t)number;
			result = 0;
		}
	}
	free(line);
	fclose(stream);
	return result;
}

static int id_of_machine(bool is_group, const char *name, uint32_t *id)
{
	struct passwd *user = is_group ? NULL : getpwnam(name);
	struct group *group = is_group ? getgrnam(name) : NULL;

	if (user)
		*id = user->pw_uid;
	if (group)
		*id = group->gr_gid;
	return user || group ? 0 : -1;
}

static int find_id(const struct tree *tree, bool is_group, int qualifier, const char *name,
                   uint32_t *id)
{
	uint64_t number;

	if (qualifier >= 0) {
		*id = (uint32_t)qualifier;
		return 0;
	}
	if (!name)
		return -1;
	if (!str_to_u64(name, &number) && number < UINT32_MAX) {
		*id = (uint32_t)number;
		return 0;
	}
	if (!id_of_name(tree->root_fd, is_group ? "etc/group" : "etc/passwd", name, id))
		return 0;
	/* GNU tar writes the names of the machine that it runs on, even with --numeric-owner. */
	return id_of_machine(is_group, name, id);
}

static int compare_entries(const void *a, const void *b)
{
	const struct acl_entry *x = a, *y = b;

	if (x->tag != y->tag)
		return le16toh(x->tag) < le16toh(y->tag) ? -1 : 1;
	return le32toh(x->id) < le32toh(y->id) ? -1 : le32toh(x->id) > le32toh(y->id);
}

static int read_acl(struct archive_entry *from, int type, const char *xattr,
                    const struct tree *tree, struct entry *entry, struct stor_err *err)
{
	int count = archive_entry_acl_reset(from, type), theirs, permissions, tag, qualifier;
	cleanup_free char *value = NULL;
	struct acl_entry *entries;
	const char *name;
	size_t used = 0;
	uint32_t version = htole32(ACL_VERSION);

	if (count <= 0)
		return 0;
	value = xmalloc(sizeof(version) + (size_t)count * sizeof(*entries));
	memcpy(value, &version, sizeof(version));
	entries = (struct acl_entry *)(void *)(value + sizeof(version));
	while (used < (size_t)count &&
	       archive_entry_acl_next(from, type, &theirs, &permissions, &tag, &qualifier, &name) ==
	               ARCHIVE_OK) {
		uint32_t id = UINT32_MAX;
		size_t i = 0;

		while (i < TAG_COUNT && tags[i].theirs != tag)
			i++;
		if (i == TAG_COUNT)
			return tree_fail(entry->path, 0, "its ACL has an entry of no known kind",
			                 err);
		if (tags[i].has_id &&
		    find_id(tree, tags[i].kernel == 0x08, qualifier, name, &id) < 0) {
			char shown[NAMES_SHOWN_MAX];

			tree_fail(entry->path, 0, "its ACL names somebody without a number", err);
			err_hint(err,
			         "neither the image so far nor this machine knows \"%s\"; "
			         "tar --xattrs-include='*' without --acls keeps numbers",
			         names_shown(name ? name : "", shown));
			return -1;
		}
		entries[used].tag = htole16(tags[i].kernel);
		entries[used].permissions = htole16((uint16_t)(permissions & 7));
		entries[used++].id = htole32(id);
	}
	qsort(entries, used, sizeof(*entries), compare_entries);
	xattrs_add(&entry->xattrs, xattr, value, sizeof(version) + used * sizeof(*entries));
	return 0;
}

int archive_read_acls(struct archive_entry *from, const struct tree *tree, struct entry *entry,
                      struct stor_err *err)
{
	if (!(archive_entry_acl_types(from) & ARCHIVE_ENTRY_ACL_TYPE_POSIX1E) ||
	    S_ISLNK(entry->mode) || entry->is_hard_link)
		return 0;
	if (read_acl(from, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, "system.posix_acl_access", tree, entry,
	             err) < 0)
		return -1;
	return read_acl(from, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, "system.posix_acl_default", tree,
	                entry, err);
}

bool archive_write_acl(struct archive_entry *to, const struct xattr *xattr)
{
	const char *value = xattr->value;
	size_t count = xattr->size / sizeof(struct acl_entry);
	int type;

	if (!strcmp(xattr->name, "system.posix_acl_access"))
		type = ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
	else if (!strcmp(xattr->name, "system.posix_acl_default"))
		type = ARCHIVE_ENTRY_ACL_TYPE_DEFAULT;
	else
		return false;
	/* The kernel made it, after a version of half an entry's size. */
	for (size_t i = 0; i < count; i++) {
		struct acl_entry one;
		size_t t = 0;

		memcpy(&one, value + sizeof(uint32_t) + i * sizeof(one), sizeof(one));
		while (t < TAG_COUNT && tags[t].kernel != le16toh(one.tag))
			t++;
		if (t < TAG_COUNT)
			archive_entry_acl_add_entry(
				to, type, le16toh(one.permissions) & 7, tags[t].theirs,
				tags[t].has_id ? (int)le32toh(one.id) : -1, NULL);
	}
	return true;
}
