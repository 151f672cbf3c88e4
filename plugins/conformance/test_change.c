/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clone, resize, check, compact, convert, send and receive; and what is absent. */
#include "suite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <stor/util.h>

static const struct attach_how reading = { .flags = STOR_ATTACH_READ_ONLY };

#define LACKS(callback)                                                                            \
	static const char *lacks_##callback(const struct backend *b)                               \
	{                                                                                          \
		return b->ops.callback ? NULL : #callback;                                         \
	}
LACKS(clone)
LACKS(resize)
LACKS(check)
LACKS(compact)
LACKS(convert)
LACKS(send)
LACKS(probe)

/* --- clone ----------------------------------------------------------------------------------- */

/* Returns false when this store cannot do the mode, which is then said as such. */
static bool clone_in_mode(struct suite *s, const struct vol *source, enum stor_clone_mode mode,
                          const char *name, struct vol *clone)
{
	struct stor_clone_req req = { .source = &source->ref, .mode = mode };
	struct stor_err err = STOR_ERR_INIT;

	vol_prepare(s, name, NULL, clone);
	if (!guarded(s, "clone", backend_clone(s->backend, &clone->ref, &req, &err)))
		return true;
	require(s, err.status == STOR_UNSUPPORTED && mode != STOR_CLONE_AUTO, "clone: %s",
	        err.text);
	return false;
}

/* Neither sees what is written to the other. */
static void check_independent(struct suite *s, const struct vol *source, const struct vol *clone)
{
	struct mounted a, b;

	vol_use(s, clone, NULL, &a);
	expect_file(s, a.root_fd, "shared", "as cloned");
	put_file(s, a.root_fd, "shared", "changed in the clone");
	put_file(s, a.root_fd, "only-clone", "x");
	vol_release(s, clone, &a);
	vol_use(s, source, NULL, &b);
	expect_file(s, b.root_fd, "shared", "as cloned");
	require(s, !has_file(b.root_fd, "only-clone"), "a file made in the clone is in its source");
	put_file(s, b.root_fd, "shared", "changed in the source");
	put_file(s, b.root_fd, "only-source", "x");
	vol_release(s, source, &b);
	vol_use(s, clone, &reading, &a);
	expect_file(s, a.root_fd, "shared", "changed in the clone");
	require(s, !has_file(a.root_fd, "only-source"),
	        "a file made in the source is in its clone");
	vol_release(s, clone, &a);
}

static void test_clone(struct suite *s)
{
	static const enum stor_clone_mode modes[] = { STOR_CLONE_AUTO, STOR_CLONE_COPY,
		                                      STOR_CLONE_REFLINK };
	struct mounted m;

	for (int i = 0; i < 3; i++) {
		char source_name[16], clone_name[16];
		struct vol source, clone;

		snprintf(source_name, sizeof(source_name), "source%d", i);
		snprintf(clone_name, sizeof(clone_name), "clone%d", i);
		vol_create(s, source_name, NULL, &source);
		vol_use(s, &source, NULL, &m);
		put_file(s, m.root_fd, "shared", "as cloned");
		vol_release(s, &source, &m);
		if (!clone_in_mode(s, &source, modes[i], clone_name, &clone))
			continue;
		check_independent(s, &source, &clone);
		vol_destroy(s, &source);
		vol_use(s, &clone, NULL, &m);
		expect_file(s, m.root_fd, "shared", "changed in the clone");
		vol_release(s, &clone, &m);
		vol_destroy(s, &clone);
	}
}

static void test_clone_keeps_everything(struct suite *s)
{
	const char *path = source_make(s);
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct vol source, clone;
	struct mounted m;

	vol_create(s, "original", path, &source);
	clone_in_mode(s, &source, STOR_CLONE_AUTO, "clone", &clone);
	vol_use(s, &clone, &reading, &m);
	trees_compare(s, fd, m.root_fd);
	vol_release(s, &clone, &m);
}

/* --- resize ---------------------------------------------------------------------------------- */

static void test_resize(struct suite *s)
{
	struct stor_resize_req req = { .root_fd = -1, .control_fd = -1 };
	struct stor_err err = STOR_ERR_INIT;
	struct stor_info before, after;
	struct mounted m;
	struct vol vol;

	vol_create(s, "v", NULL, &vol);
	vol_use(s, &vol, NULL, &m);
	put_file(s, m.root_fd, "file", "text");
	vol_release(s, &vol, &m);
	before = vol_info(s, &vol);
	require(s, before.size_bytes != STOR_UNKNOWN && before.size_bytes,
	        "info: no size, though it can be resized");
	req.size_bytes = before.size_bytes * 2;
	if (guarded(s, "resize", backend_resize(s->backend, &vol.ref, &req, &err)) < 0)
		fail(s, "resize to twice the size: %s", err.text);
	after = vol_info(s, &vol);
	require(s, after.size_bytes == req.size_bytes,
	        "info: the size is %llu after resize to %llu", (unsigned long long)after.size_bytes,
	        (unsigned long long)req.size_bytes);
	vol_use(s, &vol, NULL, &m);
	expect_file(s, m.root_fd, "file", "text");
	vol_release(s, &vol, &m);
	/* To almost nothing: refused, and nothing is lost. */
	req.size_bytes = 4096;
	require(s, guarded(s, "resize", backend_resize(s->backend, &vol.ref, &req, &err)) < 0,
	        "resize to 4096 bytes succeeded");
	expect_named(s, &err);
	vol_use(s, &vol, NULL, &m);
	expect_file(s, m.root_fd, "file", "text");
	vol_release(s, &vol, &m);
}

/* --- check ----------------------------------------------------------------------------------- */

static enum stor_verdict check_volume(struct suite *s, const struct vol *vol)
{
	struct stor_check_req req = { .flags = 0 };
	enum stor_verdict verdict = STOR_VERDICT_CLEAN;
	struct stor_err err = STOR_ERR_INIT;

	/* A check that could not be done has found damage too, if it says so. */
	if (guarded(s, "check", backend_check(s->backend, &vol->ref, &req, &verdict, &err)) < 0) {
		expect_named(s, &err);
		return STOR_VERDICT_DAMAGED;
	}
	return verdict;
}

static void test_check_good(struct suite *s)
{
	const char *source = source_make(s);
	uint64_t before;
	struct mounted m;
	struct vol vol;

	vol_create(s, "v", source, &vol);
	before = tree_fingerprint(vol.path);
	require(s, check_volume(s, &vol) == STOR_VERDICT_CLEAN, "a new volume is not clean");
	require(s, tree_fingerprint(vol.path) == before, "check without repair changed the volume");
	vol_use(s, &vol, NULL, &m);
	put_file(s, m.root_fd, "file", "text");
	vol_release(s, &vol, &m);
	require(s, check_volume(s, &vol) == STOR_VERDICT_CLEAN, "a used volume is not clean");
}

/* Overwrites the start and the middle of each file in the volume's directory. Returns how many. */
static int spoil_files(struct suite *s, const char *path)
{
	cleanup_free char *junk = xmalloc(1 << 20);
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	memset(junk, 0xa5, 1 << 20);
	require(s, dir, "list %s: %s", path, strerror(errno));
	while ((entry = readdir(dir))) {
		cleanup_close int fd = -1;
		struct stat st;

		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode) || st.st_size < 2 << 20)
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_WRONLY | O_CLOEXEC);
		require(s, fd >= 0 && !pwrite_all(fd, junk, 1 << 20, 0), "spoil: %s",
		        strerror(errno));
		n++;
	}
	closedir(dir);
	return n;
}

static int remove_one(struct suite *s, const char *path)
{
	cleanup_free char *moved = xasprintf("%s/moved-away", s->dir);
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	require(s, dir && !mkdir(moved, 0700), "list %s: %s", path, strerror(errno));
	while ((entry = readdir(dir))) {
		cleanup_free char *from = xasprintf("%s/%s", path, entry->d_name);
		cleanup_free char *to = xasprintf("%s/%s", moved, entry->d_name);

		if (entry->d_name[0] != '.' && !rename(from, to))
			n++;
	}
	closedir(dir);
	return n;
}

static void test_check_damaged(struct suite *s)
{
	struct vol vol, emptied;

	vol_create(s, "v", NULL, &vol);
	if (spoil_files(s, vol.path))
		require(s, check_volume(s, &vol) != STOR_VERDICT_CLEAN,
		        "check finds a volume clean of which the first MiB was overwritten");
	vol_create(s, "emptied", NULL, &emptied);
	require(s, remove_one(s, emptied.path), "the volume's directory was empty");
	require(s, check_volume(s, &emptied) != STOR_VERDICT_CLEAN,
	        "check finds a volume clean whose content is gone");
}

/* --- space, conversion, streams -------------------------------------------------------------- */

static void fill_and_remove(struct suite *s, const struct vol *vol)
{
	cleanup_free char *chunk = xmalloc(16 << 20);
	cleanup_close int fd = -1;
	struct mounted m;

	memset(chunk, 0x3c, 16 << 20);
	vol_use(s, vol, NULL, &m);
	put_file(s, m.root_fd, "kept", "text");
	fd = openat(m.root_fd, "filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	require(s, fd >= 0 && !pwrite_all(fd, chunk, 16 << 20, 0) && !fsync(fd), "write: %s",
	        strerror(errno));
	close_fd(&fd);
	require(s, !unlinkat(m.root_fd, "filler", 0) && !syncfs(m.root_fd), "remove: %s",
	        strerror(errno));
	vol_release(s, vol, &m);
}

/* Of a volume that is not attached where the backend can, else of a mounted one. */
static void compact_volume(struct suite *s, const struct vol *vol)
{
	struct stor_compact_req req = { .root_fd = -1, .control_fd = -1 };
	struct stor_err err = STOR_ERR_INIT;
	struct mounted m;

	if (!guarded(s, "compact", backend_compact(s->backend, &vol->ref, &req, &err)))
		return;
	require(s, err.status == STOR_UNSUPPORTED, "compact: %s", err.text);
	err_clear(&err);
	vol_use(s, vol, NULL, &m);
	req.root_fd = m.root_fd;
	req.control_fd = m.at.control_fd;
	if (guarded(s, "compact", backend_compact(s->backend, &vol->ref, &req, &err)) < 0)
		fail(s, "compact of a mounted volume: %s", err.text);
	vol_release(s, vol, &m);
}

static void test_compact(struct suite *s)
{
	struct stor_info before, after;
	struct mounted m;
	struct vol vol;

	vol_create(s, "v", NULL, &vol);
	fill_and_remove(s, &vol);
	before = vol_info(s, &vol);
	compact_volume(s, &vol);
	after = vol_info(s, &vol);
	require(s, after.allocated_bytes + (8 << 20) < before.allocated_bytes,
	        "compact after 16 MiB were removed: allocated went from %llu to %llu",
	        (unsigned long long)before.allocated_bytes,
	        (unsigned long long)after.allocated_bytes);
	vol_use(s, &vol, NULL, &m);
	expect_file(s, m.root_fd, "kept", "text");
	vol_release(s, &vol, &m);
}

/* To each value of each create parameter that has choices, where it can. */
static void test_convert(struct suite *s)
{
	struct stor_err err = STOR_ERR_INIT;
	struct mounted m;
	struct vol vol;
	int done = 0;

	vol_create(s, "v", NULL, &vol);
	vol_use(s, &vol, NULL, &m);
	put_file(s, m.root_fd, "file", "text");
	vol_release(s, &vol, &m);
	for (const struct stor_param *p = s->backend->ops.params; p && p->key; p++) {
		if (!(p->scope & STOR_PARAM_CREATE) || p->type != STOR_PARAM_ENUM)
			continue;
		for (const char *at = p->choices; *at; at += *at == '|') {
			cleanup_free char *value = xstrndup(at, strcspn(at, "|"));
			cleanup_free char *text = xasprintf("%s=%s", p->key, value);
			struct strv given = STRV_INIT;

			at += strcspn(at, "|");
			strv_add(&given, text);
			params_free(&vol.params);
			if (params_parse(&vol.params, s->backend, &given, NULL, STOR_PARAM_CREATE,
			                 &err) < 0)
				fail(s, "parameters: %s", err.text);
			strv_free(&given);
			vol.ref.values = vol.params.handed;
			err_clear(&err);
			if (guarded(s, "convert", backend_convert(s->backend, &vol.ref, &err)) <
			    0) {
				require(s, err.status == STOR_UNSUPPORTED, "convert to %s: %s",
				        text, err.text);
				continue;
			}
			done++;
			vol_use(s, &vol, NULL, &m);
			expect_file(s, m.root_fd, "file", "text");
			vol_release(s, &vol, &m);
		}
	}
	require(s, done, "convert can convert nothing");
}

static void test_send_and_receive(struct suite *s)
{
	const char *path = source_make(s);
	cleanup_close int source_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *file = xasprintf("%s/stream", s->dir);
	struct stor_stream_req req = { .fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600) };
	struct stor_err err = STOR_ERR_INIT;
	struct vol from, to, broken;
	struct mounted m;
	struct stat st;

	vol_create(s, "from", path, &from);
	vol_prepare(s, "to", NULL, &to);
	vol_prepare(s, "broken", NULL, &broken);
	if (guarded(s, "send", backend_send(s->backend, &from.ref, &req, &err)) < 0)
		fail(s, "send: %s", err.text);
	require(s, !fstat(req.fd, &st) && st.st_size, "send wrote nothing");
	lseek(req.fd, 0, SEEK_SET);
	if (guarded(s, "receive", backend_receive(s->backend, &to.ref, &req, &err)) < 0)
		fail(s, "receive: %s", err.text);
	vol_use(s, &to, &reading, &m);
	trees_compare(s, source_fd, m.root_fd);
	vol_release(s, &to, &m);
	/* A stream that was cut is refused. */
	require(s, !ftruncate(req.fd, st.st_size / 2), "cut: %s", strerror(errno));
	lseek(req.fd, 0, SEEK_SET);
	require(s, guarded(s, "receive", backend_receive(s->backend, &broken.ref, &req, &err)) < 0,
	        "receive took half a stream");
	expect_named(s, &err);
	close(req.fd);
}

/* --- what is not there, and what is not a volume ---------------------------------------------- */

static void expect_absent(struct suite *s, int result, struct stor_err *err, const char *what)
{
	expect_error(s, result, err, STOR_UNSUPPORTED, what);
	require(s, strstr(err->text, s->backend->ops.name), "%s: the backend is not named: %s",
	        what, err->text);
	err_clear(err);
}

/* Each absent callback is refused by name, and nothing crashes for its lack. */
static void test_absent_callbacks(struct suite *s)
{
	const struct stor_backend *ops = &s->backend->ops;
	const struct backend *b = s->backend;
	struct stor_snapshot_req snapshot = { .id = "s1", .root_fd = -1, .control_fd = -1 };
	struct stor_resize_req resize = { .size_bytes = 1 << 30, .root_fd = -1, .control_fd = -1 };
	struct stor_compact_req compact = { .root_fd = -1, .control_fd = -1 };
	struct stor_stream_req stream = { .fd = -1 };
	struct stor_err err = STOR_ERR_INIT;
	struct vol vol, clone;

	vol_create(s, "v", NULL, &vol);
	vol_prepare(s, "clone", NULL, &clone);
	if (!ops->clone) {
		struct stor_clone_req req = { .source = &vol.ref };

		expect_absent(s, backend_clone(b, &clone.ref, &req, &err), &err, "clone");
	}
	if (!ops->resize)
		expect_absent(s, backend_resize(b, &vol.ref, &resize, &err), &err, "resize");
	if (!ops->snapshot)
		expect_absent(s, backend_snapshot(b, &vol.ref, &snapshot, &err), &err, "snapshot");
	if (!ops->merge)
		expect_absent(s, backend_merge(b, &vol.ref, &snapshot, &err), &err, "merge");
	if (!ops->compact)
		expect_absent(s, backend_compact(b, &vol.ref, &compact, &err), &err, "compact");
	if (!ops->convert)
		expect_absent(s, backend_convert(b, &vol.ref, &err), &err, "convert");
	if (!ops->send)
		expect_absent(s, backend_send(b, &vol.ref, &stream, &err), &err, "send");
	if (!ops->detach)
		expect_absent(s, backend_detach(b, &vol.ref, "token", &err), &err, "detach");
	vol_destroy(s, &vol);
}

static void test_probe_is_modest(struct suite *s)
{
	static const char *const strange[] = { "/dev/null", "/proc/self/status", "/dev/full" };
	cleanup_free char *empty = xasprintf("%s/empty", s->dir);
	struct stor_probe_req req = { .struct_size = sizeof(req) };
	int score;

	require(s, !mkdir(empty, 0700), "make directory: %s", strerror(errno));
	for (size_t i = 0; i < 4; i++) {
		const char *path = i < 3 ? strange[i] : empty;
		cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

		req.path = path;
		req.fd = fd;
		score = guarded(s, "probe", s->backend->ops.probe(&req));
		require(s, score >= 0 && score <= 100, "probe says %d of %s", score, path);
		require(s, score <= 50, "probe takes %s for a volume", path);
	}
	require(s, !rmdir(empty), "probe left something in a directory");
}

const struct test tests_change[] = {
	{ "clone", lacks_clone, test_clone },
	{ "clone-keeps-everything", lacks_clone, test_clone_keeps_everything },
	{ "resize", lacks_resize, test_resize },
	{ "check-good", NULL, test_check_good },
	{ "check-damaged", lacks_check, test_check_damaged },
	{ "compact", lacks_compact, test_compact },
	{ "convert", lacks_convert, test_convert },
	{ "send-and-receive", lacks_send, test_send_and_receive },
	{ "probe-is-modest", lacks_probe, test_probe_is_modest },
	{ "absent-callbacks", NULL, test_absent_callbacks },
	{ NULL, NULL, NULL },
};
