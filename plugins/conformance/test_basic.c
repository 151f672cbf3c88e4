/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table itself; create, info, destroy. */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <stor/util.h>

static void test_texts(struct suite *s)
{
	const struct stor_backend *ops = &s->backend->ops;

	require(s, strlen(ops->summary) <= 80, "the summary is longer than 80 bytes");
	require(s, !str_ends(ops->summary, "."), "the summary ends in a full stop");
	for (const struct stor_param *p = ops->params; p && p->key; p++)
		require(s, strlen(p->help) <= 100, "the help of parameter %s is over 100 bytes",
		        p->key);
}

static void test_params_read_back(struct suite *s)
{
	cleanup_params struct params first = { 0 }, second = { 0 };
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err err = STOR_ERR_INIT;

	if (params_parse(&first, s->backend, &s->params, NULL, SUITE_SCOPES, &err) < 0)
		fail(s, "parameters: %s", err.text);
	params_save(&first, s->backend, &record);
	if (params_parse(&second, s->backend, NULL, &record, STOR_PARAM_ATTACH, &err) < 0)
		fail(s, "recorded parameters: %s", err.text);
	for (size_t i = 0; i < first.count; i++)
		require(s,
		        !(s->backend->ops.params[i].scope & STOR_PARAM_CREATE) ||
		                first.values[i].number == second.values[i].number,
		        "parameter %s changes by being recorded", s->backend->ops.params[i].key);
}

static void test_create_empty(struct suite *s)
{
	struct mounted m;
	struct stat st;
	struct vol vol;

	vol_create(s, "empty", NULL, &vol);
	vol_use(s, &vol, NULL, &m);
	require(s, !fstat(m.root_fd, &st), "examine the root: %s", strerror(errno));
	require(s, S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0755 && !st.st_uid && !st.st_gid,
	        "an empty volume's root has mode %04o and owner %u:%u, not 0755 and 0:0",
	        st.st_mode & 07777, st.st_uid, st.st_gid);
	put_file(s, m.root_fd, "written", "text");
	expect_file(s, m.root_fd, "written", "text");
	vol_release(s, &vol, &m);
	vol_destroy(s, &vol);
}

static void test_create_from_tree(struct suite *s)
{
	const char *source = source_make(s);
	cleanup_close int source_fd = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t before = tree_fingerprint(source);
	const struct attach_how reading = { .flags = STOR_ATTACH_READ_ONLY };
	struct mounted m;
	struct vol vol;

	vol_create(s, "full", source, &vol);
	require(s, tree_fingerprint(source) == before, "create changed its source");
	vol_use(s, &vol, &reading, &m);
	trees_compare(s, source_fd, m.root_fd);
	vol_release(s, &vol, &m);
	vol_destroy(s, &vol);
}

static const char *lacks_choices(const struct backend *b)
{
	for (const struct stor_param *p = b->ops.params; p && p->key; p++)
		if (p->type == STOR_PARAM_ENUM || p->type == STOR_PARAM_BOOL)
			return NULL;
	return "parameter with choices";
}

/* One volume made, attached and written with KEY=VALUE. A machine may lack what the value needs,
 * and then it is refused as such. */
static void try_choice(struct suite *s, const char *key, const char *value, int n)
{
	cleanup_free char *extra = xasprintf("%s=%s", key, value);
	cleanup_free char *name = xasprintf("v%d", n);
	const struct attach_how writing = { .wait_ms = 1000 };
	struct stor_create_req req = create_request(s, -1, NULL);
	struct stor_err err = STOR_ERR_INIT;
	struct mounted m;
	struct vol vol;

	vol_prepare(s, name, extra, &vol);
	if (guarded(s, "create", backend_create(s->backend, &vol.ref, &req, &err)) < 0 ||
	    vol_attach(s, &vol, &writing, &m, &err) < 0) {
		require(s, err.status == STOR_UNSUPPORTED, "with %s: %s", extra, err.text);
		return;
	}
	if (!faccessat(m.root_fd, ".", W_OK, 0))
		put_file(s, m.root_fd, "written", extra);
	vol_release(s, &vol, &m);
	vol_destroy(s, &vol);
}

static void test_every_choice_works(struct suite *s)
{
	int n = 0;

	for (const struct stor_param *p = s->backend->ops.params; p && p->key; p++) {
		const char *at = p->type == STOR_PARAM_BOOL ? "yes|no" : p->choices;

		while (at && *at) {
			cleanup_free char *value = xstrndup(at, strcspn(at, "|"));

			try_choice(s, p->key, value, n++);
			at += strcspn(at, "|");
			at += *at == '|';
		}
	}
}

static void test_info(struct suite *s)
{
	cleanup_free char *chunk = xcalloc(1, 1 << 20);
	struct stor_info info, after;
	cleanup_close int fd = -1;
	uint64_t before;
	struct mounted m;
	struct vol vol;

	vol_create(s, "v", NULL, &vol);
	before = tree_fingerprint(vol.path);
	info = vol_info(s, &vol);
	require(s, tree_fingerprint(vol.path) == before, "info changed the volume");
	require(s, !info.in_use, "info: in_use is true of a volume that nobody has");
	require(s, info.format, "info: it has no format");
	require(s, info.allocated_bytes != STOR_UNKNOWN,
	        "info: it does not know what is allocated");
	require(s,
	        info.exclusive_bytes == STOR_UNKNOWN ||
	                info.exclusive_bytes <= info.allocated_bytes,
	        "info: more would be freed than is allocated");
	vol_use(s, &vol, NULL, &m);
	require(s, vol_info(s, &vol).in_use, "info: in_use is false while it is attached");
	memset(chunk, 0x5a, 1 << 20);
	fd = openat(m.root_fd, "eight", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	for (uint64_t i = 0; i < 8; i++)
		require(s, fd >= 0 && !pwrite_all(fd, chunk, 1 << 20, i << 20), "write: %s",
		        strerror(errno));
	require(s, !fsync(fd), "fsync: %s", strerror(errno));
	close_fd(&fd);
	vol_release(s, &vol, &m);
	after = vol_info(s, &vol);
	require(s, !after.in_use, "info: in_use is true after the release");
	require(s, after.allocated_bytes >= info.allocated_bytes + (6 << 20),
	        "info: 8 MiB were written, but allocated grew from %llu to %llu",
	        (unsigned long long)info.allocated_bytes,
	        (unsigned long long)after.allocated_bytes);
	vol_destroy(s, &vol);
}

static void test_destroy_twice(struct suite *s)
{
	struct stor_err err = STOR_ERR_INIT;
	struct vol vol;

	vol_create(s, "v", NULL, &vol);
	if (backend_destroy(s->backend, &vol.ref, &err) < 0)
		fail(s, "destroy: %s", err.text);
	if (guarded(s, "destroy", backend_destroy(s->backend, &vol.ref, &err)) < 0)
		fail(s, "destroy of an empty directory: %s", err.text);
	require(s, !rmdir(vol.path), "destroy left something behind: %s", strerror(errno));
	if (guarded(s, "destroy", backend_destroy(s->backend, &vol.ref, &err)) < 0)
		fail(s, "destroy of a volume whose directory is gone: %s", err.text);
}

static void test_missing_content_is_reported(struct suite *s)
{
	const struct attach_how writing = { .wait_ms = 0 };
	struct stor_info info = { .emit = NULL };
	struct stor_err err = STOR_ERR_INIT;
	struct mounted m;
	struct vol vol;

	vol_prepare(s, "nothing", NULL, &vol);
	require(s, vol_attach(s, &vol, &writing, &m, &err) < 0,
	        "attach of a volume without content succeeded");
	expect_named(s, &err);
	err_clear(&err);
	require(s, !rmdir(vol.path), "attach left something in an empty volume: %s",
	        strerror(errno));
	require(s, vol_attach(s, &vol, &writing, &m, &err) < 0,
	        "attach of a volume that is gone succeeded");
	expect_named(s, &err);
	err_clear(&err);
	require(s, guarded(s, "info", backend_info(s->backend, &vol.ref, &info, &err)) < 0,
	        "info of a volume that is gone succeeded");
	expect_named(s, &err);
}

/* A store of 4 MiB, in a mount namespace of this test's own. */
static void test_full_disk(struct suite *s)
{
	const char *source = source_make(s);
	cleanup_close int source_fd = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stor_create_req req = create_request(s, source_fd, source);
	cleanup_free char *small = xasprintf("%s/small", s->dir);
	cleanup_free char *filler = xasprintf("%s/source/filler", s->dir);
	cleanup_free char *chunk = xcalloc(1, 8 << 20);
	struct stor_err err = STOR_ERR_INIT;
	cleanup_close int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct vol vol;

	memset(chunk, 1, 8 << 20);
	require(s, fd >= 0 && !pwrite_all(fd, chunk, 8 << 20, 0), "write: %s", strerror(errno));
	require(s,
	        !mkdir(small, 0700) && !unshare(CLONE_NEWNS) &&
	                !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	                !mount("none", small, "tmpfs", 0, "size=4M"),
	        "make a small store: %s", strerror(errno));
	vol_prepare(s, "small/v", NULL, &vol);
	require(s, guarded(s, "create", backend_create(s->backend, &vol.ref, &req, &err)) < 0,
	        "create on a full disk succeeded");
	expect_named(s, &err);
}

static const char *lacks_examine(const struct backend *b)
{
	return backend_can(b, examine) ? NULL : "examine";
}

static int take_finding(void *ctx, const struct stor_finding *finding)
{
	struct suite *s = ctx;

	require(s, finding->what && *finding->what && finding->detail,
	        "a finding without a name or a detail");
	require(s, finding->is_there || finding->remedy,
	        "a finding without a remedy though \"%s\" is not there", finding->what);
	return 0;
}

static void test_examine(struct suite *s)
{
	struct stor_err err = STOR_ERR_INIT;

	if (guarded(s, "examine", backend_examine(s->backend, take_finding, s, &err)) < 0)
		fail(s, "examine: %s", err.text);
}

const struct test tests_basic[] = {
	{ "texts", NULL, test_texts },
	{ "params-read-back", NULL, test_params_read_back },
	{ "create-empty", NULL, test_create_empty },
	{ "create-from-tree", NULL, test_create_from_tree },
	{ "every-choice-works", lacks_choices, test_every_choice_works },
	{ "info", NULL, test_info },
	{ "examine", lacks_examine, test_examine },
	{ "destroy-twice", NULL, test_destroy_twice },
	{ "missing-content-is-reported", NULL, test_missing_content_is_reported },
	{ "full-disk", NULL, test_full_disk },
	{ NULL, NULL, NULL },
};
