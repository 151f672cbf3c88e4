/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding, checking and loading shared objects: see module.h. */
#include "core/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/proc.h"
#include "core/base/str.h"

static bool is_dir(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* The folder beside the executable that is there: in the build tree, in MODULES itself (the
 * conformance program lives there), or as installed. NULL with errno. */
static char *find_beside_executable(void)
{
	static const char *const places[][2] = {
		{ "/modules", "" },
		{ "/backends", "/.." },
		{ "/../lib/stor", "" },
	};
	char dir[PATH_MAX];

	if (proc_self_dir(dir, sizeof(dir)) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		cleanup_free char *path = xasprintf("%s%s%s", dir, places[i][0], places[i][1]);

		if (is_dir(path))
			return realpath(path, NULL);
	}
	errno = ENOENT;
	return NULL;
}

const char *module_dir(struct stor_err *err)
{
	static char *found; /* for ever: every module lies below it */
	const char *from_environment = secure_getenv("STOR_MODULES");

	if (found)
		return found;
	if (from_environment && *from_environment) {
		found = realpath(from_environment, NULL);
		if (!found)
			err_fail(err, STOR_NOT_FOUND, errno, "STOR_MODULES: %s", from_environment);
		return found;
	}
	found = find_beside_executable();
	if (!found) {
		err_fail(err, STOR_NOT_FOUND, 0,
		         "no folder of modules, neither beside the program nor in ../lib/stor");
		err_hint(err, "set STOR_MODULES to it, or install stor again");
	}
	return found;
}

/* Could somebody other than root and this user change what `path` is? In a folder with the sticky
 * bit nobody can replace what another owns, and what lies in it is checked too. */
static int check_one_owner(const char *file, const char *path, struct stor_err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                "load %s", file);
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		err_fail(err, STOR_UNSUPPORTED, 0, "load %s: user %u owns %s", file, st.st_uid,
		         path);
		err_hint(err, "modules run as root: chown root %s", path);
		return -1;
	}
	if (S_ISDIR(st.st_mode) && st.st_mode & S_ISVTX)
		return 0;
	if (st.st_mode & S_IWOTH || (st.st_mode & S_IWGRP && st.st_gid != 0)) {
		err_fail(err, STOR_UNSUPPORTED, 0, "load %s: others could write %s (mode %04o)",
		         file, path, st.st_mode & 07777);
		err_hint(err, "modules run as root: chmod go-w %s", path);
		return -1;
	}
	return 0;
}

/* Checks the file and every folder of its path, which is a real one, outermost last. */
static int check_owners(const char *file, struct stor_err *err)
{
	cleanup_free char *path = xstrdup(file);
	char *slash;

	if (check_one_owner(file, path, err) < 0)
		return -1;
	while ((slash = strrchr(path, '/')) && slash != path) {
		*slash = '\0';
		if (check_one_owner(file, path, err) < 0)
			return -1;
	}
	return check_one_owner(file, "/", err);
}

/* dlerror() says "libx.so.1: cannot open shared object file: …" about a library that the module
 * needs, and names the module itself for everything else. */
static void report_dlopen(const char *file, const char *message, struct stor_err *err)
{
	const char *missing = strstr(message, ": cannot open shared object file");

	if (missing && !str_starts(message, file)) {
		err_fail(err, STOR_UNSUPPORTED, 0,
		         "load %s: needs the library %.*s, which is missing", file,
		         (int)(missing - message), message);
		err_hint(err, "install the package that has %.*s", (int)(missing - message),
		         message);
		return;
	}
	if (str_starts(message, file) && message[strlen(file)] == ':')
		message += strlen(file) + 1 + strspn(message + strlen(file) + 1, " ");
	err_fail(err, STOR_UNSUPPORTED, 0, "load %s: %s", file, message);
}

static void *fail_to_find(const char *file, struct stor_err *err)
{
	err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno, "load %s", file);
	return NULL;
}

void *module_open(const char *file, struct stor_err *err)
{
	struct stat st;
	void *handle;

	if (lstat(file, &st) < 0)
		return fail_to_find(file, err);
	if (!S_ISREG(st.st_mode)) {
		err_fail(err, STOR_UNSUPPORTED, 0, "load %s: not a regular file", file);
		return NULL;
	}
	if (check_owners(file, err) < 0)
		return NULL;
	handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		report_dlopen(file, dlerror(), err);
	return handle;
}

const void *module_load(const char *kind, const char *name, struct stor_err *err)
{
	const char *dir = module_dir(err);
	cleanup_free char *file = dir ? xasprintf("%s/%s/%s.so", dir, kind, name) : NULL;
	cleanup_free char *symbol = xasprintf("stor_%s_%s", kind, name), *real = NULL;
	const char *const *table;
	void *handle;

	if (!file)
		return NULL;
	real = realpath(file, NULL);
	handle = real ? module_open(real, err) : fail_to_find(file, err);
	if (!handle)
		return NULL;
	table = dlsym(handle, symbol);
	if (!table || !*table) {
		err_fail(err, STOR_UNSUPPORTED, 0, "load %s: it has no symbol %s", file, symbol);
		return NULL;
	}
	if (strcmp(*table, STOR_VERSION) != 0) {
		err_fail(err, STOR_UNSUPPORTED, 0, "load %s: it belongs to stor %s, this is %s",
		         file, *table, STOR_VERSION);
		err_hint(err, "install the program and its modules together");
		return NULL;
	}
	return table;
}

const void *module_load_internal(const char *name, struct stor_err *err)
{
	return module_load("internal", name, err);
}
