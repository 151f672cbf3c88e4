/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See seal.h. */
#include "core/container/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/module.h"

#define OWN_PROGRAM "/proc/self/exe"
#define WORDS_LIMIT_BYTES (8u << 20)

/* Can anybody but this run write there? A volume of the store has one user at a time, and so has an
 * image in a file; a directory that the user names may have any. */
static bool is_shared_path(const char *path)
{
	struct stat st;

	return strchr(path, '/') && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_shared(const struct container_config *config)
{
	if (config->root && is_shared_path(config->root))
		return true;
	for (size_t i = 0; i < config->mount_count; i++) {
		const struct config_mount *m = &config->mounts[i];

		if (m->type == CONFIG_MOUNT_BIND ||
		    (m->type == CONFIG_MOUNT_VOLUME && is_shared_path(m->source)))
			return true;
	}
	return false;
}

/* The words that this process was started with, which its argv no longer has all of. */
static int read_words(struct strv *words, struct stor_err *err)
{
	size_t size;
	cleanup_free char *text =
		fs_read_file(AT_FDCWD, "/proc/self/cmdline", WORDS_LIMIT_BYTES, &size, err);

	if (!text)
		return -1;
	for (size_t at = 0; at < size; at += strlen(text + at) + 1)
		strv_add(words, text + at);
	return 0;
}

static int execute_sealed(const char *modules, struct stor_err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV,
		                   .propagation = MS_PRIVATE };
	cleanup_close int fd =
		open_tree(AT_FDCWD, OWN_PROGRAM, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	cleanup_strv struct strv words = STRV_INIT;

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0) {
		err_fail(err, STOR_FAILED, errno, "mount stor's own program read-only");
		err_hint(err, "--init needs no such mount");
		return -1;
	}
	if (read_words(&words, err) < 0)
		return -1;
	/* The new one does not find them beside itself. */
	if (setenv("STOR_MODULES", modules, 1) < 0)
		return err_fail(err, STOR_FAILED, errno, "set STOR_MODULES");
	syscall(SYS_execveat, fd, "", words.items, environ, AT_EMPTY_PATH);
	return err_fail(err, STOR_FAILED, errno, "execute stor from a read-only mount");
}

int seal_program(const struct container_config *config, struct stor_err *err)
{
	return config->init || !is_shared(config) ? 0 : seal_program_always(err);
}

int seal_program_always(struct stor_err *err)
{
	const char *modules;
	struct statvfs fs;

	if (statvfs(OWN_PROGRAM, &fs) < 0)
		return err_fail(err, STOR_FAILED, errno, "look at " OWN_PROGRAM);
	/* Some kernels name a process that was executed by descriptor after its number. */
	if (fs.f_flag & ST_RDONLY)
		return prctl(PR_SET_NAME, "stor");
	modules = module_dir(err);
	return modules ? execute_sealed(modules, err) : -1;
}
