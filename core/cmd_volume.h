/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor volume create|ls|inspect|clone|resize|check|snapshot|…|convert|mount|umount|rm. */
#ifndef CORE_CMD_VOLUME_H
#define CORE_CMD_VOLUME_H

#include "core/cmd.h"
#include "core/volume.h"

/* The options of all of them; each has a table of those that it takes. */
struct volume_options {
	struct volume_create_opts create;
	struct strv params;
	const char *backend;
	const char *to_backend;
	const char *snapshot;
	enum stor_clone_mode clone_mode;
	bool is_json, is_quiet, is_all, repair, read_only;
};

int volume_set_backend(void *target, const char *value, struct stor_err *err);
int volume_add_param(void *target, const char *value, struct stor_err *err);
int volume_set_format(void *target, const char *value, struct stor_err *err);
int volume_set_size(void *target, const char *value, struct stor_err *err);
int volume_set_read_only(void *target, const char *value, struct stor_err *err);

#define VOLUME_OPT_BACKEND                                                                         \
	{                                                                                          \
		0, "backend", "NAME", "Backend of a foreign volume, where it is not found out",    \
			volume_set_backend                                                         \
	}
#define VOLUME_OPT_PARAM                                                                           \
	{                                                                                          \
		'o', "option", "KEY=VALUE", "A parameter of the backend (repeatable)",             \
			volume_add_param                                                           \
	}
#define VOLUME_OPT_FORMAT                                                                          \
	{                                                                                          \
		0, "format", "FORMAT", "Print a table or json", volume_set_format                  \
	}

int cmd_volume(struct store *store, int argc, char **argv, struct stor_err *err);

int cmd_volume_ls(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_volume_inspect(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_volume_resize(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_volume_check(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_volume_snapshot(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_volume_snapshots(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_volume_snapshot_rm(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_volume_rollback(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_volume_merge(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_volume_compact(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_volume_convert(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_volume_mount(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_volume_umount(struct store *store, int argc, char **argv, struct stor_err *err);

#endif
