/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots: taken, listed, attached, rolled back to, deleted, merged. */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char *lacks_snapshots(const struct backend *b)
{
	return b->ops.snapshot ? NULL : "snapshots";
}

static const char *lacks_merge(const struct backend *b)
{
	return b->ops.merge ? NULL : "merge";
}

static struct stor_snapshot_req request(const char *id)
{
	return (struct stor_snapshot_req){ .id = id, .root_fd = -1, .control_fd = -1 };
}

static void take(struct suite *s, const struct vol *vol, const char *id)
{
	struct stor_snapshot_req req = request(id);
	struct stor_err err = STOR_ERR_INIT;

	if (guarded(s, "snapshot", backend_snapshot(s->backend, &vol->ref, &req, &err)) < 0)
		fail(s, "snapshot %s: %s", id, err.text);
}

static void write_state(struct suite *s, const struct vol *vol, const char *text)
{
	struct mounted m;

	vol_use(s, vol, NULL, &m);
	put_file(s, m.root_fd, "state", text);
	put_file(s, m.root_fd, text, "x");
	vol_release(s, vol, &m);
}

/* id NULL: the live state. */
static void expect_state(struct suite *s, const struct vol *vol, const char *id, const char *text,
                         const char *absent)
{
	const struct attach_how how = { .flags = STOR_ATTACH_READ_ONLY, .snapshot = id };
	struct mounted m;
	int fd;

	vol_use(s, vol, &how, &m);
	expect_file(s, m.root_fd, "state", text);
	if (absent)
		require(s, !has_file(m.root_fd, absent), "state \"%s\" shows what came later",
		        text);
	fd = openat(m.root_fd, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	require(s, fd < 0 && errno == EROFS, "an attached snapshot can be written");
	vol_release(s, vol, &m);
}

/* What a listing said. */
struct listing {
	struct strv ids, parents;
	char *current;
};

static int collect(void *ctx, const struct stor_snapshot *snapshot)
{
	struct listing *listing = ctx;

	strv_add(&listing->ids, snapshot->id);
	strv_add(&listing->parents, snapshot->parent ? snapshot->parent : "-");
	if (snapshot->is_current)
		listing->current = xstrdup(snapshot->id);
	return 0;
}

static struct listing list(struct suite *s, const struct vol *vol)
{
	struct listing listing = { .current = NULL };
	struct stor_err err = STOR_ERR_INIT;

	if (guarded(s, "snapshot_list",
	            backend_snapshot_list(s->backend, &vol->ref, collect, &listing, &err)) < 0)
		fail(s, "snapshot_list: %s", err.text);
	return listing;
}

static void expect_parent(struct suite *s, const struct listing *listing, const char *id,
                          const char *parent)
{
	for (size_t i = 0; i < listing->ids.count; i++) {
		if (strcmp(listing->ids.items[i], id) != 0)
			continue;
		require(s, !strcmp(listing->parents.items[i], parent),
		        "snapshot %s has parent %s, not %s", id, listing->parents.items[i], parent);
		return;
	}
	fail(s, "snapshot %s is not listed", id);
}

static void test_snapshots(struct suite *s)
{
	struct listing listing;
	struct vol vol;

	vol_create(s, "v", NULL, &vol);
	require(s, !list(s, &vol).ids.count, "a new volume has snapshots");
	write_state(s, &vol, "one");
	take(s, &vol, "s1");
	write_state(s, &vol, "two");
	take(s, &vol, "s2");
	write_state(s, &vol, "three");
	listing = list(s, &vol);
	require(s, listing.ids.count == 2, "%zu snapshots are listed, not 2", listing.ids.count);
	expect_parent(s, &listing, "s1", "-");
	expect_parent(s, &listing, "s2", "s1");
	require(s, listing.current && !strcmp(listing.current, "s2"),
	        "the last snapshot is not listed as current");
	expect_state(s, &vol, "s1", "one", "two");
	expect_state(s, &vol, "s2", "two", "three");
	expect_state(s, &vol, NULL, "three", NULL);
	vol_destroy(s, &vol);
}

static void test_rollback(struct suite *s)
{
	struct stor_snapshot_req req = request("s1");
	struct stor_err err = STOR_ERR_INIT;
	struct vol vol;

	vol_create(s, "v", NULL, &vol);
	write_state(s, &vol, "one");
	take(s, &vol, "s1");
	write_state(s, &vol, "two");
	for (int i = 0; i < 2; i++) {
		if (guarded(s, "rollback", backend_rollback(s->backend, &vol.ref, &req, &err)) < 0)
			fail(s, "rollback: %s", err.text);
		expect_state(s, &vol, NULL, "one", "two");
		write_state(s, &vol, "two");
		expect_state(s, &vol, "s1", "one", "two");
	}
	vol_destroy(s, &vol);
}

static void test_delete_snapshot(struct suite *s)
{
	struct stor_snapshot_req req = request("s1");
	struct stor_err err = STOR_ERR_INIT;
	struct listing listing;
	struct vol vol;

	vol_create(s, "v", NULL, &vol);
	write_state(s, &vol, "one");
	take(s, &vol, "s1");
	write_state(s, &vol, "two");
	take(s, &vol, "s2");
	write_state(s, &vol, "three");
	if (guarded(s, "snapshot_delete",
	            backend_snapshot_delete(s->backend, &vol.ref, &req, &err)) < 0)
		fail(s, "snapshot_delete: %s", err.text);
	listing = list(s, &vol);
	require(s, listing.ids.count == 1, "%zu snapshots are listed, not 1", listing.ids.count);
	expect_parent(s, &listing, "s2", "-");
	expect_state(s, &vol, "s2", "two", "three");
	expect_state(s, &vol, NULL, "three", NULL);
	expect_error(s, backend_snapshot_delete(s->backend, &vol.ref, &req, &err), &err,
	             STOR_NOT_FOUND, "snapshot_delete of one that is gone");
	vol_destroy(s, &vol);
}

static void test_snapshot_errors(struct suite *s)
{
	const struct attach_how absent = { .flags = STOR_ATTACH_READ_ONLY, .snapshot = "absent" };
	struct stor_snapshot_req again = request("s1"), unknown = request("absent");
	struct stor_err err = STOR_ERR_INIT;
	struct mounted m;
	struct vol vol;

	vol_create(s, "v", NULL, &vol);
	take(s, &vol, "s1");
	expect_error(s, backend_snapshot(s->backend, &vol.ref, &again, &err), &err, STOR_USAGE,
	             "a second snapshot of the same id");
	err_clear(&err);
	expect_error(s, backend_rollback(s->backend, &vol.ref, &unknown, &err), &err,
	             STOR_NOT_FOUND, "rollback to an unknown snapshot");
	err_clear(&err);
	expect_error(s, vol_attach(s, &vol, &absent, &m, &err), &err, STOR_NOT_FOUND,
	             "attach of an unknown snapshot");
	err_clear(&err);
	vol_use(s, &vol, NULL, &m);
	expect_error(s, backend_rollback(s->backend, &vol.ref, &again, &err), &err, STOR_BUSY,
	             "rollback of an attached volume");
	vol_release(s, &vol, &m);
}

static void test_merge(struct suite *s)
{
	struct stor_snapshot_req req = request("s1");
	struct stor_err err = STOR_ERR_INIT;
	struct listing listing;
	struct vol vol;

	vol_create(s, "v", NULL, &vol);
	write_state(s, &vol, "one");
	take(s, &vol, "s1");
	write_state(s, &vol, "two");
	take(s, &vol, "s2");
	write_state(s, &vol, "three");
	if (guarded(s, "merge", backend_merge(s->backend, &vol.ref, &req, &err)) < 0)
		fail(s, "merge: %s", err.text);
	listing = list(s, &vol);
	require(s, listing.ids.count == 1 && !strcmp(listing.ids.items[0], "s2"),
	        "after the merge of s1 not s2 alone is listed");
	expect_state(s, &vol, "s2", "two", "three");
	expect_state(s, &vol, NULL, "three", NULL);
	vol_destroy(s, &vol);
}

const struct test tests_snapshot[] = {
	{ "snapshots", lacks_snapshots, test_snapshots },
	{ "rollback", lacks_snapshots, test_rollback },
	{ "delete-snapshot", lacks_snapshots, test_delete_snapshot },
	{ "snapshot-errors", lacks_snapshots, test_snapshot_errors },
	{ "merge", lacks_merge, test_merge },
	{ NULL, NULL, NULL },
};
