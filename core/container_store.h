/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Containers on disk: STORE/containers/ID with its record, found by id, id prefix or name. This
 * file knows nothing of namespaces; core/container runs what is recorded here.
 *
 * Keys of a container's record: id, name, created (seconds since the epoch; and created-ns), status
 * (created, running, exited), exit-code ("unknown" after a kill -9), rm (yes|no), image, backend,
 * command (several), pid and start-time (of the container's first process, while running), label
 * (several, KEY=VALUE), and what root_prepare() adds ("volume.…", "param.…"). Also started and
 * finished (seconds), boot (that of the machine in which pid and start-time are), master-fd (of its
 * terminal, in its monitor), detached (yes: a monitor stays with it), stopped (yes: somebody has
 * stopped it), and for starting it again option
 * ("OPTION=VALUE", several), env (several), user, workdir; updated (yes: container_updates.h) and
 * root-device (MAJOR:MINOR, of the disk below its root, while running), root-device-io (of a disk
 * that is the root volume's own: what it had counted before the start, as disk_io_text()).
 */
#ifndef CORE_CONTAINER_STORE_H
#define CORE_CONTAINER_STORE_H

#include "core/base/record.h"
#include "core/store.h"

/*
 * Take a new id and the name (NULL: the id is the name), say that this process is running it, and
 * make containers/ID with `record` completed by id, name, created and status=created. The name of a
 * container that died with a killed stor --rm is free again. STOR_BUSY: the name is taken. *id is
 * malloc'ed.
 */
int container_begin(struct store *store, const char *name, struct record *record, char **id,
                    struct stor_err *err);

/* Say that this process runs container `id`, which nobody runs, with a monitor; its record, which
 * says so and nothing of an end any more, goes to `record`, as it was to `before`. STOR_BUSY: it
 * runs, or with unless_stopped, somebody has stopped it. */
int container_claim(struct store *store, const char *id, bool unless_stopped, struct record *record,
                    struct record *before, struct stor_err *err);

/* Open the record, to append to it. -1 with err filled. */
int container_open_record(struct store *store, const char *id, struct stor_err *err);

/* Nothing came of it: the record is `before` again, and nobody runs it. */
void container_unclaim(struct store *store, const char *id, const struct record *before);

/* Write the record again, atomically. */
int container_save(struct store *store, const char *id, const struct record *record,
                   struct stor_err *err);

/* The lock under which a container's folder is changed by others than the process that runs it; the
 * descriptor holds it. -1 with err filled. */
int container_lock(struct store *store, const char *id, struct stor_err *err);

/* Set the values of `changes` in the record, and add them to what is on disk. */
int container_note(struct store *store, const char *id, struct record *record,
                   const struct record *changes, struct stor_err *err);

/* container_note() for others than the process that runs it: at no time is it lost. */
int container_change(struct store *store, const char *id, const struct record *changes,
                     struct stor_err *err);

/* The run is over: record its exit code (status=exited), or with `remove` take everything of it
 * away, its ephemeral volume included (which is released by now). No longer live in either case. */
int container_end(struct store *store, const char *id, struct record *record, int exit_code,
                  bool remove, struct stor_err *err);

/* The disk below its root, by its record; 0: it has none of its own number. */
dev_t container_recorded_disk(const struct record *record);

/* STOR_NOT_FOUND, in place of what err says: no container has this name or id. */
int container_fail_not_found(const char *name, struct stor_err *err);

/* By name, id, or a prefix of an id that only one container has. *id is malloc'ed; record may be
 * NULL. STOR_NOT_FOUND, or STOR_USAGE for an ambiguous prefix. */
int container_find(struct store *store, const char *name, char **id, struct record *record,
                   struct stor_err *err);

struct container_item {
	char *id;
	struct record record;
	bool is_damaged; /* the record cannot be read, and is empty */
	uint64_t created_s, created_ns;
};

struct container_set {
	struct container_item *items;
	size_t count;
};

#define CONTAINER_SET_INIT                                                                         \
	{                                                                                          \
		.items = NULL                                                                      \
	}

void container_set_free(struct container_set *set);
#define cleanup_container_set __attribute__((cleanup(container_set_free)))

/* All containers with their records as they are on disk, oldest first. */
int container_load_all(struct store *store, struct container_set *set, struct stor_err *err);

/* Ids of all containers, oldest first. */
int container_list(struct store *store, struct strv *ids, struct stor_err *err);

/* The name under which the container is linked in names/, borrowed from its record; NULL: it goes
 * by its id. */
const char *container_linked_name(const char *id, const struct record *record);

/* A name must be one, and one that looks like an id must not hide the container that has this id:
 * STOR_USAGE, STOR_BUSY. */
int container_check_name(struct store *store, const char *name, struct stor_err *err);

/* Give it another name, after waiting while it begins or ends. STOR_BUSY: the name is taken, the
 * container runs in the foreground, or begins or ends for long. */
int container_rename(struct store *store, const char *id, const char *name, struct stor_err *err);

/* Remove a container that does not run, with its ephemeral volume. STOR_BUSY: it runs. */
int container_remove(struct store *store, const char *id, struct stor_err *err);

/* Read the record of an id, as it is on disk. STOR_NOT_FOUND: no such container. */
int container_load(struct store *store, const char *id, struct record *record,
                   struct stor_err *err);

/* As container_load(), after noticing that a container recorded as running has died. */
int container_load_current(struct store *store, const char *id, struct record *record,
                           struct stor_err *err);

/* Did the stor process that ran it die without a word? A container that was made and never run has
 * status=created and nobody who runs it. */
bool container_has_died(const struct record *record, enum store_life life);

/* Its first process, by its record; 0: it does not run. Neither another process that has got its
 * pid nor one of another boot is taken for it. */
pid_t container_first_process(const struct store *store, const struct record *record);

/* Does the first process of a detached container live, though its monitor may be dead? */
bool container_outlives(const struct store *store, const struct record *record);

/* Remove the pipes of a detached container (core/container/output.h). */
void container_remove_io(struct store *store, const char *id);

/* Was it started with --rm? */
bool container_is_rm(const struct record *record);

/* The stor process that ran the container is dead: note that it ended, with an unknown exit code,
 * or with --rm (or without a whole record) remove it. Others may do the same at the same time.
 * Nothing is done to one that outlives its monitor. */
int container_reap(struct store *store, const char *id, struct stor_err *err);

/* The container was seen not to run: remove its cgroup, unless it runs by now. */
int container_reap_cgroup(struct store *store, const char *id, struct stor_err *err);

/* The same for one that outlived its monitor, by the process that runs it now and has seen its end.
 * exit_code: NULL: unknown. */
int container_end_adopted(struct store *store, const char *id, const char *exit_code,
                          struct stor_err *err);

#endif
