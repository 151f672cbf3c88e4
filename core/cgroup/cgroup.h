/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cgroup of one container: a directory stor-ID in each hierarchy that it uses, with two leaves.
 * `payload` has the container's processes: limits, freezing and killing act on it, while stor-ID
 * has what counts among other containers: weights, and version 2's memory that is kept. `server`
 * has those that serve its volumes: they are never frozen, since whoever syncs the host's
 * filesystems waits for them, and have a bound of their own. In a hierarchy of version 1 that has
 * no more than the devices, the freezer or a service manager's name stor-ID itself is the payload,
 * for a server has no use for it.
 *
 * STATE/cgroups/ID names the directories, and is written before they are made; so whoever finds it
 * can remove them. Keys: "place" (several): "v1|v2 CONTROLLERS PATH", "made" (several): a directory
 * above that was made too, and "filter-only=yes": it was made for the device filter alone.
 */
#ifndef CORE_CGROUP_CGROUP_H
#define CORE_CGROUP_CGROUP_H

#include "core/cgroup/machine.h"
#include "core/store.h"

enum cgroup_leaf { CGROUP_PAYLOAD, CGROUP_SERVER, CGROUP_LEAVES };

/* One hierarchy's part. */
struct cgroup_place {
	const struct cgroup_module *module;
	bool is_v2;
	uint32_t controllers;
	char *path;                  /* of stor-ID */
	int leaf_fds[CGROUP_LEAVES]; /* -1: it has no such leaf */
};

struct cgroup {
	struct cgroup_place places[CGROUP_HIERARCHIES_MAX];
	size_t count;
	bool is_filter_only; /* made for the device filter alone; cgroup_extend() gives the rest */
};

#define CGROUP_INIT                                                                                \
	{                                                                                          \
		.count = 0                                                                         \
	}

struct cgroup_wish {
	const char *parent; /* below the mounts; NULL: the default */
	const struct cgroup_limits *limits;
	uint32_t needed;  /* controllers that it cannot do without */
	bool filter_only; /* else those for readings and freezing are used, too, where they are */
	const char *(*reason)(void *ctx,
	                      uint32_t controller); /* who needs it; never NULL for those */
	void *ctx;
};

/* Close it; the directories stay. */
void cgroup_close(struct cgroup *cgroup);
#define cleanup_cgroup __attribute__((cleanup(cgroup_close)))

/* Make the cgroup of container `id`, with its limits. STOR_UNSUPPORTED, naming the controller and
 * the remedy, when this machine cannot do what is needed. What was made is for cgroup_remove(),
 * also after a failure. */
int cgroup_make(struct store *store, const char *id, const struct cgroup_wish *wish,
                struct cgroup *cgroup, struct stor_err *err);

/* The same for a container that has one, with is_filter_only or without a controller that is
 * needed: its processes may have to be moved by cgroup_adopt(). */
int cgroup_extend(struct store *store, const char *id, const struct cgroup_wish *wish,
                  struct cgroup *cgroup, struct stor_err *err);

/* Open what cgroup_make() made. STOR_NOT_FOUND: the container has none. */
int cgroup_open(struct store *store, const char *id, struct cgroup *cgroup, struct stor_err *err);

/* The lock under which a cgroup is removed. Who makes one around a process that may end meanwhile
 * holds it from before looking whether the process lives. Returns a descriptor to close, or -1. */
int cgroup_lock(struct store *store, const char *id, struct stor_err *err);

/*
 * A cgroup of version 2 in which a service manager may make its own, with the controllers that it
 * has but not its limits, which are above: made below the payload, for the first process to be born
 * into. Returns a descriptor, or -1 with err filled.
 */
int cgroup_delegate(const struct cgroup_place *place, struct stor_err *err);
/* Open the cgroup of version 2 in which a process of the payload is: one that hands controllers on
 * takes no process itself. Returns a descriptor, or -1 with err filled. */
int cgroup_open_of(const struct cgroup_place *place, pid_t pid, struct stor_err *err);

/* Remove it, after killing what is still in it. None is success. Takes cgroup_lock(). */
int cgroup_remove(struct store *store, const char *id, struct stor_err *err);

/*
 * How a process is born into a leaf. One that is moved there by another holds up all forks on the
 * machine, and waits for all processors: some 12 ms.
 */
struct cgroup_entry {
	int into_fd; /* of version 2: for CLONE_INTO_CGROUP of clone3(2); -1: none */
	int join_fds[CGROUP_HIERARCHIES_MAX]; /* for cgroup_enter(): files that take "0" for the
	                                         writer */
	size_t join_count;
};

#define CGROUP_ENTRY_INIT                                                                          \
	{                                                                                          \
		.into_fd = -1                                                                      \
	}

/* The way into the leaf for servers, which is made when it is missing. For cgroup_entry_close(),
 * also after a failure. */
int cgroup_open_servers(struct cgroup *cgroup, struct cgroup_entry *entry, struct stor_err *err);
/* Move this process, which has one thread, to where it is not born. Calls write(2) alone. -1 with
 * errno. */
int cgroup_enter(const struct cgroup_entry *entry);
void cgroup_entry_close(struct cgroup_entry *entry);
#define cleanup_cgroup_entry __attribute__((cleanup(cgroup_entry_close)))

/* Move a process, given by its pidfd, and its children into the leaf for servers, which is made
 * when it is missing. One that is there already costs a look. */
int cgroup_add_server(struct cgroup *cgroup, int pidfd, struct stor_err *err);

/* Move a process and all that descend from it into the leaf for the payload. Nothing of them is
 * outside when it returns; STOR_BUSY: they fork faster than that. */
int cgroup_adopt(struct cgroup *cgroup, pid_t pid, struct stor_err *err);

/* What cgroup_update() has changed: a list for each place's stor-ID, and one for its payload. */
struct cgroup_undo {
	struct strv whole[CGROUP_HIERARCHIES_MAX], payload[CGROUP_HIERARCHIES_MAX];
};

/*
 * Change the limits of the container: those that are set in `limits`, whose controllers
 * the cgroup has. When one is refused, all are as they were. STOR_BUSY: less memory than is in use.
 * *undo, empty before, is for cgroup_update_undo(), and then cgroup_undo_free(). NULL: what is
 * refused is the cgroup's end, and nothing is put back.
 */
int cgroup_update(struct cgroup *cgroup, const struct cgroup_limits *limits,
                  struct cgroup_undo *undo, struct stor_err *err);
/* Put them back as they were. */
void cgroup_update_undo(struct cgroup *cgroup, struct cgroup_undo *undo);
void cgroup_undo_free(struct cgroup_undo *undo);
#define cleanup_cgroup_undo __attribute__((cleanup(cgroup_undo_free)))

/* Controllers that the container's cgroup has, in whichever hierarchy. */
uint32_t cgroup_controllers(const struct cgroup *cgroup);

/* Stop the payload, or let it go on. */
int cgroup_freeze(struct cgroup *cgroup, bool on, struct stor_err *err);
/* Is it stopped? */
bool cgroup_is_frozen(const struct cgroup *cgroup);
/* The same of container `id`, whether it has a cgroup or not; no module is loaded. */
bool cgroup_is_paused(struct store *store, const char *id);
/* Kill all that is in a leaf, frozen or not. STOR_BUSY: something does not die. */
int cgroup_kill(const struct cgroup *cgroup, enum cgroup_leaf leaf, struct stor_err *err);
/* What a leaf has used. False: it has no such leaf. */
bool cgroup_read_stats(const struct cgroup *cgroup, enum cgroup_leaf leaf,
                       struct cgroup_stats *stats);
/* Of these the processes of the payload that were killed for want of memory; CGROUP_UNKNOWN: its
 * memory is not counted. */
uint64_t cgroup_oom_kills(const struct cgroup *cgroup);

#endif
