/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding and loading backends, and refusing those that break the ABI, each with its reason. A
 * refusal is an error report, never an exit: `stor backend ls` shows it and goes on. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/backend.h"
#include "core/backend_check.h"
#include "core/base/log.h"
#include "core/module.h"

#define FILE_PREFIX "stor-"
#define FILE_SUFFIX ".so"

typedef const struct stor_backend *(*init_fn)(void);

/* Every backend loaded so far; modules are never unloaded. */
static struct loaded {
	struct backend backend;
	struct loaded *next;
} * all_loaded;

/* Why a shared object without the entry point is none, when it is another kind of module. */
static int refuse_no_entry(void *handle, const char *file, struct stor_err *err)
{
	const char *base = strrchr(file, '/') + 1;
	cleanup_free char *symbol = xasprintf("stor_internal_%.*s", (int)strcspn(base, "."), base);

	if (dlsym(handle, symbol))
		return err_fail(err, STOR_UNSUPPORTED, 0,
		                "load %s: it is an internal module of stor, not a backend", file);
	err_fail(err, STOR_UNSUPPORTED, 0, "load %s: not a backend: no symbol stor_backend_init",
	         file);
	err_hint(err, "a backend has STOR_REGISTER_BACKEND(table) in one of its sources");
	return -1;
}

/* The host's copy: the size that both sides know, the rest zero. */
static int copy_table(const struct stor_backend *table, const char *file, struct stor_backend *ops,
                      struct stor_err *err)
{
	size_t size;

	if (backend_check_header(table, file, err) < 0)
		return -1;
	size = table->struct_size < sizeof(*ops) ? table->struct_size : sizeof(*ops);
	memset(ops, 0, sizeof(*ops));
	memcpy(ops, table, size);
	return 0;
}

static int start_backend(const struct backend *b, struct stor_err *err)
{
	struct stor_err own = STOR_ERR_INIT;

	if (!b->ops.load || !b->ops.load(host_services(), &own))
		return 0;
	if (own.status == STOR_OK)
		return err_fail(err, STOR_UNSUPPORTED, 0,
		                "load %s: backend \"%s\" refused without saying why", b->file,
		                b->ops.name);
	err_hint(err, "%s", own.hint);
	return err_fail(err, STOR_UNSUPPORTED, 0, "load %s: %s", b->file, own.text);
}

static const struct backend *load_file(const char *file, struct stor_err *err)
{
	const struct stor_backend *table;
	struct loaded *entry;
	init_fn init = NULL;
	void *handle, *symbol;

	for (entry = all_loaded; entry; entry = entry->next)
		if (!strcmp(entry->backend.file, file))
			return &entry->backend;
	handle = module_open(file, err);
	if (!handle)
		return NULL;
	symbol = dlsym(handle, "stor_backend_init");
	if (!symbol) {
		refuse_no_entry(handle, file, err);
		return NULL;
	}
	memcpy(&init, &symbol, sizeof(init));
	table = init();
	entry = xcalloc(1, sizeof(*entry));
	entry->backend.file = xstrdup(file);
	if (copy_table(table, file, &entry->backend.ops, err) < 0 ||
	    params_take_table(&entry->backend, err) < 0 ||
	    backend_check_table(&entry->backend, err) < 0 ||
	    start_backend(&entry->backend, err) < 0) {
		free(entry->backend.own_params);
		free(entry->backend.file);
		free(entry);
		return NULL;
	}
	entry->next = all_loaded;
	all_loaded = entry;
	log_debug("backend %s loaded from %s", entry->backend.ops.name, file);
	return &entry->backend;
}

static int hint_known_names(struct stor_err *err)
{
	cleanup_strbuf struct strbuf known = STRBUF_INIT;
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	if (backend_names(&names, &ignored) < 0 || !names.count) {
		err_hint(err, "no backend is installed");
		return -1;
	}
	for (size_t i = 0; i < names.count; i++)
		strbuf_printf(&known, "%s%s", i ? ", " : "", names.items[i]);
	err_hint(err, "backends: %s", known.text);
	return -1;
}

const struct backend *backend_load(const char *name, struct stor_err *err)
{
	cleanup_free char *file = NULL, *real = NULL;
	const char *dir;

	if (strchr(name, '/')) {
		real = realpath(name, NULL);
		if (!real) {
			err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
			         "load %s", name);
			return NULL;
		}
		return load_file(real, err);
	}
	dir = module_dir(err);
	if (!dir)
		return NULL;
	file = xasprintf("%s/backends/" FILE_PREFIX "%s" FILE_SUFFIX, dir, name);
	real = realpath(file, NULL);
	if (!real && errno == ENOENT) {
		err_fail(err, STOR_NOT_FOUND, 0, "no backend \"%s\"", name);
		hint_known_names(err);
		return NULL;
	}
	if (!real) {
		err_fail(err, STOR_FAILED, errno, "load %s", file);
		return NULL;
	}
	return load_file(real, err);
}

int backend_names(struct strv *names, struct stor_err *err)
{
	const char *dir = module_dir(err);
	cleanup_free char *path = dir ? xasprintf("%s/backends", dir) : NULL;
	struct dirent *entry;
	DIR *listing;

	if (!path)
		return -1;
	listing = opendir(path);
	if (!listing) {
		if (errno == ENOENT)
			return 0;
		return err_fail(err, STOR_FAILED, errno, "list %s", path);
	}
	while ((entry = readdir(listing))) {
		const char *stem = entry->d_name + strlen(FILE_PREFIX);

		if (!str_starts(entry->d_name, FILE_PREFIX) || !str_ends(stem, FILE_SUFFIX))
			continue;
		strv_take(names, xstrndup(stem, strlen(stem) - strlen(FILE_SUFFIX)));
	}
	closedir(listing);
	strv_sort(names);
	return 0;
}

/* How sure the backend is that the path is a volume of its own; a broken one is not at all. */
static int probe_one(const char *name, const char *path, int fd, const struct backend **found)
{
	const struct stor_probe_req req = { .struct_size = sizeof(req), .path = path, .fd = fd };
	struct stor_err ignored = STOR_ERR_INIT;
	const struct backend *b = backend_load(name, &ignored);

	if (!b) {
		log_debug("probe %s: %s", path, ignored.text);
		return 0;
	}
	*found = b;
	if (!b->ops.probe || lseek(fd, 0, SEEK_SET) < 0)
		return 0;
	return b->ops.probe(&req);
}

const struct backend *backend_probe(const char *path, struct stor_err *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	cleanup_strv struct strv names = STRV_INIT;
	const struct backend *best = NULL, *candidate = NULL;
	int best_score = 0;

	if (fd < 0) {
		err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno, "open %s",
		         path);
		return NULL;
	}
	if (backend_names(&names, err) < 0)
		return NULL;
	for (size_t i = 0; i < names.count; i++) {
		int score = probe_one(names.items[i], path, fd, &candidate);

		if (score > best_score) {
			best_score = score;
			best = candidate;
		}
	}
	if (!best) {
		err_fail(err, STOR_NOT_FOUND, 0, "%s: no backend knows it as a volume", path);
		err_hint(err, "name its backend with --backend");
	}
	return best;
}
