/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Extended attributes of one entry: see xattrs.h. */
#include "modules/image/xattrs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include <stor/util.h>

#include "core/base/str.h"

/* Room for "/proc/self/fd/N/NAME". */
#define ENTRY_PATH_MAX 320

static bool is_carried(const char *name)
{
	/* What an overlay keeps in them makes one entry of a lower layer show another's content. */
	if (str_starts(name, "trusted.overlay."))
		return false;
	return str_starts(name, "user.") || str_starts(name, "security.") ||
	       str_starts(name, "system.") || str_starts(name, "trusted.");
}

void xattrs_add(struct xattrs *list, const char *name, const void *value, size_t size)
{
	struct xattr *item;

	if (!is_carried(name))
		return;
	if (list->count == list->room) {
		list->room = list->room ? 2 * list->room : 4;
		list->items = xrealloc(list->items, list->room * sizeof(*list->items));
	}
	item = &list->items[list->count++];
	item->name = xstrdup(name);
	item->value = xmalloc(size ? size : 1);
	item->size = size;
	if (size)
		memcpy(item->value, value, size);
}

/* No call on an entry below a descriptor exists before Linux 6.13; the kernel's own link to the
 * descriptor's directory is as safe. */
static const char *entry_path(char *buf, int dir_fd, const char *name)
{
	snprintf(buf, ENTRY_PATH_MAX, "/proc/self/fd/%d/%s", dir_fd, name);
	return buf;
}

static ssize_t list_names(int fd, const char *path, char *buf, size_t size)
{
	return fd >= 0 ? flistxattr(fd, buf, size) : llistxattr(path, buf, size);
}

static ssize_t get_value(int fd, const char *path, const char *name, void *buf, size_t size)
{
	return fd >= 0 ? fgetxattr(fd, name, buf, size) : lgetxattr(path, name, buf, size);
}

/* All names, each terminated. Returns their length, 0 where there are none or the filesystem has
 * no such thing, or -1 with errno. */
static ssize_t read_names(int fd, const char *path, char **names)
{
	char few[512];
	ssize_t size = list_names(fd, path, few, sizeof(few));

	if (size < 0 && errno == ENOTSUP)
		return 0;
	if (size >= 0) {
		if (size > 0) {
			*names = xmalloc((size_t)size);
			memcpy(*names, few, (size_t)size);
		}
		return size;
	}
	if (errno != ERANGE)
		return -1;
	*names = xmalloc(65536); /* the kernel's limit */
	return list_names(fd, path, *names, 65536);
}

int xattrs_read(struct xattrs *list, int fd, int dir_fd, const char *name)
{
	cleanup_free char *names = NULL, *value = NULL;
	char path[ENTRY_PATH_MAX];
	ssize_t size;

	entry_path(path, dir_fd, name);
	size = read_names(fd, path, &names);
	if (size <= 0)
		return (int)size;
	value = xmalloc(65536); /* the kernel's limit */
	for (char *at = names; at < names + size; at += strlen(at) + 1) {
		ssize_t length = get_value(fd, path, at, value, 65536);

		if (length < 0 && (errno == ENODATA || errno == ENOTSUP))
			continue;
		if (length < 0)
			return -1;
		xattrs_add(list, at, value, (size_t)length);
	}
	return 0;
}

int xattrs_apply(const struct xattrs *list, int fd, int dir_fd, const char *name,
                 const char **failed)
{
	char path[ENTRY_PATH_MAX];

	if (!list->count)
		return 0;
	entry_path(path, dir_fd, name);
	for (size_t i = 0; i < list->count; i++) {
		const struct xattr *x = &list->items[i];
		int result = fd >= 0 ? fsetxattr(fd, x->name, x->value, x->size, 0)
		                     : lsetxattr(path, x->name, x->value, x->size, 0);

		/* Labels mean nothing where their security module is not in use. */
		if (result < 0 && errno == ENOTSUP && !strcmp(x->name, "security.selinux"))
			continue;
		if (result < 0) {
			*failed = x->name;
			return -1;
		}
	}
	return 0;
}

void xattrs_drop_privileges(struct xattrs *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct xattr *x = &list->items[i];

		if (!str_starts(x->name, "security.") && !str_starts(x->name, "trusted.")) {
			list->items[kept++] = *x;
			continue;
		}
		free(x->name);
		free(x->value);
	}
	list->count = kept;
}

int xattrs_remove_others(const struct xattrs *list, int fd)
{
	cleanup_free char *names = NULL;
	ssize_t size = read_names(fd, NULL, &names);

	for (char *at = names; size > 0 && at < names + size; at += strlen(at) + 1) {
		size_t i = 0;

		while (i < list->count && strcmp(list->items[i].name, at) != 0)
			i++;
		if (i == list->count && !str_starts(at, "security.") && fremovexattr(fd, at) < 0 &&
		    errno != ENODATA)
			return -1;
	}
	return size < 0 ? -1 : 0;
}

void xattrs_free(struct xattrs *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].name);
		free(list->items[i].value);
	}
	free(list->items);
	*list = (struct xattrs)XATTRS_INIT;
}
