/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of core/cgroup share about a container's cgroup. */
#ifndef CORE_CGROUP_INTERNAL_H
#define CORE_CGROUP_INTERNAL_H

#include <limits.h>

#include "core/cgroup/cgroup.h"

#define CGROUP_KEY_FILTER_ONLY "filter-only"

extern const char *const cgroup_leaf_names[CGROUP_LEAVES];

/* "cgroups/ID" below STATE; malloc'ed. */
char *cgroup_record_path(const char *id);

/* Load the module and add a place without leaves. NULL with err filled. */
struct cgroup_place *cgroup_add_place(struct cgroup *cgroup, bool is_v2, uint32_t controllers,
                                      const char *path, struct stor_err *err);

/* The same, as a record names it, with the leaves that are there. */
struct cgroup_place *cgroup_open_place(struct cgroup *cgroup, const char *text,
                                       struct stor_err *err);

/* malloc'ed. The path of the payload is that of the place where there is no leaf for servers: a
 * server is neither filtered nor frozen. */
char *cgroup_leaf_path(const struct cgroup_place *place, enum cgroup_leaf leaf);

/* A descriptor for a cgroup's directory, or -1 with errno. */
int cgroup_open_dir(const char *path);

/* Has it a leaf for servers, or a use for one? */
bool cgroup_has_leaves(const struct cgroup_place *place);

/* Make the leaf's directory and open it. */
int cgroup_make_leaf(struct cgroup_place *place, enum cgroup_leaf leaf, struct stor_err *err);

/*
 * Hand a place's limits to its module: those that the payload lives under to the payload, and what
 * says how the container stands among others to stor-ID. What was there before is noted in both
 * lists, if they are not NULL; of a failure, too.
 */
int cgroup_apply_limits(const struct cgroup_place *place, const struct cgroup_limits *limits,
                        struct strv *undo_whole, struct strv *undo_payload, struct stor_err *err);

/* As cgroup_adopt(), into either leaf. */
int cgroup_adopt_into(struct cgroup *cgroup, enum cgroup_leaf leaf, pid_t pid,
                      struct stor_err *err);

#endif
