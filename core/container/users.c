/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users and groups of a root: see users.h. */
#include "core/container/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"

#define LINE_BYTES 4096
#define MAX_ID UINT64_C(0xfffffffe)

/* A file read line by line; lines that do not fit are passed over. */
struct lines {
	int fd;
	char buf[LINE_BYTES];
	size_t start, end;
};

/* A fifo or device in the file's place must not stop a start. */
static int lines_open(struct lines *lines, int root_fd, const char *path)
{
	struct stat st;

	lines->start = lines->end = 0;
	lines->fd = fs_open_in_root(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (lines->fd >= 0 && (fstat(lines->fd, &st) < 0 || !S_ISREG(st.st_mode)))
		close_fd(&lines->fd);
	return lines->fd < 0 ? -1 : 0;
}

static char *lines_next(struct lines *lines)
{
	bool skipping = false;

	for (;;) {
		char *line = lines->buf + lines->start;
		char *newline = memchr(line, '\n', lines->end - lines->start);
		ssize_t n;

		if (newline) {
			*newline = '\0';
			lines->start = (size_t)(newline - lines->buf) + 1;
			if (!skipping)
				return line;
			skipping = false;
			continue;
		}
		memmove(lines->buf, line, lines->end - lines->start);
		lines->end -= lines->start;
		lines->start = 0;
		if (lines->end >= LINE_BYTES - 1) {
			skipping = true;
			lines->end = 0;
		}
		n = read(lines->fd, lines->buf + lines->end, LINE_BYTES - 1 - lines->end);
		if (n > 0) {
			lines->end += (size_t)n;
			continue;
		}
		if (!lines->end || skipping)
			return NULL;
		lines->buf[lines->end] = '\0';
		lines->end = 0;
		return lines->buf;
	}
}

/* Splits at ':' into at most `max` fields. Returns their number. */
static unsigned split(char *line, char **fields, unsigned max)
{
	unsigned count = 0;

	while (count < max && line)
		fields[count++] = strsep(&line, ":");
	return count;
}

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

/* Leaves what is there when the text is too long. */
static void copy_if_fits(char *to, size_t room, const char *text)
{
	size_t length = strlen(text) + 1;

	if (length <= room)
		memcpy(to, text, length);
}

/* A field that holds an id. 0, or -1. */
static int parse_id(const char *text, uint64_t *id)
{
	return str_to_u64(text, id) < 0 || *id > MAX_ID ? -1 : 0;
}

int users_parse(const char *text, const struct strv *adds, struct user_spec *spec,
                struct stor_err *err)
{
	const char *colon = text ? strchr(text, ':') : NULL;
	uint64_t id;

	memset(spec, 0, sizeof(*spec));
	spec->adds = adds;
	for (size_t i = 0; i < adds->count; i++)
		if (!*adds->items[i] ||
		    (is_number(adds->items[i]) && parse_id(adds->items[i], &id) < 0))
			return err_fail(err, STOR_USAGE, 0, "--group-add: \"%s\" is no group",
			                adds->items[i]);
	if (!text)
		return 0;
	spec->user = colon ? xstrndup(text, (size_t)(colon - text)) : xstrdup(text);
	spec->group = colon ? xstrdup(colon + 1) : NULL;
	if (!*spec->user || (is_number(spec->user) && parse_id(spec->user, &id) < 0))
		err_fail(err, STOR_USAGE, 0, "--user: \"%s\" has no valid user", text);
	else if (spec->group &&
	         (!*spec->group || (is_number(spec->group) && parse_id(spec->group, &id) < 0)))
		err_fail(err, STOR_USAGE, 0, "--user: \"%s\" has no valid group", text);
	else
		return 0;
	users_free(spec);
	return -1;
}

void users_free(struct user_spec *spec)
{
	free(spec->user);
	free(spec->group);
	memset(spec, 0, sizeof(*spec));
}

/* Finds the user by name or number; *name becomes its name in the file, or stays empty. */
static bool find_user(int root_fd, const char *user, struct user_ids *ids, char *name, size_t room)
{
	bool by_number = is_number(user), found = by_number;
	uint64_t wanted = 0, uid, gid;
	struct lines lines;
	char *line, *f[7];

	if (by_number) {
		parse_id(user, &wanted);
		ids->uid = (uid_t)wanted;
		ids->gid = 0;
	}
	if (lines_open(&lines, root_fd, "/etc/passwd") < 0)
		return found;
	while ((line = lines_next(&lines))) {
		if (split(line, f, 7) < 6 || parse_id(f[2], &uid) < 0 || parse_id(f[3], &gid) < 0)
			continue;
		if (by_number ? uid != wanted : strcmp(f[0], user) != 0)
			continue;
		ids->uid = (uid_t)uid;
		ids->gid = (gid_t)gid;
		copy_if_fits(name, room, f[0]);
		if (*f[5] == '/')
			copy_if_fits(ids->home, sizeof(ids->home), f[5]);
		found = true;
		break;
	}
	close(lines.fd);
	return found;
}

static bool is_member(char *list, const char *name)
{
	char *member;

	while ((member = strsep(&list, ",")))
		if (!strcmp(member, name))
			return true;
	return false;
}

static enum user_result add_group(struct user_ids *ids, gid_t gid)
{
	for (unsigned i = 0; i < ids->group_count; i++)
		if (ids->groups[i] == gid)
			return USER_FOUND;
	if (ids->group_count == USERS_MAX_GROUPS)
		return USER_TOO_MANY;
	ids->groups[ids->group_count++] = gid;
	return USER_FOUND;
}

/* A group by name or number. */
static bool find_group(int root_fd, const char *group, gid_t *gid)
{
	struct lines lines;
	bool found = false;
	char *line, *f[4];
	uint64_t id;

	if (is_number(group)) {
		parse_id(group, &id);
		*gid = (gid_t)id;
		return true;
	}
	if (lines_open(&lines, root_fd, "/etc/group") < 0)
		return false;
	while (!found && (line = lines_next(&lines))) {
		if (split(line, f, 4) < 3 || strcmp(f[0], group) != 0 || parse_id(f[2], &id) < 0)
			continue;
		*gid = (gid_t)id;
		found = true;
	}
	close(lines.fd);
	return found;
}

/* The groups that list the user as a member. */
static enum user_result find_memberships(int root_fd, const char *name, struct user_ids *ids)
{
	enum user_result result = USER_FOUND;
	struct lines lines;
	char *line, *f[4];
	uint64_t id;

	if (!*name || lines_open(&lines, root_fd, "/etc/group") < 0)
		return USER_FOUND;
	while (result == USER_FOUND && (line = lines_next(&lines)))
		if (split(line, f, 4) == 4 && parse_id(f[2], &id) == 0 && is_member(f[3], name))
			result = add_group(ids, (gid_t)id);
	close(lines.fd);
	return result;
}

enum user_result users_lookup(int root_fd, const struct user_spec *spec, struct user_ids *ids,
                              unsigned *which)
{
	enum user_result result = USER_FOUND;
	char name[256] = "";
	gid_t gid;

	ids->uid = 0;
	ids->gid = 0;
	ids->group_count = 0;
	copy_if_fits(ids->home, sizeof(ids->home), spec->user ? "/" : "/root");
	if (spec->user && !find_user(root_fd, spec->user, ids, name, sizeof(name)))
		return USER_UNKNOWN_USER;
	if (spec->group && !find_group(root_fd, spec->group, &ids->gid))
		return USER_UNKNOWN_GROUP;
	if (spec->user && !spec->group)
		result = find_memberships(root_fd, name, ids);
	for (unsigned i = 0; result == USER_FOUND && i < spec->adds->count; i++) {
		*which = i;
		if (!find_group(root_fd, spec->adds->items[i], &gid))
			return USER_UNKNOWN_ADDED;
		result = add_group(ids, gid);
	}
	return result;
}
