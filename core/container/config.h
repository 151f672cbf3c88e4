/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a container shall be: one neutral description, filled by the options of `run` today. Filling
 * it checks the form of each value (config_*.c); config_validate() then checks what belongs
 * together. Nothing here touches the host.
 */
#ifndef CONTAINER_CONFIG_H
#define CONTAINER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/record.h"
#include "core/base/str.h"
#include "core/cgroup/limits.h"
#include "core/container/config_net.h"

#define CONFIG_STOP_S 10

enum config_mount_type { CONFIG_MOUNT_BIND, CONFIG_MOUNT_TMPFS, CONFIG_MOUNT_VOLUME };

struct config_mount {
	enum config_mount_type type;
	char *source; /* bind: absolute path; volume: name or path; tmpfs: NULL */
	char *target; /* absolute path inside */
	bool read_only;
	bool is_optional;          /* no place for it inside: left out */
	bool may_exec, may_suid;   /* tmpfs; volumes and binds always may */
	struct strv tmpfs_options; /* "size=…", "mode=…": the filesystem's own */
	char *backend, *fs_type;   /* volume, when it is made */
	uint64_t size_bytes;       /* volume, when it is made; 0: the backend's default */
};

enum config_restart {
	CONFIG_RESTART_NO,
	CONFIG_RESTART_ON_FAILURE,
	CONFIG_RESTART_ALWAYS,
	CONFIG_RESTART_UNLESS_STOPPED,
};

struct config_ulimit {
	int resource; /* RLIMIT_* */
	uint64_t soft, hard;
};

struct container_config {
	/* Fills an empty configuration from a container's record, where its options can have been
	 * changed meanwhile. */
	int (*restore)(struct container_config *config, const struct record *record,
	               struct stor_err *err);
	char *name; /* NULL: the id */
	bool remove, interactive, tty, init;
	bool init_system; /* its command is one, which manages services */
	bool is_detached; /* it has no terminal of stor's, but a log */
	struct strv
		given; /* "OPTION=VALUE": what the user said that is not in the record as such */
	enum config_restart restart;
	unsigned restart_max;   /* on-failure: so often; 0: without end */
	char *stop_signal;      /* NULL: TERM */
	int64_t stop_s;         /* how long it may take to stop; negative: for ever */
	uint64_t log_max_bytes; /* 0: it is never cut */
	unsigned log_max_files;
	struct strv labels;

	/* Root; NULL: the default. */
	char *image, *root, *backend, *fs_type;
	struct strv params; /* KEY=VALUE */
	uint64_t size_bytes;
	bool read_only;

	/* What runs. */
	char *entrypoint; /* "": none, also not the image's; NULL: the image's */
	struct strv args;
	struct strv env; /* KEY=VALUE, later ones win */
	char *user;      /* NAME|UID[:GROUP|GID] */
	struct strv group_add;
	char *workdir;
	char *hostname; /* NULL: the id */

	struct config_mount *mounts;
	size_t mount_count;
	uint64_t shm_size_bytes;
	struct config_net net;

	/* Limits and privileges. */
	struct config_ulimit *ulimits;
	size_t ulimit_count;
	struct strv cap_add, cap_drop;
	uint64_t caps;       /* result of both: bit N is capability N; set by config_validate() */
	bool new_privileges; /* no_new_privs is not set */
	struct cgroup_asked cgroup;
	char *seccomp; /* NULL: the default profile; "unconfined"; or a profile's path */
};

void config_init(struct container_config *config);
void config_free(struct container_config *config);
#define cleanup_config __attribute__((cleanup(config_free)))

/* Check what belongs together, and work out `caps`. STOR_USAGE, or STOR_UNSUPPORTED for what is
 * known and not done yet. */
int config_validate(struct container_config *config, struct stor_err *err);

/* Refuse --tty with --interactive where there is no terminal to connect: what is piped into one is
 * echoed, cut into lines, and need not come to an end. */
int config_check_terminal(const struct container_config *config, struct stor_err *err);

/* Fill what the user left open from an image's record ("config.…" keys). Operands are arguments of
 * the entrypoint; without any, the image's own command is. NULL: no image. */
void config_apply_image(struct container_config *config, const struct record *image);

/* One text of --volume: SOURCE:TARGET[:ro|rw]. */
int config_add_volume(struct container_config *config, const char *text, struct stor_err *err);
/* One text of --tmpfs: TARGET[:OPTION,…]. */
int config_add_tmpfs(struct container_config *config, const char *text, struct stor_err *err);
/* One text of --mount: type=bind|tmpfs|volume,KEY=VALUE,… */
int config_add_mount(struct container_config *config, const char *text, struct stor_err *err);
/* A new mount to fill; valid until the next one is added. */
struct config_mount *config_new_mount(struct container_config *config, enum config_mount_type type);

/* One text of --ulimit: NAME=SOFT[:HARD]. */
int config_add_ulimit(struct container_config *config, const char *text, struct stor_err *err);

/* One text of --env: KEY=VALUE, or KEY for stor's own value of it (left out when it has none). */
int config_add_env(struct container_config *config, const char *text, struct stor_err *err);
/* A file of such lines; empty ones and those that begin with # do not count. */
int config_add_env_file(struct container_config *config, const char *path, struct stor_err *err);
/* Value of a variable, or NULL. */
const char *config_get_env(const struct container_config *config, const char *key);

/* The text of --restart: no, on-failure[:N], always, unless-stopped. */
int config_set_restart(struct container_config *config, const char *text, struct stor_err *err);

/* One text of --log-opt: max-size=SIZE or max-file=NUMBER. */
int config_add_log_opt(struct container_config *config, const char *text, struct stor_err *err);

/* One text of --security-opt. */
int config_add_security(struct container_config *config, const char *text, struct stor_err *err);

#endif
