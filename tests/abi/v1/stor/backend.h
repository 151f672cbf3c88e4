/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stor backend ABI: all that a storage plugin needs to know of stor.
 *
 * A backend is one shared object, stor-NAME.so, that stores root filesystems. It fills a
 * `struct stor_backend`, names it in STOR_REGISTER_BACKEND(), and is then reached through the one
 * symbol that the macro exports. stor-backend(3) is the manual; plugins/template is one to copy.
 *
 * Rules that hold for every callback:
 *  - It returns 0, or -1 after saying why through host->fail(). It never prints, never exits, and
 *    leaves no thread, no signal handler and no changed working directory or umask behind.
 *  - It runs in stor's own process, as root, in the host's namespaces, never in a container.
 *    One call runs at a time in a process; other processes may work on other volumes of the same
 *    store meanwhile. Callbacks keep no state between calls: what must be remembered is on disk.
 *  - Strings and arrays in a request live until the callback returns. Descriptors in a request stay
 *    the caller's. Descriptors in a result become the caller's, and are close-on-exec.
 *  - Sizes are bytes unless the name says otherwise. An absent descriptor is -1.
 *  - Every struct that crosses the boundary starts with its size, or has it on the backend's table.
 *    Fields are only ever appended; STOR_HAS() tells whether the other side has a field.
 *
 * This is version 1, and it stays: a backend built with this header loads for ever. Later headers
 * append fields, callbacks, services, enum values and flags, and change nothing that is here:
 *  - Either side reads of a struct what both know; the rest is as if it were zero.
 *  - stor sends a backend no flag or enum value that is newer than the backend, unless its table
 *    says that it knows it, or the flag is a hint that may be ignored.
 *  - A backend uses what is newer than stor only after STOR_HAS(), or insists on it by
 *    min_host_size. stor refuses flags and values that it does not know.
 */
#ifndef STOR_BACKEND_H
#define STOR_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STOR_ABI_VERSION 1u

/* Distinguishes backends from the other kinds of module that stor loads. */
#define STOR_KIND_BACKEND 0x42524f5453u /* "STORB", little endian */

/* True when `field` lies within the size that the maker of *ptr stamped on it. */
#define STOR_HAS(ptr, field)                                                                       \
	((ptr)->struct_size >= offsetof(__typeof__(*(ptr)), field) + sizeof((ptr)->field))

/* The smallest size of the struct that has `field`, for min_host_size. */
#define STOR_SIZE_UP_TO(type, field) (offsetof(type, field) + sizeof(((type *)NULL)->field))

/* --- errors ------------------------------------------------------------------------------- */

/* The classes of failure that a user can tell apart; the command's exit status is this number. */
enum stor_status {
	STOR_OK = 0,
	STOR_FAILED = 1,      /* anything not named below */
	STOR_USAGE = 2,       /* a wrong option, name or parameter */
	STOR_NOT_FOUND = 3,   /* the thing that the user named does not exist */
	STOR_BUSY = 4,        /* in use, or locked by somebody else */
	STOR_UNSUPPORTED = 5, /* this backend, or this machine, cannot do it */
};

struct stor_err; /* made by stor; filled through host->fail() alone */

enum stor_log_level {
	STOR_LOG_ERROR = 0,
	STOR_LOG_WARN = 1,
	STOR_LOG_INFO = 2,
	STOR_LOG_DEBUG = 3,
};

/* Enums are fields of structs here, and a compiler can be told to make them short. */
typedef char stor_enums_are_ints_[sizeof(enum stor_status) == sizeof(int) ? 1 : -1];

/* --- parameters --------------------------------------------------------------------------- */

enum stor_param_type {
	STOR_PARAM_STRING = 0,
	STOR_PARAM_BOOL = 1, /* yes|no, true|false, on|off, 1|0 */
	STOR_PARAM_UINT = 2, /* decimal */
	STOR_PARAM_SIZE = 3, /* bytes, with K M G T P as powers of 1024 */
	STOR_PARAM_ENUM = 4, /* one of `choices` */
};

/* When a parameter has a meaning; stor refuses it elsewhere. */
#define STOR_PARAM_CREATE 1u /* fixed when a volume is made, and recorded with it */
#define STOR_PARAM_ATTACH 2u /* may differ from one attach to the next */
#define STOR_PARAM_CHANGE 4u /* how a command that makes, changes or checks a volume does it */

/*
 * One `-o KEY=VALUE` parameter. A backend has a static table of them, ended by a null key. Parsing,
 * --help, `stor backend info` and the check of the man page come from this table. Its entries are
 * struct stor_backend's param_size apart, so that they too can grow.
 */
struct stor_param {
	const char *key; /* lower case, digits and '-' */
	enum stor_param_type type;
	uint32_t scope;            /* STOR_PARAM_*, ORed */
	const char *default_value; /* as a user would write it; NULL: none */
	const char *choices;       /* STOR_PARAM_ENUM: "one|two|three" */
	const char *help;          /* one line, no full stop */
};

/* A parameter's value: the user's, else the one recorded with the volume, else the default. stor
 * lays them struct stor_backend's value_size apart; what it does not know in one is zero. */
struct stor_value {
	bool is_set;        /* false: not given, not recorded, and no default exists */
	bool is_explicit;   /* the user gave it in this very command */
	const char *string; /* the text; never NULL when is_set */
	uint64_t number;    /* BOOL 0/1; UINT, SIZE the number; ENUM the index into choices */
};

/* --- volumes ------------------------------------------------------------------------------ */

/* The volume is not in stor's store: `path` is what the user named; it must be left as found. */
#define STOR_VOLUME_FOREIGN 1u
/* Made for one container, and removed with it. */
#define STOR_VOLUME_EPHEMERAL 2u

struct stor_volume {
	size_t struct_size;
	/*
	 * Absolute. For a volume of the store, an existing directory that belongs to this volume
	 * alone: the backend may keep any files in it, and core removes it after destroy(), or
	 * gives it to another volume if it is empty then. For a foreign one, the file or directory
	 * that the user named.
	 */
	const char *path;
	uint32_t flags;                  /* STOR_VOLUME_* */
	const struct stor_value *values; /* parallel to the backend's parameter table */
};

struct stor_probe_req {
	size_t struct_size;
	const char *path; /* as the user named it */
	int fd;           /* it, opened for reading, at its beginning */
};

/* --- create ------------------------------------------------------------------------------- */

/* A root that will be thrown away: layouts that are quick to make are preferred to lasting ones. */
#define STOR_CREATE_EPHEMERAL 1u

struct stor_create_req {
	size_t struct_size;
	uint32_t flags;
	/* 0: the backend's own default, large enough for the source. */
	uint64_t size_bytes;
	/* Directory whose whole content becomes the root of the new filesystem, with every
	 * attribute; -1: an empty filesystem. source_path names it for messages. */
	int source_fd;
	const char *source_path;
	/* Filesystem to make: "ext4", …; NULL: the backend's default. */
	const char *fs_type;
	/* Filesystem label, at most 16 bytes; NULL: none. */
	const char *fs_label;
};

/* --- attach ------------------------------------------------------------------------------- */

#define STOR_ATTACH_READ_ONLY 1u
#define STOR_ATTACH_EPHEMERAL 2u /* this volume goes away after its release */

/* What attach hands over. */
enum stor_attachment_kind {
	/* `fd` is an open block device that vanishes with its last user (a loop device with
	 * AUTOCLEAR, for instance). Core checks the filesystem on it and mounts it. */
	STOR_ATTACHED_BLOCK = 0,
	/* `fd` is a detached mount, from open_tree(OPEN_TREE_CLONE) or fsmount(). */
	STOR_ATTACHED_MOUNT = 1,
};

/* Core mounts the block device so that freed blocks are passed on to it (the discard option). */
#define STOR_ATTACHED_DISCARD 1u

#define STOR_TOKEN_MAX 255

struct stor_attach_req {
	size_t struct_size;
	uint32_t flags;
	/* How long to wait for a previous user that is just going away; then: STOR_BUSY. */
	uint32_t busy_wait_ms;
	/* Snapshot to attach, read-only; NULL: the volume itself. */
	const char *snapshot;
	/* User namespace whose mapping the mount must carry (MOUNT_ATTR_IDMAP); -1: none. Only for
	 * STOR_ATTACHED_MOUNT: core maps the mounts that it makes of block devices itself. */
	int userns_fd;
	/* Security label (context= mount option) for a mount that the backend makes; or NULL. */
	const char *mount_label;
	/*
	 * For a driver that cannot tie its device to a descriptor: called with a text that lets a
	 * later detach() find the device, before the device comes into being. Core has it on disk
	 * when this returns 0; when it returns -1, err is filled and attach must fail.
	 */
	int (*record_token)(void *ctx, const char *token, struct stor_err *err);
	void *record_token_ctx;
};

struct stor_attachment {
	size_t struct_size;
	enum stor_attachment_kind kind;
	int fd; /* see stor_attachment_kind */
	/* Held open by core while the volume is in use, closed at its release: for a lock that no
	 * kernel object holds. -1: none. */
	int lock_fd;
	/* A stream socket to the process that serves the volume, and that process's pidfd, from
	 * host->spawn_server(). Both -1 where nobody serves it. */
	int control_fd;
	int server_pidfd;
	uint32_t flags; /* STOR_ATTACHED_* */
	/* How it was attached, for people: "loop, direct I/O"; a static string or NULL. */
	const char *how;
};

struct stor_detach_req {
	size_t struct_size;
	const char *token; /* as recorded */
};

/* The content will be destroyed next: nothing in memory is worth writing back. */
#define STOR_RELEASE_DISCARD 1u

struct stor_release_req {
	size_t struct_size;
	uint32_t flags;
	/* The root directory of the volume's filesystem, opened for reading; no container process
	 * is left in it, and core closes it next. */
	int root_fd;
};

struct stor_destroy_req {
	size_t struct_size;
};

/* --- the rest ----------------------------------------------------------------------------- */

/* Takes one key and value; called by info() and check() as often as they have something to say. */
typedef int (*stor_emit_fn)(void *ctx, const char *key, const char *value);

#define STOR_UNKNOWN UINT64_MAX

/* in_use alone is asked, perhaps many times in a row: the rest may be left as it is. */
#define STOR_INFO_IN_USE_ONLY 1u

struct stor_info {
	size_t struct_size;
	uint32_t flags;           /* what is asked: STOR_INFO_IN_USE_ONLY */
	bool in_use;              /* somebody has it attached for writing */
	uint64_t size_bytes;      /* what a filesystem in it can hold; STOR_UNKNOWN: no limit */
	uint64_t allocated_bytes; /* on the host's disk now, all told */
	uint64_t exclusive_bytes; /* of those, freed if this volume were destroyed */
	const char *fs_type;      /* static string; NULL: not known before it is attached */
	const char *format;       /* static string: "raw image", "directory" */
	/* For what has no field here. */
	stor_emit_fn emit;
	void *emit_ctx;
};

enum stor_clone_mode {
	STOR_CLONE_AUTO = 0,    /* the cheapest that this store can do */
	STOR_CLONE_REFLINK = 1, /* share blocks through the filesystem, or fail */
	STOR_CLONE_COPY = 2,    /* copy everything that is not a hole */
	STOR_CLONE_DELTA = 3,   /* an own format's copy-on-write child: its parent outlives it */
};

struct stor_clone_req {
	size_t struct_size;
	const struct stor_volume *source; /* not attached for writing while this runs */
	enum stor_clone_mode mode;
	uint32_t flags; /* STOR_CREATE_EPHEMERAL */
};

struct stor_resize_req {
	size_t struct_size;
	uint64_t size_bytes;
	/*
	 * A mounted volume: its root directory, and the connection to its server if it has one.
	 * Growing, the backend enlarges the device only; core grows the filesystem afterwards.
	 * Both -1: the volume is not attached. Core only shrinks volumes that are not attached,
	 * and the backend then shrinks the filesystem too, or says STOR_UNSUPPORTED.
	 */
	int root_fd;
	int control_fd;
};

#define STOR_CHECK_REPAIR 1u

/* What check() found. */
enum stor_verdict { STOR_VERDICT_CLEAN = 0, STOR_VERDICT_REPAIRED = 1, STOR_VERDICT_DAMAGED = 2 };

struct stor_check_req {
	size_t struct_size;
	uint32_t flags;
	/* Takes findings: key "error", "warning", "repaired" or "note", value a sentence. */
	stor_emit_fn emit;
	void *emit_ctx;
};

struct stor_snapshot_req {
	size_t struct_size;
	const char *id; /* chosen by core or the user: [A-Za-z0-9][A-Za-z0-9_.-]{0,63} */
	/* A range for merge(): from `id` down to and including `until`; NULL: `id` alone. */
	const char *until;
	/* Of a mounted volume, frozen by core while the backend works; -1 otherwise. */
	int root_fd;
	int control_fd;
};

struct stor_snapshot {
	size_t struct_size;
	const char *id;
	const char *parent;      /* NULL: the first one */
	bool is_current;         /* the live state's parent */
	int64_t created_seconds; /* since the epoch; -1: not known */
};

typedef int (*stor_snapshot_fn)(void *ctx, const struct stor_snapshot *snapshot);

struct stor_snapshot_list_req {
	size_t struct_size;
	stor_snapshot_fn emit; /* called for each; when it returns other than 0, return that */
	void *emit_ctx;
};

/* What is converted to stands in the volume's values; the size is there for what may be appended.
 */
struct stor_convert_req {
	size_t struct_size;
};

struct stor_compact_req {
	size_t struct_size;
	int root_fd; /* of a mounted volume; -1 otherwise */
	int control_fd;
	uint64_t freed_bytes; /* out */
};

/* Something that a backend needs of the machine, for examine(). */
struct stor_finding {
	size_t struct_size;
	const char *what; /* one to three words: "loop devices" */
	bool is_there;
	const char *detail; /* what was found, or what cannot be done without it */
	const char *remedy; /* what the user can do about it; NULL: nothing */
};

typedef int (*stor_finding_fn)(void *ctx, const struct stor_finding *finding);

struct stor_examine_req {
	size_t struct_size;
	stor_finding_fn emit;
	void *emit_ctx;
};

struct stor_stream_req {
	size_t struct_size;
	int fd;               /* pipe, socket or file */
	const char *snapshot; /* send: this state; NULL: the live one of a volume not attached */
	const char *base;     /* send: only what changed since; receive: must be present. or NULL */
};

/* --- what stor offers to a backend -------------------------------------------------------- */

/* The process keeps the other end of its control socket open too, as descriptor
 * STOR_SERVER_PEER_FD: from there stor takes it for online operations on a mount that no stor
 * process holds. So the socket does not tell that the volume is released; and several processes may
 * have spoken to it, one after the other, that did not all read their answers. */
#define STOR_SERVER_KEEPS_PEER 1u
#define STOR_SERVER_PEER_FD 0

struct stor_server_req {
	size_t struct_size;
	uint32_t flags; /* STOR_SERVER_* */
	/* What `ps` shows: "stor-ploop /var/lib/stor/volumes/v1" */
	const char *name;
	/*
	 * Runs in the new process with its end of the control socket; its return value is the exit
	 * status. It has the caller's memory as of the call, its own session, no signal handlers,
	 * the descriptors listed in keep_fds and no others, and / as its working directory.
	 * It serves until the descriptors that it holds tell it that its volume is released.
	 */
	int (*main)(void *arg, int control_fd);
	void *arg;
	const int *keep_fds; /* ended by -1; NULL: none */
};

struct stor_server {
	size_t struct_size;
	int pidfd;
	int control_fd;
};

struct stor_call_req {
	size_t struct_size;
	uint32_t timeout_ms; /* 0: none */
	/*
	 * Runs in a child process of its own, for a library that crashes, leaks or keeps state. It
	 * may write its result to `out` (out_size bytes of shared memory, zeroed), and fills err as
	 * any callback does. The caller gets out and err back; a child that dies by a signal or
	 * outlives timeout_ms becomes an error that says so.
	 */
	int (*call)(void *arg, void *out, struct stor_err *err);
	void *arg;
	void *out;
	size_t out_size;
};

/*
 * The host's services: given to a backend once, when it is loaded, and valid for ever. A backend
 * that knows a service which its host may lack tests STOR_HAS(host, service).
 */
struct stor_host {
	size_t struct_size;
	const char *version; /* of stor, for messages */

	/* Say why a callback fails: class (STOR_FAILED where stor does not know it), errno value or
	 * 0 (its text is appended), and the object and the operation in lower case without a full
	 * stop. Always returns -1. A second call on the same err puts its text before the first
	 * one's, as context. */
	int (*fail)(struct stor_err *err, enum stor_status status, int errnum, const char *format,
	            ...) __attribute__((format(printf, 4, 5)));
	/* Add what the user can do about it; shown on a line of its own. */
	void (*hint)(struct stor_err *err, const char *format, ...)
		__attribute__((format(printf, 2, 3)));
	/* Trace for --debug; never a way to report a failure. */
	void (*log)(enum stor_log_level level, const char *format, ...)
		__attribute__((format(printf, 2, 3)));

	/* Long loops call it every few MiB. Shows a bar on a terminal. Returns -1, with err filled,
	 * when the user interrupted: the callback then undoes its work and fails. total 0: not
	 * known. `what` is one or two words. */
	int (*progress)(const char *what, uint64_t done_bytes, uint64_t total_bytes,
	                struct stor_err *err);

	/* An unnamed file (O_TMPFILE, read-write) on the store's filesystem. */
	int (*temp_file)(struct stor_err *err);

	int (*spawn_server)(const struct stor_server_req *req, struct stor_server *server,
	                    struct stor_err *err);
	int (*call_isolated)(const struct stor_call_req *req, struct stor_err *err);

	/* Run a program found in PATH (a checker, never what a library can do) with stdin from
	 * /dev/null and LC_ALL=C; its output goes line by line to emit as key "note". Returns its
	 * exit status, or -1 with err filled. */
	int (*run_program)(const char *const *argv, stor_emit_fn emit, void *emit_ctx,
	                   struct stor_err *err);
};

/* --- the backend itself ------------------------------------------------------------------- */

/* Takes a size though fs_types is NULL: a quota on files, which resize() changes. */
#define STOR_BACKEND_SIZED 1u
/* clone() can make a STOR_CLONE_DELTA, at once whatever the source's size: containers get such
 * clones of their image's golden volume. */
#define STOR_BACKEND_DELTAS 2u

/*
 * Callbacks marked Required must be there. Each other one may be absent, and then stor does what
 * its comment says; a command that needs an absent one exits 5 and names the backend.
 */
struct stor_backend {
	/* Stamped by STOR_REGISTER_BACKEND(). In every version the first three lie here. */
	uint64_t kind;
	size_t struct_size;
	uint32_t abi_version;
	uint32_t param_size; /* of an entry of `params` */
	uint32_t value_size; /* of an entry of stor_volume's `values` */

	/* A stor whose stor_host is smaller is too old for this backend, and refuses it:
	 * STOR_SIZE_UP_TO(struct stor_host, run_program); 0: any will do. */
	uint32_t min_host_size;

	/* Required. Lower case letters, digits and '-', a letter first; the file: stor-NAME.so. */
	const char *name;
	const char *version;             /* Required: its own */
	const char *summary;             /* Required: one line for `stor backend ls` */
	const struct stor_param *params; /* ended by a null key; NULL: none */
	/* Space-separated filesystems that create() can make, its default first; NULL: it stores
	 * files without a filesystem of its own, and a size is refused. */
	const char *fs_types;
	uint32_t flags; /* STOR_BACKEND_*; one that stor does not know is refused */

	/* Once, before any other callback: keep `host`. Absent: the backend needs no host, and
	 * then cannot say why it fails. Returning -1 refuses to load (a missing library). */
	int (*load)(const struct stor_host *host, struct stor_err *err);

	/* Is this foreign path a volume of mine? 0: no; 1..100: how sure. Reads, never writes.
	 * Absent: only --backend brings foreign volumes to this backend. */
	int (*probe)(const struct stor_probe_req *req);

	/* Required. Make the volume's content in the empty directory volume->path. What a failed
	 * or killed create leaves behind, core removes with the directory. Durable on return. */
	int (*create)(const struct stor_volume *volume, const struct stor_create_req *req,
	              struct stor_err *err);

	/* Required. Make the volume mountable; see enum stor_attachment_kind. Nothing that attach
	 * brings into being may outlive its last user, however that one ends. While attached for
	 * writing it holds an exclusive flock on a file that the kernel keeps open as long as the
	 * attachment lasts, and a shared one while attached read-only. */
	int (*attach)(const struct stor_volume *volume, const struct stor_attach_req *req,
	              struct stor_attachment *attachment, struct stor_err *err);

	/* End an attachment that recorded a token; "already gone" is success. Absent: no
	 * attachment of this backend has a token. */
	int (*detach)(const struct stor_volume *volume, const struct stor_detach_req *req,
	              struct stor_err *err);

	/* A run is over and core is about to let go. Absent: nothing needs doing. Never called
	 * after a kill -9, so nothing may depend on it. */
	int (*release)(const struct stor_volume *volume, const struct stor_release_req *req,
	               struct stor_err *err);

	/* Required. Describe the volume, attached or not, without changing it. */
	int (*info)(const struct stor_volume *volume, struct stor_info *info, struct stor_err *err);

	/* Required. Remove the content; "already gone" is success; STOR_BUSY while attached. Core
	 * removes the directory. Never called for foreign volumes. */
	int (*destroy)(const struct stor_volume *volume, const struct stor_destroy_req *req,
	               struct stor_err *err);

	/* Make `volume` (an empty directory) a copy of req->source, which stays as it is. Absent:
	 * named clones are refused; ephemeral ones are always an overlay of the source, attached
	 * read-only, over an empty volume, made by core. */
	int (*clone)(const struct stor_volume *volume, const struct stor_clone_req *req,
	             struct stor_err *err);

	/* Absent: the size is fixed. */
	int (*resize)(const struct stor_volume *volume, const struct stor_resize_req *req,
	              struct stor_err *err);

	/* Look for damage; repair it only with STOR_CHECK_REPAIR. Not attached for writing while it
	 * runs. Returns 0 with *verdict set whenever the check itself could be done. Absent:
	 * "nothing to check". */
	int (*check)(const struct stor_volume *volume, const struct stor_check_req *req,
	             enum stor_verdict *verdict, struct stor_err *err);

	/* Snapshots: all four, or none. */
	int (*snapshot)(const struct stor_volume *volume, const struct stor_snapshot_req *req,
	                struct stor_err *err);
	int (*snapshot_list)(const struct stor_volume *volume,
	                     const struct stor_snapshot_list_req *req, struct stor_err *err);
	int (*snapshot_delete)(const struct stor_volume *volume,
	                       const struct stor_snapshot_req *req, struct stor_err *err);
	/* The live state becomes that of the snapshot; what was live is lost. */
	int (*rollback)(const struct stor_volume *volume, const struct stor_snapshot_req *req,
	                struct stor_err *err);
	/* Fold snapshots into their children, shortening a chain. Absent: there are no chains. */
	int (*merge)(const struct stor_volume *volume, const struct stor_snapshot_req *req,
	             struct stor_err *err);

	/* Give space that the filesystem no longer uses back to the host. Absent: refused. */
	int (*compact)(const struct stor_volume *volume, struct stor_compact_req *req,
	               struct stor_err *err);

	/* Change the create parameters of a volume that is not attached to those in
	 * volume->values that are explicit. Absent: refused. */
	int (*convert)(const struct stor_volume *volume, const struct stor_convert_req *req,
	               struct stor_err *err);

	/* Write a state as a stream, and make a volume of one, in a format of the backend's own.
	 * Both or none; absent: core copies files instead. */
	int (*send)(const struct stor_volume *volume, const struct stor_stream_req *req,
	            struct stor_err *err);
	int (*receive)(const struct stor_volume *volume, const struct stor_stream_req *req,
	               struct stor_err *err);

	/* Tell `stor doctor` what this machine has, and lacks, of what the backend needs. Changes
	 * nothing; what is missing is a finding, not a failure. Absent: nothing to tell. */
	int (*examine)(const struct stor_examine_req *req, struct stor_err *err);
};

/*
 * Placed once, after the backend's table is defined:
 *
 *	static struct stor_backend backend = { .name = "mine", … };
 *	STOR_REGISTER_BACKEND(backend)
 */
#define STOR_REGISTER_BACKEND(table)                                                               \
	__attribute__((visibility("default"))) const struct stor_backend *stor_backend_init(void); \
	const struct stor_backend *stor_backend_init(void)                                         \
	{                                                                                          \
		(table).kind = STOR_KIND_BACKEND;                                                  \
		(table).struct_size = sizeof(table);                                               \
		(table).abi_version = STOR_ABI_VERSION;                                            \
		(table).param_size = sizeof(struct stor_param);                                    \
		(table).value_size = sizeof(struct stor_value);                                    \
		return &(table);                                                                   \
	}

#ifdef __cplusplus
}
#endif

#endif
