/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nobody uses any more: containers that do not run, images without a container, volumes that
 * no container mounts. Golden volumes go with their image; those without one are store_collect()'s.
 */
#ifndef CORE_CMD_PRUNE_FIND_H
#define CORE_CMD_PRUNE_FIND_H

#include "core/container_log.h"
#include "core/store.h"

enum prune_kind { PRUNE_CONTAINER, PRUNE_IMAGE, PRUNE_VOLUME };

struct prune_item {
	enum prune_kind kind;
	char *id, *name; /* the same but for a container */
	uint64_t bytes;  /* that its files take on the disk */
	bool is_kept;    /* by prune_remove(): somebody uses it by now, or removed it */
};

struct prune_wish {
	bool with_volumes;
	char until[LOG_TIME_MAX];  /* only what was made before; "": whenever */
	const struct strv *labels; /* KEY[=VALUE], all of them; volumes have none */
};

struct prune_list {
	struct prune_item *items;
	size_t count;
};

#define PRUNE_LIST_INIT                                                                            \
	{                                                                                          \
		.items = NULL                                                                      \
	}

/* Find it, containers first: what only they use is among the rest. A container whose record cannot
 * be read, or that is to be started again by itself, stays, with all that it may use. */
int prune_find(struct store *store, const struct prune_wish *wish, struct prune_list *list,
               struct stor_err *err);
/* Remove one; what it says of a failure is for the log where item->is_kept. */
int prune_remove(struct store *store, struct prune_item *item, struct stor_err *err);
void prune_list_free(struct prune_list *list);
#define cleanup_prune_list __attribute__((cleanup(prune_list_free)))

/* "container", "image", "volume". */
const char *prune_kind_name(enum prune_kind kind);

#endif
