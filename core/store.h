/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where stor keeps things, and who is alive.
 *
 *	STORE (/var/lib/stor)
 *	  images/NAME/       record, rootfs/
 *	  golden/KEY/        record, data/     a volume made of an image, shared by its clones
 *	  volumes/NAME/      record, data/
 *	  containers/ID/     record, data/     data: the container's ephemeral volume
 *	  spare/N/           data/             an empty containers/ID/ for the next run
 *	  names/NAME         symbolic link whose text is the id of the container with that name
 *	  tmp/PID.START.N/   work in progress; renamed to its place when whole
 *	  state              symbolic link to the STATE in use
 *	STATE (/run/stor, gone after a boot)
 *	  live/PID.START.ID  one empty file per stor process that runs container ID
 *	  keep/PID.START.ID  of a monitor that starts container ID again (core/container/keep_up.h)
 *	  users/PID.START.N.KEY  who has the volume KEY attached (core/volume_users.h)
 *	  cgroups/ID         the directories of a container's cgroup (core/cgroup/cgroup.h)
 *	  events, events.1   what happened (core/event.h)
 *	  boot               symbolic link whose text is the boot that all of this is of:
 *store_boot.c unfiltered         an empty file: it was said that containers have no device filter
 *	  locks              one file whose byte ranges are locked: store_lock()
 *	  lower, upper, root empty directories: mount points inside a container's own mount
 *namespace store              symbolic link to the STORE
 *
 * Every folder is 0700: images hold set-user-ID programs of strangers. What a killed stor leaves
 * behind is in a place whose name says which process made it (pid and start time), so the next stor
 * command sees it and removes it: store_sweep().
 */
#ifndef CORE_STORE_H
#define CORE_STORE_H

#include <stdint.h>
#include <sys/types.h>

#include "core/base/err.h"
#include "core/base/str.h"

#define STORE_BOOT_MAX 64

struct store {
	const char *path;       /* absolute */
	const char *state_path; /* absolute */
	int fd;                 /* -1 until store_open() */
	int state_fd;
	/* This process had to make STATE: the first one since the boot. The next store_sweep() then
	 * looks at every container. */
	bool is_state_new;
	/* This boot of the machine, by the kernel's name; records of containers have it, since a
	 * pid and a start time may be another process's after a boot. */
	char boot[STORE_BOOT_MAX];
	/* Gives detached containers whose monitor is dead a new one: container `id`, or every one
	 * (NULL) that is easily found. Set by main, called by store_open(); NULL: nothing is done.
	 */
	void (*adopt)(struct store *store, const char *id);
	/* Not by store_open() but by the sweep: a start does not wait for hundreds to be looked at.
	 */
	bool adopts_in_sweep;
	/* Of this process, for the names that it gives; kept by store_self(). */
	pid_t self_pid;
	uint64_t self_start;
	unsigned next_number;
};

#define STORE_INIT                                                                                 \
	{                                                                                          \
		.fd = -1, .state_fd = -1                                                           \
	}

/* Open, making what is missing. A store that others could write to is refused, and so is a STATE
 * that serves another store, or another STATE than the one that containers of this store run with.
 * Opening twice is nothing. */
int store_open(struct store *store, struct stor_err *err);
void store_close(struct store *store);

/* Make one of the folders of STORE (relative to store->fd) or STATE, 0700. Existing is success. */
int store_make_dir(int parent_fd, const char *name, struct stor_err *err);

/* A new random id: 12 hexadecimal digits. malloc'ed. */
char *store_new_id(void);
bool store_is_id(const char *s);

/* Make an empty tmp/PID.START.N/ for work in progress; returns its path below STORE (malloc'ed). */
char *store_make_temp(struct store *store, struct stor_err *err);

/* Remove what store_make_temp() made, with its content. Failures are left to the next sweep. */
void store_remove_temp(struct store *store, const char *temp);

/* Move tmp/… to its place, durably. STOR_BUSY when something is there already. */
int store_publish(struct store *store, const char *temp, const char *place, struct stor_err *err);
/* Move it there in exchange for what is there, durably; also after a failure one of them is. */
int store_exchange(struct store *store, const char *temp, const char *place, struct stor_err *err);

/* --- who is alive: store_live.c ----------------------------------------------------------- */

/* The process that a name "PID.START.REST" tells of. */
struct store_mark {
	pid_t pid;
	uint64_t start_time;
	const char *rest; /* within the name */
};

/* "PID.START" of this process; borrowed from buf (at least 48 bytes). */
const char *store_self(struct store *store, char *buf, size_t size);
bool store_mark_parse(const char *name, struct store_mark *mark);
/* A process that has got the pid of a dead one is seen through, at the price of reading its start
 * time. This very process is alive. */
bool store_mark_is_alive(struct store *store, const struct store_mark *mark);

/* Say that this process runs container `id` now, and that it no longer does. */
int store_mark_live(struct store *store, const char *id, struct stor_err *err);
void store_unmark_live(struct store *store, const char *id);

/* Is a living stor process running this container? Its pid goes to *pid when not NULL. */
bool store_is_live(struct store *store, const char *id, pid_t *pid);

/* The same, told from a process that died without a word. */
enum store_life { STORE_NOT_RUN, STORE_DIED, STORE_ALIVE };
enum store_life store_life(struct store *store, const char *id, pid_t *pid);

/* Ids of all containers that a living stor process runs. */
int store_list_live(struct store *store, struct strv *ids, struct stor_err *err);

/* Names of the entries of a folder, unsorted and without "." and "..". A folder that does not exist
 * is empty. */
int store_list(int parent_fd, const char *folder, struct strv *names, struct stor_err *err);

/* As store_list(), of the entries that no living process made. Not exact: quick with hundreds of
 * the living; then some of the dead may be left for one of the next calls to find, those that
 * nobody has waited for yet and those whose pid another process has. */
int store_list_dead(struct store *store, int parent_fd, const char *folder, bool exact,
                    struct strv *names, struct stor_err *err);

/* --- boots: store_boot.c ------------------------------------------------------------------ */

/*
 * Learn which boot this is, and make the folders of STATE where it has none of this boot: what a
 * STATE that outlived its boot holds is removed first, for no process that it tells of can be
 * there. One on a tmpfs is not asked whether it did, so that this costs one system call. For
 * store_open().
 */
int store_make_state(struct store *store, struct stor_err *err);

/* Is this STATE of this boot, so that it can tell who lives? */
bool store_is_state_of_now(int state_fd);

/* --- locks: store_lock.c ------------------------------------------------------------------ */

#define STORE_WAIT_FOREVER UINT32_MAX

/*
 * Lock a key, an arbitrary text, against other stor commands with the same STATE; the lock lasts
 * until the returned descriptor is closed or its processes are gone, and leaves no file behind.
 * STOR_BUSY when it was held for wait_ms.
 */
int store_lock(struct store *store, const char *key, bool exclusive, uint32_t wait_ms,
               struct stor_err *err);

/* 64 bits of a text, well mixed (FNV-1a); for names, not for secrets. */
uint64_t store_hash(const char *text);

/* --- names of containers: store_names.c --------------------------------------------------- */

/* Point names/NAME to container `id`, whose record is written. A name whose container is gone, or
 * died with its stor --rm, is taken over. STOR_BUSY: the name is taken. */
int store_claim_name(struct store *store, const char *name, const char *id, struct stor_err *err);

/* Give the name up if it is that of `id`. `own`: this process runs the container, so that nobody
 * can take the name over meanwhile and no lock is needed. */
int store_drop_name(struct store *store, const char *name, const char *id, bool own,
                    struct stor_err *err);

/* The id that has a name, malloc'ed; NULL: none. */
char *store_find_name(struct store *store, const char *name);

/* --- removing what is left: sweep.c ------------------------------------------------------- */

/*
 * Remove what dead stor processes left: their tmp/ folders, their --rm containers; and note in the
 * records of their other containers that they ended. Quick when there is nothing to do (one
 * directory listing), so every command calls it, run after its payload has started.
 */
int store_sweep(struct store *store, struct stor_err *err);

struct sweep_opts {
	/* Look at everything, and at the start time of every process: what `stor gc` does. */
	bool is_thorough;
	bool dry_run; /* only report */
	/* Told of each thing that was removed or ended: kind "container", "golden volume", …; may
	 * be NULL. */
	void (*report)(void *ctx, const char *kind, const char *name, const char *why);
	void *ctx;
};

/* store_sweep() with a choice. What cannot be removed is reported by the error of the last one,
 * after everything else was dealt with. */
int store_collect(struct store *store, const struct sweep_opts *opts, struct stor_err *err);

#endif
