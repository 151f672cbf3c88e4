/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A backend that breaks its contract in one way, chosen by STOR_FAULT: the conformance suite has to
 * find each. Without a fault it is the example snapdir under another name.
 */
#include <stor/backend.h>

/* Its own table is not wanted, only its callbacks. */
#undef STOR_REGISTER_BACKEND
#define STOR_REGISTER_BACKEND(table) const struct stor_backend *const snapdir_table = &(table);
#include "plugins/examples/snapdir/snapdir.c" // NOLINT(bugprone-suspicious-include)
#undef STOR_REGISTER_BACKEND
#define STOR_REGISTER_BACKEND(table)                                                               \
	__attribute__((visibility("default"))) const struct stor_backend *stor_backend_init(void); \
	const struct stor_backend *stor_backend_init(void)                                         \
	{                                                                                          \
		(table) = *snapdir_table;                                                          \
		(table).kind = STOR_KIND_BACKEND;                                                  \
		(table).struct_size = sizeof(table);                                               \
		(table).abi_version = STOR_ABI_VERSION;                                            \
		(table).param_size = sizeof(struct stor_param);                                    \
		(table).value_size = sizeof(struct stor_value);                                    \
		fill_table();                                                                      \
		return &(table);                                                                   \
	}

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/xattr.h>

static bool has_fault(const char *name)
{
	const char *wanted = getenv("STOR_FAULT");

	return wanted && !strcmp(wanted, name);
}

static void *sleep_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void handle_nothing(int number)
{
	(void)number;
}

/* What any callback could do to stor's process. */
static void misbehave(void)
{
	pthread_t thread;

	if (has_fault("leaks-descriptor") && open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
		abort();
	if (has_fault("changes-folder") && chdir("/") < 0)
		abort();
	if (has_fault("changes-umask"))
		umask(0777);
	if (has_fault("leaves-thread") && pthread_create(&thread, NULL, sleep_for_ever, NULL))
		abort();
	if (has_fault("leaves-handler"))
		signal(SIGUSR1, handle_nothing);
	if (has_fault("prints") && write(STDOUT_FILENO, "hello\n", 6) != 6)
		abort();
	if (has_fault("leaves-process") && !fork())
		sleep_for_ever(NULL);
	if (has_fault("crashes"))
		abort();
}

/* --- create and clone ------------------------------------------------------------------------ */

static void chmod_or_die(int dir_fd, const char *name, mode_t mode)
{
	if (fchmodat(dir_fd, name, mode, 0) < 0)
		abort();
}

static void spoil_content(int live_fd)
{
	cleanup_close int fd = -1;

	if (has_fault("loses-xattrs")) {
		fd = openat(live_fd, "attributes", O_RDONLY | O_CLOEXEC);
		fremovexattr(fd, "trusted.stor");
	}
	if (has_fault("rounds-times")) {
		const struct timespec whole[2] = { { 4102444800, 0 }, { 4102444800, 0 } };

		utimensat(live_fd, "file", whole, 0);
	}
	if (has_fault("breaks-hard-links")) {
		unlinkat(live_fd, "other/file-again", 0);
		if (mknodat(live_fd, "other/file-again", S_IFREG | 0644, 0) < 0)
			abort();
	}
	if (has_fault("fills-holes")) {
		struct stat st;

		fd = openat(live_fd, "sparse", O_WRONLY | O_CLOEXEC);
		if (fstat(fd, &st) < 0 || fallocate(fd, 0, 0, 64 << 20) < 0)
			abort();
		futimens(fd, (struct timespec[2]){ st.st_atim, st.st_mtim });
	}
	if (has_fault("drops-set-user-id"))
		chmod_or_die(live_fd, "set-user-id", 0755);
	if (has_fault("loses-an-entry"))
		unlinkat(live_fd, "many/an-entry-of-a-large-directory-7", 0);
	if (has_fault("changes-a-byte")) {
		struct stat st;

		fd = openat(live_fd, "file", O_WRONLY | O_CLOEXEC);
		if (fstat(fd, &st) < 0 || pwrite_all(fd, "?", 1, 1000000) < 0)
			abort();
		futimens(fd, (struct timespec[2]){ st.st_atim, st.st_mtim });
	}
}

static int faulty_create(const struct stor_volume *volume, const struct stor_create_req *req,
                         struct stor_err *err)
{
	cleanup_close int live_fd = -1;

	if (has_fault("chokes-on-a-choice") && volume->values[SNAPDIR_COPY].number)
		return host->fail(err, STOR_FAILED, 0, "faulty: create: only by the default");
	if (snapdir_create(volume, req, err) < 0)
		return has_fault("reports-and-goes-on") ? 0 : -1;
	live_fd = snapdir_open(volume, "live", err);
	if (req->source_fd >= 0)
		spoil_content(live_fd);
	else if (has_fault("hides-the-root"))
		chmod_or_die(live_fd, ".", 0700);
	if (has_fault("changes-its-source") && req->source_fd >= 0)
		mkdirat(req->source_fd, "left-behind", 0700);
	if (has_fault("closes-the-source") && req->source_fd >= 0)
		close(req->source_fd);
	return 0;
}

static int faulty_clone(const struct stor_volume *volume, const struct stor_clone_req *req,
                        struct stor_err *err)
{
	cleanup_close int volume_fd = snapdir_open(volume, "", err);
	char target[PATH_MAX];

	if (has_fault("clone-loses-an-entry")) {
		if (snapdir_clone(volume, req, err) < 0)
			return -1;
		unlinkat(volume_fd, "live/many/an-entry-of-a-large-directory-7", 0);
		return 0;
	}
	if (!has_fault("clone-shares"))
		return snapdir_clone(volume, req, err);
	snprintf(target, sizeof(target), "%s/live", req->source->path);
	if (mkdirat(volume_fd, "snap", 0700) < 0 || symlinkat(target, volume_fd, "live") < 0)
		return host->fail(err, STOR_FAILED, errno, "faulty: clone");
	return 0;
}

/* --- attach ---------------------------------------------------------------------------------- */

/* A process that nobody asked for keeps the volume. */
static void keep_alive(void)
{
	if (!fork()) {
		setsid();
		sleep_for_ever(NULL);
	}
}

/* One lock for all volumes that lie side by side. */
static int lock_neighbours(const struct stor_volume *volume, struct stor_attachment *attachment,
                           struct stor_err *err)
{
	cleanup_close int fd = open(volume->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int parent_fd = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (flock(parent_fd, LOCK_EX | LOCK_NB) < 0) {
		close(parent_fd);
		close_fd(&attachment->fd);
		close_fd(&attachment->lock_fd);
		return host->fail(err, STOR_BUSY, 0, "faulty: another volume is in use");
	}
	close(attachment->lock_fd);
	attachment->lock_fd = parent_fd;
	return 0;
}

static int faulty_attach(const struct stor_volume *volume, const struct stor_attach_req *req,
                         struct stor_attachment *attachment, struct stor_err *err)
{
	struct stor_attach_req changed = *req;
	cleanup_free char *live = NULL;

	if (has_fault("fails-silently"))
		return -1;
	if (has_fault("leaks-on-failure"))
		return dup(0) < 0 ? 0 : host->fail(err, STOR_FAILED, 0, "faulty: attach");
	if (has_fault("ignores-read-only"))
		changed.flags &= ~STOR_ATTACH_READ_ONLY;
	if (has_fault("never-waits"))
		changed.busy_wait_ms = 0;
	if (has_fault("waits-too-long") && req->busy_wait_ms)
		changed.busy_wait_ms = 5000;
	if (has_fault("ignores-user-namespace"))
		changed.userns_fd = -1;
	if (has_fault("forgets-writes")) {
		cleanup_close int fd = open(volume->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		unlinkat(fd, "live/file-0", 0);
	}
	if (asprintf(&live, "%s/live", volume->path) < 0)
		return -1;
	if (has_fault("mounts-on-the-host") && mount(live, live, NULL, MS_BIND, NULL) < 0)
		return host->fail(err, STOR_FAILED, errno, "faulty: mount");
	if (snapdir_attach(volume, &changed, attachment, err) < 0)
		return -1;
	if (has_fault("attaches-with-unknown-flags"))
		attachment->flags = 0x80;
	if (has_fault("locks-neighbours"))
		return lock_neighbours(volume, attachment, err);
	if (has_fault("takes-no-lock"))
		close_fd(&attachment->lock_fd);
	if (has_fault("returns-no-descriptor"))
		close_fd(&attachment->fd);
	if (has_fault("says-wrong-kind"))
		attachment->kind = STOR_ATTACHED_BLOCK;
	if (has_fault("returns-plain-folder")) {
		close(attachment->fd);
		attachment->fd = open(live, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (has_fault("returns-attached-mount")) {
		close(attachment->fd);
		attachment->fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (has_fault("survives-kill"))
		keep_alive();
	return 0;
}

static int busy_as_failure(const struct stor_volume *volume, const struct stor_attach_req *req,
                           struct stor_attachment *attachment, struct stor_err *err)
{
	cleanup_close int fd = open(volume->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return host->fail(err, STOR_FAILED, errno, "faulty: lock");
	flock(fd, LOCK_UN);
	return snapdir_attach(volume, req, attachment, err);
}

/* --- info, destroy, check -------------------------------------------------------------------- */

static int faulty_info(const struct stor_volume *volume, struct stor_info *info,
                       struct stor_err *err)
{
	misbehave();
	if (snapdir_info(volume, info, err) < 0)
		return -1;
	if (has_fault("info-says-idle"))
		info->in_use = false;
	if (has_fault("info-says-busy"))
		info->in_use = true;
	if (has_fault("resizes-nothing"))
		info->size_bytes = 64 << 20;
	if (has_fault("info-says-small"))
		info->allocated_bytes = info->exclusive_bytes = 4096;
	if (has_fault("info-writes")) {
		cleanup_close int fd = snapdir_open(volume, "", err);

		mkdirat(fd, "looked", 0700);
	}
	return 0;
}

static int faulty_destroy(const struct stor_volume *volume, const struct stor_destroy_req *req,
                          struct stor_err *err)
{
	cleanup_close int fd = open(volume->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (has_fault("destroys-once") && (fd < 0 || faccessat(fd, "live", F_OK, 0) < 0))
		return host->fail(err, STOR_NOT_FOUND, 0, "faulty: destroy: no content");
	if (has_fault("destroys-attached") && fd >= 0 && !tree_empty(fd))
		return 0;
	if (snapdir_destroy(volume, req, err) < 0)
		return -1;
	if (has_fault("destroy-leaves"))
		mkdirat(fd, "crumbs", 0700);
	return 0;
}

static int faulty_check(const struct stor_volume *volume, const struct stor_check_req *req,
                        enum stor_verdict *verdict, struct stor_err *err)
{
	if (has_fault("check-is-blind"))
		return 0;
	if (snapdir_check(volume, req, verdict, err) < 0)
		return -1;
	if (has_fault("check-sees-ghosts"))
		*verdict = STOR_VERDICT_DAMAGED;
	if (has_fault("check-repairs-unasked"))
		*verdict = STOR_VERDICT_REPAIRED;
	return 0;
}

static int greedy_probe(const struct stor_probe_req *req)
{
	(void)req;
	return 100;
}

/* --- snapshots ------------------------------------------------------------------------------- */

/* A snapshot that shows the live state for ever. */
static int faulty_snapshot(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                           struct stor_err *err)
{
	cleanup_close int fd = -1, root_fd = -1;
	char below[128];

	snprintf(below, sizeof(below), "snap/%s", req->id);
	if (has_fault("snapshots-twice")) {
		fd = snapdir_open(volume, "", err);
		if (faccessat(fd, below, F_OK, 0) == 0)
			return 0;
		close_fd(&fd);
	}
	if (snapshots_take(volume, req, err) < 0)
		return -1;
	if (!has_fault("snapshot-follows"))
		return 0;
	fd = snapdir_open(volume, below, err);
	root_fd = openat(fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_empty(root_fd);
	unlinkat(fd, "root", AT_REMOVEDIR);
	return symlinkat("../../live", fd, "root");
}

static int list_nothing(const struct stor_volume *volume, const struct stor_snapshot_list_req *req,
                        struct stor_err *err)
{
	(void)volume;
	(void)req;
	(void)err;
	return 0;
}

static int do_nothing(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                      struct stor_err *err)
{
	(void)volume;
	(void)req;
	(void)err;
	return 0;
}

/* --- what snapdir has not, and what is said and not done ----------------------------------------
 */

static int resize_nothing(const struct stor_volume *volume, const struct stor_resize_req *req,
                          struct stor_err *err)
{
	(void)volume;
	(void)req;
	(void)err;
	return 0;
}

static int compact_nothing(const struct stor_volume *volume, struct stor_compact_req *req,
                           struct stor_err *err)
{
	(void)volume;
	(void)req;
	(void)err;
	return 0;
}

static int convert_and_lose(const struct stor_volume *volume, const struct stor_convert_req *req,
                            struct stor_err *err)
{
	cleanup_close int fd = snapdir_open(volume, "live", err);

	(void)req;
	return tree_empty(fd);
}

static int convert_to_nothing(const struct stor_volume *volume, const struct stor_convert_req *req,
                              struct stor_err *err)
{
	(void)volume;
	(void)req;
	return host->fail(err, STOR_UNSUPPORTED, 0, "faulty: convert");
}

static int stream_nothing(const struct stor_volume *volume, const struct stor_stream_req *req,
                          struct stor_err *err)
{
	(void)volume;
	(void)req;
	(void)err;
	return 0;
}

static struct stor_backend faulty_backend;

static int say_half(const struct stor_examine_req *req, struct stor_err *err)
{
	const struct stor_finding finding = { .struct_size = sizeof(finding), .what = "disks" };

	(void)err;
	return req->emit(req->emit_ctx, &finding);
}

/* As a backend that forgot the size. */
static int say_unsized(const struct stor_examine_req *req, struct stor_err *err)
{
	const struct stor_finding finding = { .what = "disks", .is_there = true, .detail = "all" };

	(void)err;
	return req->emit(req->emit_ctx, &finding);
}

static int list_unsized(const struct stor_volume *volume, const struct stor_snapshot_list_req *req,
                        struct stor_err *err)
{
	const struct stor_snapshot snapshot = { .id = "s1" };

	(void)volume;
	(void)err;
	return req->emit(req->emit_ctx, &snapshot);
}

static void fill_table(void)
{
	faulty_backend.name = "faulty";
	if (has_fault("is-wordy"))
		faulty_backend.summary = "A backend.";
	if (has_fault("resizes-nothing")) {
		faulty_backend.flags |= STOR_BACKEND_SIZED;
		faulty_backend.resize = resize_nothing;
	}
	if (has_fault("compacts-nothing"))
		faulty_backend.compact = compact_nothing;
	if (has_fault("convert-loses"))
		faulty_backend.convert = convert_and_lose;
	if (has_fault("converts-to-nothing"))
		faulty_backend.convert = convert_to_nothing;
	if (has_fault("sends-nothing"))
		faulty_backend.send = faulty_backend.receive = stream_nothing;
	if (has_fault("merges-nothing"))
		faulty_backend.merge = do_nothing;
	faulty_backend.create = faulty_create;
	faulty_backend.clone = faulty_clone;
	faulty_backend.attach = has_fault("busy-as-failure") ? busy_as_failure : faulty_attach;
	faulty_backend.info = faulty_info;
	faulty_backend.destroy = faulty_destroy;
	faulty_backend.check = faulty_check;
	faulty_backend.snapshot = faulty_snapshot;
	if (has_fault("probe-is-greedy"))
		faulty_backend.probe = greedy_probe;
	if (has_fault("list-forgets"))
		faulty_backend.snapshot_list = list_nothing;
	if (has_fault("lists-unsized"))
		faulty_backend.snapshot_list = list_unsized;
	if (has_fault("examines-unsized"))
		faulty_backend.examine = say_unsized;
	if (has_fault("rolls-nothing-back"))
		faulty_backend.rollback = do_nothing;
	if (has_fault("deletes-nothing"))
		faulty_backend.snapshot_delete = do_nothing;
	if (has_fault("examines-in-part"))
		faulty_backend.examine = say_half;
}

STOR_REGISTER_BACKEND(faulty_backend)
