/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls of libploop in a child process: see libploop.h. */
#include "ploop/libploop.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/host.h"
#include "ploop/descriptor.h"

/* The one whose calls are declared here: of ploop 1.x. */
#define LIBRARY "libploop.so.1"

/* Flags of ploop_check(): also of an image that is marked clean; clusters used twice; no write. */
#define CHECK_FORCE 0x01
#define CHECK_DETAILED 0x08
#define CHECK_READ_ONLY 0x20

/* Its error codes that have a class of their own here. */
#define CODE_BUSY 17
#define CODE_LOCK 23
#define CODE_IN_USE 37
#define CODE_PARAM 38

/* --- what <ploop/libploop.h> declares ----------------------------------------------------------
 */

struct ploop_disk_images_data;

struct create_param {
	unsigned long long size;
	int mode;
	char *image;
	char *fstype;
	int without_partition;
	unsigned int blocksize, fsblocksize;
	int fmt_version;
	unsigned int flags;
	char dummy[32];
};

struct snapshot_param {
	char *guid;
	char *snap_dir;
	char dummy[32];
};

struct switch_param {
	const char *guid, *guid_old;
	int flags;
	char dummy[32];
};

struct merge_param {
	int unused;
	int merge_all;
	const char *guid, *guid2, *new_delta;
	char dummy[32];
};

struct mount_param {
	char device[64];
	int ro, flags, unused;
	char *fstype, *target, *guid;
	int quota;
	char *mount_data;
	unsigned int blocksize;
	int fsck, fsck_rc;
	char dummy[32];
};

struct library {
	void *handle;
	int (*open_dd)(struct ploop_disk_images_data **di, const char *file);
	void (*close_dd)(struct ploop_disk_images_data *di);
	const char *(*last_error)(void);
	void (*set_verbose_level)(int level);
	int (*create_image)(struct create_param *param);
	int (*create_snapshot)(struct ploop_disk_images_data *di, struct snapshot_param *param);
	int (*switch_snapshot)(struct ploop_disk_images_data *di, struct switch_param *param);
	int (*delete_snapshot)(struct ploop_disk_images_data *di, const char *guid);
	int (*merge_snapshot)(struct ploop_disk_images_data *di, struct merge_param *param);
	int (*change_version)(struct ploop_disk_images_data *di, int version, int flags);
	int (*convert_image)(struct ploop_disk_images_data *di, int mode, int flags);
	int (*check)(char *image, int flags, uint32_t *cluster_sectors);
	int (*set_component_name)(struct ploop_disk_images_data *di, const char *name);
	int (*mount_image)(struct ploop_disk_images_data *di, struct mount_param *param);
	int (*umount)(const char *device, struct ploop_disk_images_data *di);
};

#define NO_CONSOLE (-2)

/* --- in the child ------------------------------------------------------------------------------
 */

static bool load(struct library *library, struct libploop_answer *answer)
{
	const struct {
		const char *name;
		void *at;
	} functions[] = {
		{ "ploop_open_dd", &library->open_dd },
		{ "ploop_close_dd", &library->close_dd },
		{ "ploop_get_last_error", &library->last_error },
		{ "ploop_set_verbose_level", &library->set_verbose_level },
		{ "ploop_create_image", &library->create_image },
		{ "ploop_create_snapshot", &library->create_snapshot },
		{ "ploop_switch_snapshot_ex", &library->switch_snapshot },
		{ "ploop_delete_snapshot", &library->delete_snapshot },
		{ "ploop_merge_snapshot", &library->merge_snapshot },
		{ "ploop_change_fmt_version", &library->change_version },
		{ "ploop_convert_image", &library->convert_image },
		{ "ploop_check", &library->check },
		{ "ploop_set_component_name", &library->set_component_name },
		{ "ploop_mount_image", &library->mount_image },
		{ "ploop_umount", &library->umount },
	};

	library->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	for (size_t i = 0; library->handle && i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *function = dlsym(library->handle, functions[i].name);

		memcpy(functions[i].at, &function, sizeof(function));
		if (!function)
			library->handle = NULL;
	}
	if (!library->handle) {
		const char *why = dlerror();

		snprintf(answer->text, sizeof(answer->text), "%s", why ? why : LIBRARY);
		return false;
	}
	library->set_verbose_level(NO_CONSOLE);
	return true;
}

/* Each is read PATH_MAX bytes long. */
struct names {
	char folder[PATH_MAX], file[2 * PATH_MAX], guid[PATH_MAX], device[PATH_MAX];
};

static bool name_things(const struct libploop_job *job, struct names *names)
{
	const char *name = job->name ? job->name : PLOOP_DESCRIPTOR_NAME;
	char proc[64];
	ssize_t length;

	snprintf(names->device, sizeof(names->device), "%s", job->device ? job->device : "");
	if (job->dir_fd < 0)
		return true;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", job->dir_fd);
	length = readlink(proc, names->folder, sizeof(names->folder) - 1);
	if (length < 0 || (size_t)length + strlen(name) + 64 > PATH_MAX)
		return false;
	snprintf(names->file, sizeof(names->file), "%s/%s", names->folder, name);
	snprintf(names->guid, sizeof(names->guid), "%s", job->guid ? job->guid : "");
	return true;
}

static int create(const struct library *library, const struct libploop_job *job,
                  struct names *names)
{
	struct create_param param = {
		.size = job->sectors,
		.mode = (int)job->layout,
		.image = names->file,
		.blocksize = job->cluster_sectors,
		.fmt_version = (int)job->version,
	};

	return library->create_image(&param);
}

static int check(const struct library *library, const struct libploop_job *job, struct names *names)
{
	uint32_t cluster_sectors = job->cluster_sectors;

	return library->check(names->file, CHECK_FORCE | CHECK_DETAILED | CHECK_READ_ONLY,
	                      &cluster_sectors);
}

/* The cookie makes it a device of its own, though others have the same base; and with a cookie it
 * merges no snapshots by the way. With no target it mounts no filesystem. */
static int mount_image(const struct library *library, const struct libploop_job *job,
                       struct ploop_disk_images_data *di)
{
	struct mount_param param = { .target = NULL };
	int code = library->set_component_name(di, job->cookie);

	return code ? code : library->mount_image(di, &param);
}

static int change(const struct library *library, const struct libploop_job *job,
                  struct names *names)
{
	struct snapshot_param snapshot = { .guid = names->guid };
	struct switch_param to = { .guid = names->guid };
	struct merge_param merge = { .guid = names->guid };
	struct ploop_disk_images_data *di = NULL;
	int code = library->open_dd(&di, names->file);

	if (code)
		return code;
	switch (job->op) {
	case LIBPLOOP_SNAPSHOT:
		code = library->create_snapshot(di, &snapshot);
		break;
	case LIBPLOOP_SWITCH:
		code = library->switch_snapshot(di, &to);
		break;
	case LIBPLOOP_DELETE:
		code = library->delete_snapshot(di, names->guid);
		break;
	case LIBPLOOP_MERGE:
		code = library->merge_snapshot(di, &merge);
		break;
	case LIBPLOOP_VERSION:
		code = library->change_version(di, (int)job->version, 0);
		break;
	case LIBPLOOP_MOUNT:
		code = mount_image(library, job, di);
		break;
	default:
		code = library->convert_image(di, (int)job->layout, 0);
	}
	library->close_dd(di);
	return code;
}

static void work(const struct library *library, const struct libploop_job *job, struct names *names,
                 struct libploop_answer *answer)
{
	const char *why;

	if (job->op == LIBPLOOP_CREATE)
		answer->code = create(library, job, names);
	else if (job->op == LIBPLOOP_CHECK)
		answer->code = check(library, job, names);
	else if (job->op == LIBPLOOP_UMOUNT)
		answer->code = library->umount(names->device, NULL);
	else
		answer->code = change(library, job, names);
	answer->result = answer->code ? LIBPLOOP_REFUSED : LIBPLOOP_DONE;
	why = answer->code ? library->last_error() : NULL;
	snprintf(answer->text, sizeof(answer->text), "%s", why ? why : "");
	answer->text[strcspn(answer->text, "\n")] = '\0';
}

static int call(void *arg, void *out, struct stor_err *err)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	const struct libploop_job *job = arg;
	struct libploop_answer *answer = out;
	struct library library = { .handle = NULL };
	struct names *names = calloc(1, sizeof(*names));
	struct link_map *map = NULL;

	/* Whoever interrupts means this too; stor's own handlers only make a note. */
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
	/* It reads beyond the ends of its own strings: so there is always something. */
	mallopt(M_TOP_PAD, 1 << 20);
	if (!names || (job->op != LIBPLOOP_FIND && !name_things(job, names)))
		return host->fail(err, STOR_FAILED, 0, "its name is too long for libploop");
	if (!load(&library, answer))
		return 0;
	if (job->op != LIBPLOOP_FIND) {
		work(&library, job, names, answer);
		return 0;
	}
	answer->result = LIBPLOOP_DONE;
	if (!dlinfo(library.handle, RTLD_DI_LINKMAP, &map) && realpath(map->l_name, names->file))
		snprintf(answer->text, sizeof(answer->text), "%.500s", names->file);
	return 0;
}

/* --- in stor -----------------------------------------------------------------------------------
 */

int libploop_run(const struct libploop_job *job, struct libploop_answer *answer,
                 struct stor_err *err)
{
	struct stor_call_req req = {
		.struct_size = sizeof(req),
		.call = call,
		.arg = (void *)job,
		.out = answer,
		.out_size = sizeof(*answer),
	};

	memset(answer, 0, sizeof(*answer));
	return host->call_isolated(&req, err) ? host->fail(err, STOR_FAILED, 0, "ploop: libploop")
	                                      : 0;
}

enum stor_status libploop_status(const struct libploop_answer *answer)
{
	if (answer->code == CODE_BUSY || answer->code == CODE_LOCK || answer->code == CODE_IN_USE)
		return STOR_BUSY;
	return answer->code == CODE_PARAM ? STOR_UNSUPPORTED : STOR_FAILED;
}

int libploop_fail(const struct libploop_answer *answer, const char *what, struct stor_err *err)
{
	if (answer->result == LIBPLOOP_ABSENT) {
		host->fail(err, STOR_UNSUPPORTED, 0, "ploop: %s: libploop cannot be loaded: %s",
		           what, answer->text);
		host->hint(err, "-o tool=engine does it without");
		return -1;
	}
	host->fail(err, libploop_status(answer), 0, "ploop: %s: libploop refused (%d): %s", what,
	           answer->code, *answer->text ? answer->text : "it did not say why");
	host->hint(err, "-o tool=engine does it without libploop");
	return -1;
}
