/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volumes: made, found, attached and released, whichever backend stores them. Commands and the
 * container code come here; backends are reached through core/backend.h.
 */
#ifndef CORE_VOLUME_H
#define CORE_VOLUME_H

#include "core/backend.h"
#include "core/base/record.h"
#include "core/store.h"

enum volume_kind { VOLUME_NAMED, VOLUME_FOREIGN, VOLUME_GOLDEN, VOLUME_EPHEMERAL };

struct volume {
	const struct backend *backend;
	enum volume_kind kind;
	char *name;           /* for messages: name, golden key, container id or foreign path */
	char *dir;            /* its folder below STORE; NULL: foreign */
	char *path;           /* absolute; ref.path is this */
	char *key;            /* names it in STATE/users and in locks */
	struct record record; /* as read from its folder; empty: foreign or ephemeral */
	struct params params;
	struct stor_volume ref; /* what callbacks get */
};

#define VOLUME_INIT                                                                                \
	{                                                                                          \
		.backend = NULL                                                                    \
	}

void volume_free(struct volume *volume);
#define cleanup_volume __attribute__((cleanup(volume_free)))

/* Find a named volume, or (with a '/' in the name) a foreign one, by the backend given or probed.
 */
int volume_find(struct store *store, const char *name, const char *backend,
                const struct strv *given_params, struct volume *volume, struct stor_err *err);

/* The ephemeral volume of a container, as its record describes it. */
int volume_of_container(struct store *store, const char *id, const struct record *record,
                        struct volume *volume, struct stor_err *err);

/* Found before its lock was had, a named volume may be gone by then: STOR_NOT_FOUND; or be on
 * another backend: STOR_BUSY. */
int volume_check_there(struct store *store, const struct volume *volume, struct stor_err *err);

/* Fill in everything but the parameters: `dir` is the folder below STORE, or NULL with `path` for a
 * foreign one. */
void volume_init(struct volume *volume, struct store *store, enum volume_kind kind,
                 const struct backend *backend, const char *name, const char *dir,
                 const char *path);

/* Parse the parameters, with what volume->record remembers. scope: STOR_PARAM_*. */
int volume_set_params(struct volume *volume, const struct strv *given, uint32_t scope,
                      struct stor_err *err);

/* Names of the volumes of the store, sorted. */
int volume_list(struct store *store, struct strv *names, struct stor_err *err);

/* Remove a named volume that nobody uses. STOR_BUSY names the user. */
int volume_remove(struct store *store, const char *name, struct stor_err *err);

/* What is in the tmp/ folder of a dead process was a whole volume, being removed or about to get
 * its name: let its backend remove what it keeps. Anything else is success. For sweep.c. */
int volume_sweep_temp(struct store *store, const char *temp, struct stor_err *err);

/* Make volumes/NAME a copy of a volume that nobody writes to meanwhile. */
int volume_clone(struct store *store, const struct volume *source, const char *name,
                 enum stor_clone_mode mode, struct stor_err *err);

/* Lock a volume against attaching, and other work on it, for as long as the returned descriptor is
 * open. STOR_BUSY, naming the user, when it is attached (for writing, where readers_may_stay). */
int volume_lock(struct store *store, const struct volume *volume, bool readers_may_stay,
                struct stor_err *err);

struct volume_create_opts {
	const char *backend;       /* NULL: STOR_BACKEND, else "dir" */
	const struct strv *params; /* KEY=VALUE */
	uint64_t size_bytes;       /* 0: the backend's default */
	const char *fs_type;
	const char *image;    /* fill it from this image; NULL: empty */
	const char *fs_label; /* NULL: none */
};

/* Make volumes/NAME whole or not at all. */
int volume_create(struct store *store, const char *name, const struct volume_create_opts *opts,
                  struct volume *volume, struct stor_err *err);

struct volume_convert_opts {
	const char *backend;       /* that it goes to */
	const struct strv *params; /* KEY=VALUE of that backend */
	uint64_t size_bytes;       /* 0: as it is, where both have sizes */
};

/*
 * Move a named volume that nobody uses to another backend: its content, with every attribute, into
 * a filesystem that is made anew. It is whole there, on disk, before it is gone here.
 * STOR_UNSUPPORTED: it has snapshots, which would be lost; STOR_BUSY names its user.
 */
int volume_convert(struct store *store, struct volume *volume,
                   const struct volume_convert_opts *opts, struct stor_err *err);

/* --- in use ------------------------------------------------------------------------------- */

struct attached {
	const struct volume *volume; /* borrowed: outlives this */
	int mount_fd;                /* detached mount: nodev, and read-only where asked for */
	int root_fd;                 /* its root directory, opened for reading */
	int lock_fd, control_fd, server_pidfd;
	const char *how;     /* static, or NULL */
	const char *fs_type; /* static, or NULL */
	bool read_only;
	bool is_block;     /* a filesystem on a block device of the volume's own */
	bool is_lock_ours; /* the lock is lock_fd alone: nothing to wait for once it is closed */
	char *user_path;   /* absolute: the record of this use in STATE/users; NULL: none */
	char *token;       /* for backend_detach(); NULL: the kernel ends the attachment */
};

#define ATTACHED_INIT                                                                              \
	{                                                                                          \
		.mount_fd = -1, .root_fd = -1, .lock_fd = -1, .control_fd = -1, .server_pidfd = -1 \
	}

struct attach_opts {
	bool read_only;
	bool ephemeral;
	const char *snapshot;
	int userns_fd; /* -1: none */
	const char *label;
	const char *fs_type; /* what it must hold; NULL: found out */
	const char *user;    /* who uses it, for the message that others get: "container web"; NULL:
	                        this process */
	bool is_locked;      /* the caller has the volume's lock, as by volume_lock() */
};

#define ATTACH_OPTS_INIT                                                                           \
	{                                                                                          \
		.userns_fd = -1                                                                    \
	}

/* Attach and mount. STOR_BUSY, naming the user where known, when somebody has it. */
int volume_attach(struct store *store, const struct volume *volume, const struct attach_opts *opts,
                  struct attached *out, struct stor_err *err);

/* Let go: tells the backend, closes everything, waits (at most 10 s, with a message after 1 s)
 * until the kernel has released it. discard: the content is about to be destroyed. */
int volume_release(struct attached *attached, bool discard, struct stor_err *err);

/* Wait until the kernel has let a volume go whose last user is ending: as volume_release(). */
int volume_wait_free(const struct volume *volume, struct stor_err *err);

/*
 * Give a volume a new size, with its filesystem: attached for writing, it grows under its users;
 * not attached, it also shrinks where its backend can. A growth that the filesystem cannot follow
 * is taken back. size_bytes 0 is refused.
 */
int volume_resize(struct store *store, struct volume *volume, uint64_t size_bytes,
                  struct stor_err *err);

/*
 * Work on a volume that its users may have attached meanwhile. Begun, nobody else attaches it or
 * works on it. STOR_BUSY, naming the user, where it has one that cannot be reached, or one that
 * reads where `readers_may_stay` is not set; in particular one that shares a filesystem with
 * others.
 */
struct volume_change {
	int lock_fd;
	int root_fd, control_fd; /* of who writes to it; -1: nobody does, nobody serves it */
};

#define VOLUME_CHANGE_INIT                                                                         \
	{                                                                                          \
		.lock_fd = -1, .root_fd = -1, .control_fd = -1                                     \
	}

int volume_change_begin(struct store *store, const struct volume *volume, bool readers_may_stay,
                        struct volume_change *change, struct stor_err *err);
void volume_change_end(struct volume_change *change);
#define cleanup_volume_change __attribute__((cleanup(volume_change_end)))

/* Keep the present state as snapshot `id`; of a volume in use its filesystem is frozen for it. */
int volume_snapshot(struct store *store, const struct volume *volume, const char *id,
                    struct stor_err *err);

/* Mount a volume, or one of its snapshots (read-only), at a directory of the host, where it stays
 * until volume_umount(). */
int volume_mount(struct store *store, const struct volume *volume, const char *dir,
                 const char *snapshot, bool read_only, struct stor_err *err);

/* Unmount what volume_mount() mounted: by its directory, or by the volume's name or path, from
 * everywhere. STOR_NOT_FOUND: not mounted. */
int volume_umount(struct store *store, const char *name_or_dir, struct stor_err *err);

/* --- a container's root ------------------------------------------------------------------- */

struct root_opts {
	const char *backend;       /* NULL: STOR_BACKEND, else "dir"; for a root path: probed */
	const struct image *image; /* open; NULL: the built-in busybox */
	const char *root;          /* named volume or path to run in place; excludes image */
	const struct strv *params; /* KEY=VALUE, and clone=overlay|reflink|copy|auto */
	uint64_t size_bytes;
	const char *fs_type;
	bool read_only;
	bool is_throwaway; /* run --rm: an ephemeral volume goes away with the run */
};

/* The backend of a new root or volume: `asked`, else STOR_BACKEND, else "dir". */
const char *root_backend_name(const char *asked);

/*
 * What a container is rooted on: one attached volume, `base`; or, for an ephemeral clone by
 * overlay, the golden volume (base, read-only) under an empty one of the container's own (upper),
 * which the container's first process joins in its own mount namespace: lowerdir = base's root,
 * upperdir and workdir = "upper" and "work" in upper's root, which exist.
 */
struct root {
	bool is_overlay;
	struct volume base_volume, upper_volume;
	struct attached base, upper;
	const char *clone_mode; /* "overlay", "delta", "reflink", "copy", "in place": for inspect */
	bool is_ephemeral;
};

/* Prepare the root of container `id`, whose folder containers/ID exists. Makes the golden volume
 * when it is the first use (two runs that race make it once). Adds what a later start or removal
 * needs to `record` ("volume.*", "param.*", "backend"); where it does not name the backend yet
 * (root_backend_name() says it before container_begin()), the record is saved before the volume is
 * made, so that a sweep knows who has to remove it. *root is filled with what root_release() takes,
 * and untouched on failure; it holds pointers into itself, so it must not be moved. */
int root_prepare(struct store *store, const char *id, const struct root_opts *opts,
                 struct root *root, struct record *record, struct stor_err *err);

/* The same for a container that exists and does not run: by its record, but for opts->root. */
int root_open(struct store *store, const char *id, const struct root_opts *opts, struct root *root,
              struct record *record, struct stor_err *err);

/* Release it; with `destroy` also remove the ephemeral volume. */
int root_release(struct root *root, bool destroy, struct stor_err *err);

/* Remove the ephemeral volume of a container that does not run, which `record` describes. None, or
 * a half made one, is success. STOR_BUSY: still attached. */
int root_destroy(struct store *store, const char *id, const struct record *record,
                 struct stor_err *err);

#endif
