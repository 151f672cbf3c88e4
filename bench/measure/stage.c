/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See stage.h. */
#include "bench/measure/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "bench/measure/command.h"
#include "core/base/fs.h"
#include "core/base/log.h"

#define WALK_FDS 32

char *row_limit(const struct row *row, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = row->limits; *at; at += strcspn(at, ",")) {
		at += *at == ',';
		if (!strncmp(at, name, length) && at[length] == '=')
			return xstrndup(at + length + 1, strcspn(at + length + 1, ","));
	}
	return NULL;
}

uint64_t row_memory(const struct row *row)
{
	cleanup_free char *text = row_limit(row, "memory");
	uint64_t bytes = 0;

	return text && !str_to_size(text, &bytes) ? bytes : 0;
}

double row_cpus(const struct row *row)
{
	cleanup_free char *text = row_limit(row, "cpus");

	return text ? strtod(text, NULL) : 0;
}

bool bench_is_in_path(const char *program)
{
	const char *path = getenv("PATH");
	cleanup_free char *rest = xstrdup(path ? path : "/usr/bin:/bin");
	char *save = NULL;

	for (char *dir = strtok_r(rest, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		cleanup_free char *file = xasprintf("%s/%s", dir, program);

		if (!access(file, X_OK))
			return true;
	}
	return false;
}

/* "/srv/debian.tar" becomes srv-debian.tar. */
char *bench_image_name(const char *image)
{
	char *name = xstrdup(image + strspn(image, "/."));

	for (char *at = name; *at; at++)
		if (*at == '/')
			*at = '-';
	return name;
}

static char *root_name(const char *image)
{
	cleanup_free char *name = bench_image_name(image);

	return xasprintf("root-%s", name);
}

char *bench_root(const struct bench *bench, const char *image)
{
	cleanup_free char *name = root_name(image);

	return xasprintf("%s/volumes/%s/data/rootfs", bench->store, name);
}

static int make_state(struct bench *bench, struct stor_err *err)
{
	/* In memory, as it is in everyday use. */
	char path[] = "/run/stor-bench-XXXXXX";

	if (!mkdtemp(path))
		return err_fail(err, STOR_FAILED, errno, "make %s", path);
	bench->state = xstrdup(path);
	return 0;
}

int stage_make(struct bench *bench, struct stor_err *err)
{
	const char *above = bench->plan->folder ? bench->plan->folder : getenv("TMPDIR");
	cleanup_free char *path =
		xasprintf("%s/stor-bench-XXXXXX", above && *above ? above : "/var/tmp");

	if (!mkdtemp(path))
		return err_fail(err, STOR_FAILED, errno, "make %s", path);
	bench->folder = realpath(path, NULL);
	if (!bench->folder)
		return err_fail(err, STOR_FAILED, errno, "resolve %s", path);
	bench->store = xasprintf("%s/store", bench->folder);
	if (make_state(bench, err) < 0)
		return -1;
	if (setenv("STOR_STORE", bench->store, 1) < 0 || setenv("STOR_STATE", bench->state, 1) < 0)
		return err_fail(err, STOR_FAILED, errno, "set the environment");
	return 0;
}

int stage_add_image(const struct bench *bench, const char *image, struct stor_err *err)
{
	cleanup_free char *name = bench_image_name(image), *root = root_name(image);
	static const char *const folders[] = { "proc", "dev", "sys" };
	cleanup_free char *tree = bench_root(bench, image);

	/* What has no path is one that stor brings. */
	if (strchr(image, '/') &&
	    command_call(NULL, err, bench->stor, "image", "import", image, name, NULL) < 0)
		return -1;
	if (command_call(NULL, err, bench->stor, "volume", "create", "--backend", "dir", "--image",
	                 name, root, NULL) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		cleanup_free char *path = xasprintf("%s/%s", tree, folders[i]);

		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_fail(err, STOR_FAILED, errno, "make %s", path);
	}
	return 0;
}

int stage_add_room(struct bench *bench, struct stor_err *err)
{
	const char *const folders[] = { bench->state, bench->folder, NULL };

	return bench->room.cgroup
	               ? 0
	               : room_make(&bench->room, strrchr(bench->folder, '/') + 1, folders, err);
}

void stage_take_down(struct bench *bench)
{
	struct stor_err err = STOR_ERR_INIT;

	if (bench->state && command_call(NULL, &err, bench->stor, "gc", NULL) < 0)
		log_warn("%s", err.text);
	err_clear(&err);
	if (bench->folder && fs_remove_tree(AT_FDCWD, bench->folder, &err) < 0)
		log_warn("%s", err.text);
	err_clear(&err);
	if (bench->state && fs_remove_tree(AT_FDCWD, bench->state, &err) < 0)
		log_warn("%s", err.text);
	free(bench->folder);
	free(bench->store);
	free(bench->state);
}

/* --- the page cache -------------------------------------------------------------------------- */

static int cool_file(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	cleanup_close int fd = -1;

	(void)walk;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

int stage_cool(const struct bench *bench, struct stor_err *err)
{
	cleanup_close int fd = open(bench->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) < 0)
		return err_fail(err, STOR_FAILED, errno, "sync %s", bench->folder);
	if (nftw(bench->folder, cool_file, WALK_FDS, FTW_PHYS | FTW_MOUNT) < 0)
		return err_fail(err, STOR_FAILED, errno, "walk %s", bench->folder);
	return 0;
}
