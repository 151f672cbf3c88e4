/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Users and groups by the root's own /etc/passwd and /etc/group. Nothing here allocates: the
 * container's first process, which shares its parent's memory, calls it once it is in its root.
 */
#ifndef CONTAINER_USERS_H
#define CONTAINER_USERS_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/base/err.h"
#include "core/base/str.h"

#define USERS_MAX_GROUPS 256

/* What was asked for. */
struct user_spec {
	char *user;              /* name or number; NULL: root, nothing is looked up */
	char *group;             /* name or number; NULL: the user's own, and its others */
	const struct strv *adds; /* further groups, names or numbers */
};

/* What it comes to. */
struct user_ids {
	uid_t uid;
	gid_t gid;
	gid_t groups[USERS_MAX_GROUPS];
	unsigned group_count;
	char home[PATH_MAX];
};

enum user_result {
	USER_FOUND,
	USER_UNKNOWN_USER,
	USER_UNKNOWN_GROUP,
	USER_UNKNOWN_ADDED, /* a group of spec->adds: *which is its index */
	USER_TOO_MANY,
};

/* Split NAME|UID[:GROUP|GID]; text NULL: root. STOR_USAGE for an empty part or a number that is no
 * id. */
int users_parse(const char *text, const struct strv *adds, struct user_spec *spec,
                struct stor_err *err);
void users_free(struct user_spec *spec);

/* Look a parsed spec up below root_fd. A number that is not in the files is taken as it is. */
enum user_result users_lookup(int root_fd, const struct user_spec *spec, struct user_ids *ids,
                              unsigned *which);

#endif
