/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes, golden copies and containers' roots, on every backend that the build made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/proc.h"
#include "core/container_store.h"
#include "core/golden.h"
#include "core/volume.h"
#include "core/volume_users.h"
#include "tests/unit/scratch.h"

static const char *const backends[] = { "dir", "loop" };

struct fixture {
	char dir[40];
	char store_path[64], state_path[64];
	struct store store;
	struct stor_err err;
	const char *backend;
};

/* Modules lie beside the tests in the build tree. */
static void find_modules(void)
{
	char self[PATH_MAX], modules[PATH_MAX + 16];

	assert_int_equal(proc_self_dir(self, sizeof(self)), 0);
	snprintf(modules, sizeof(modules), "%s/../modules", self);
	assert_int_equal(setenv("STOR_MODULES", modules, 1), 0);
}

static int set_up(struct fixture *f)
{
	scratch_make_dir(f->dir, sizeof(f->dir));
	snprintf(f->store_path, sizeof(f->store_path), "%s/store", f->dir);
	snprintf(f->state_path, sizeof(f->state_path), "%s/state", f->dir);
	f->store = (struct store)STORE_INIT;
	f->store.path = f->store_path;
	f->store.state_path = f->state_path;
	return store_open(&f->store, &f->err);
}

static void tear_down(struct fixture *f)
{
	struct stor_err err = STOR_ERR_INIT;

	store_close(&f->store);
	if (fs_remove_tree(AT_FDCWD, f->dir, &err) < 0)
		fail_msg("%s", err.text);
}

/* Each test runs once on each backend, in a store of its own. */
static void on_each_backend(void (*test)(struct fixture *f))
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(*backends); i++) {
		struct fixture f = { .backend = backends[i], .err = STOR_ERR_INIT };

		if (set_up(&f) < 0)
			fail_msg("%s", f.err.text);
		test(&f);
		tear_down(&f);
	}
}

#define succeeds(f, call)                                                                          \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s: %s", (f)->backend, #call, (f)->err.text);                \
	} while (0)

static void fails(struct fixture *f, int result, enum stor_status status, const char *words)
{
	assert_int_equal(result, -1);
	if (f->err.status != status || !strstr(f->err.text, words))
		fail_msg("%s: status %d: %s", f->backend, f->err.status, f->err.text);
	err_clear(&f->err);
}

static size_t entries(int dir_fd, const char *folder)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err err = STOR_ERR_INIT;

	assert_int_equal(store_list(dir_fd, folder, &names, &err), 0);
	return names.count;
}

static void make_volume(struct fixture *f, const char *name, struct volume *volume)
{
	struct volume_create_opts opts = { .backend = f->backend };

	/* A small one, where the backend has sizes. */
	opts.size_bytes = strcmp(f->backend, "dir") != 0 ? 64 << 20 : 0;
	succeeds(f, volume_create(&f->store, name, &opts, volume, &f->err));
}

/* --- volumes ------------------------------------------------------------------------------ */

static void is_made_found_and_removed(struct fixture *f)
{
	cleanup_volume struct volume made = VOLUME_INIT, found = VOLUME_INIT;
	struct volume_create_opts opts = { .backend = f->backend };

	make_volume(f, "data", &made);
	assert_string_equal(made.backend->ops.name, f->backend);
	succeeds(f, volume_find(&f->store, "data", NULL, NULL, &found, &f->err));
	fails(f, volume_create(&f->store, "data", &opts, NULL, &f->err), STOR_BUSY, "exists");
	fails(f, volume_find(&f->store, "other", NULL, NULL, &found, &f->err), STOR_NOT_FOUND,
	      "no volume other");
	succeeds(f, volume_remove(&f->store, "data", &f->err));
	assert_int_equal(entries(f->store.fd, "volumes"), 0);
	assert_int_equal(entries(f->store.fd, "tmp"), 0);
	fails(f, volume_remove(&f->store, "data", &f->err), STOR_NOT_FOUND, "no volume data");
}

static void failed_create_leaves_nothing(struct fixture *f)
{
	struct volume_create_opts opts = { .backend = f->backend, .fs_type = "nonesuch" };

	assert_int_equal(volume_create(&f->store, "data", &opts, NULL, &f->err), -1);
	err_clear(&f->err);
	fails(f, volume_create(&f->store, "a/b", &opts, NULL, &f->err), STOR_USAGE, "a/b");
	assert_int_equal(entries(f->store.fd, "volumes"), 0);
	assert_int_equal(entries(f->store.fd, "tmp"), 0);
}

static void busy_one_names_its_user(struct fixture *f)
{
	cleanup_volume struct volume volume = VOLUME_INIT;
	struct attach_opts first = ATTACH_OPTS_INIT, second = ATTACH_OPTS_INIT;
	struct attached a = ATTACHED_INIT, b = ATTACHED_INIT;
	int64_t from;

	make_volume(f, "data", &volume);
	first.user = "container web";
	succeeds(f, volume_attach(&f->store, &volume, &first, &a, &f->err));
	from = monotonic_ms();
	fails(f, volume_attach(&f->store, &volume, &second, &b, &f->err), STOR_BUSY,
	      "container web");
	/* A known user is not waited for. */
	assert_true(monotonic_ms() - from < 3000);
	fails(f, volume_remove(&f->store, "data", &f->err), STOR_BUSY, "container web");
	succeeds(f, volume_release(&a, false, &f->err));
	assert_int_equal(entries(f->store.state_fd, "users"), 0);
	succeeds(f, volume_remove(&f->store, "data", &f->err));
}

static void readers_share_and_writers_do_not(struct fixture *f)
{
	cleanup_volume struct volume volume = VOLUME_INIT;
	struct attach_opts read_only = ATTACH_OPTS_INIT, writing = ATTACH_OPTS_INIT;
	struct attached a = ATTACHED_INIT, b = ATTACHED_INIT, c = ATTACHED_INIT;
	int fd;

	make_volume(f, "data", &volume);
	read_only.read_only = true;
	read_only.user = "a reader";
	succeeds(f, volume_attach(&f->store, &volume, &read_only, &a, &f->err));
	succeeds(f, volume_attach(&f->store, &volume, &read_only, &b, &f->err));
	fails(f, volume_attach(&f->store, &volume, &writing, &c, &f->err), STOR_BUSY,
	      "in use by a reader");
	fd = openat(a.root_fd, "new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, EROFS);
	succeeds(f, volume_release(&a, false, &f->err));
	succeeds(f, volume_release(&b, false, &f->err));
	succeeds(f, volume_attach(&f->store, &volume, &writing, &c, &f->err));
	fd = openat(c.root_fd, "new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	succeeds(f, volume_release(&c, false, &f->err));
}

static void killed_user_is_no_user(struct fixture *f)
{
	cleanup_volume struct volume volume = VOLUME_INIT;
	struct attach_opts opts = ATTACH_OPTS_INIT;
	struct attached a = ATTACHED_INIT;
	pid_t pid;

	make_volume(f, "data", &volume);
	pid = fork();
	if (!pid) {
		if (volume_attach(&f->store, &volume, &opts, &a, &f->err) == 0)
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	assert_int_equal(proc_exit_code(proc_wait(pid)), 128 + SIGKILL);
	assert_int_equal(entries(f->store.state_fd, "users"), 1);
	succeeds(f, volume_attach(&f->store, &volume, &opts, &a, &f->err));
	assert_int_equal(entries(f->store.state_fd, "users"), 1);
	succeeds(f, volume_release(&a, false, &f->err));
	assert_int_equal(entries(f->store.state_fd, "users"), 0);
}

static void clone_has_the_same_content(struct fixture *f)
{
	cleanup_volume struct volume source = VOLUME_INIT, copy = VOLUME_INIT;
	struct attach_opts opts = ATTACH_OPTS_INIT;
	struct attached a = ATTACHED_INIT;
	int fd;

	make_volume(f, "source", &source);
	succeeds(f, volume_attach(&f->store, &source, &opts, &a, &f->err));
	fd = openat(a.root_fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0640);
	assert_int_equal(write(fd, "content", 7), 7);
	close(fd);
	fails(f, volume_clone(&f->store, &source, "copy", STOR_CLONE_AUTO, &f->err), STOR_BUSY,
	      "in use by");
	succeeds(f, volume_release(&a, false, &f->err));
	succeeds(f, volume_clone(&f->store, &source, "copy", STOR_CLONE_AUTO, &f->err));
	fails(f, volume_clone(&f->store, &source, "copy", STOR_CLONE_AUTO, &f->err), STOR_BUSY,
	      "exists");
	succeeds(f, volume_find(&f->store, "copy", NULL, NULL, &copy, &f->err));
	succeeds(f, volume_attach(&f->store, &copy, &opts, &a, &f->err));
	assert_int_equal(faccessat(a.root_fd, "file", F_OK, 0), 0);
	succeeds(f, volume_release(&a, false, &f->err));
	assert_int_equal(entries(f->store.fd, "tmp"), 0);
}

static void volumes_are_made_found_and_removed(void **state)
{
	(void)state;
	on_each_backend(is_made_found_and_removed);
}

static void failed_creates_leave_nothing(void **state)
{
	(void)state;
	on_each_backend(failed_create_leaves_nothing);
}

static void busy_volumes_name_their_user(void **state)
{
	(void)state;
	on_each_backend(busy_one_names_its_user);
}

static void volumes_have_readers_or_one_writer(void **state)
{
	(void)state;
	on_each_backend(readers_share_and_writers_do_not);
}

static void killed_users_are_none(void **state)
{
	(void)state;
	on_each_backend(killed_user_is_no_user);
}

static void clones_have_the_same_content(void **state)
{
	(void)state;
	on_each_backend(clone_has_the_same_content);
}

/* --- roots -------------------------------------------------------------------------------- */

static void root_is_prepared_and_released(struct fixture *f)
{
	struct root_opts opts = { .backend = f->backend };

	for (int round = 0; round < 2; round++) {
		cleanup_record struct record record = RECORD_INIT;
		cleanup_free char *id = NULL;
		struct root root;
		struct stat inside, image;

		record_add(&record, "rm", "yes");
		record_add(&record, "backend", root_backend_name(f->backend));
		succeeds(f, container_begin(&f->store, NULL, &record, &id, &f->err));
		succeeds(f, root_prepare(&f->store, id, &opts, &root, &record, &f->err));
		assert_true(root.is_ephemeral);
		assert_int_equal(faccessat(root.base.root_fd, "bin/busybox", F_OK, 0), 0);
		assert_int_equal(entries(f->store.fd, "golden"), 1);
		if (root.is_overlay) {
			assert_string_equal(root.clone_mode, "overlay");
			assert_int_equal(fstatat(root.upper.root_fd, "upper", &inside, 0), 0);
			assert_int_equal(fstatat(root.upper.root_fd, "work", &image, 0), 0);
			assert_int_equal(fstat(root.base.root_fd, &image), 0);
			assert_int_equal(inside.st_mode, image.st_mode);
			assert_int_equal(inside.st_uid, image.st_uid);
			assert_int_equal(inside.st_mtim.tv_nsec, image.st_mtim.tv_nsec);
		}
		succeeds(f, root_release(&root, true, &f->err));
		succeeds(f, container_end(&f->store, id, &record, 0, true, &f->err));
		assert_int_equal(entries(f->store.fd, "containers"), 0);
	}
}

static void stopped_root_goes_with_its_container(struct fixture *f)
{
	cleanup_record struct record record = RECORD_INIT;
	struct root_opts opts = { .backend = f->backend };
	cleanup_free char *id = NULL, *data = NULL;
	cleanup_volume struct volume golden = VOLUME_INIT;
	struct root root;

	succeeds(f, container_begin(&f->store, "web", &record, &id, &f->err));
	succeeds(f, root_prepare(&f->store, id, &opts, &root, &record, &f->err));
	succeeds(f, root_release(&root, false, &f->err));
	succeeds(f, container_end(&f->store, id, &record, 0, false, &f->err));
	data = xasprintf("containers/%s/data", id);
	assert_int_equal(faccessat(f->store.fd, data, F_OK, 0), 0);
	if (record_get(&record, "volume.golden"))
		fails(f,
		      golden_remove_of_image(&f->store, record_get(&record, "volume.image-id"),
		                             &f->err),
		      STOR_BUSY, "container web is based on");
	succeeds(f, container_remove(&f->store, id, &f->err));
	assert_int_equal(entries(f->store.fd, "containers"), 0);
	succeeds(f, golden_remove_of_image(&f->store, record_get(&record, "volume.image-id"),
	                                   &f->err));
	assert_int_equal(entries(f->store.fd, "golden"), 0);
	assert_int_equal(entries(f->store.fd, "tmp"), 0);
}

static void killed_root_is_swept(struct fixture *f)
{
	struct root_opts opts = { .backend = f->backend };
	pid_t pid;

	f->store.is_state_new = false;
	pid = fork();
	if (!pid) {
		struct record record = RECORD_INIT;
		struct root root;
		char *id;

		record_add(&record, "rm", "yes");
		if (container_begin(&f->store, "web", &record, &id, &f->err) == 0 &&
		    root_prepare(&f->store, id, &opts, &root, &record, &f->err) == 0)
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	assert_int_equal(proc_exit_code(proc_wait(pid)), 128 + SIGKILL);
	assert_int_equal(entries(f->store.fd, "containers"), 1);
	/* The kernel may be taking the dead one's device down still. */
	for (int i = 0; i < 100; i++) {
		err_clear(&f->err);
		if (store_sweep(&f->store, &f->err) == 0)
			break;
		usleep(10000);
	}
	assert_int_equal(entries(f->store.fd, "containers"), 0);
	assert_int_equal(entries(f->store.fd, "names"), 0);
}

static void racing_roots_make_one_golden(struct fixture *f)
{
	struct root_opts opts = { .backend = f->backend };
	pid_t pids[4];

	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			struct record record = RECORD_INIT;
			struct store own = STORE_INIT;
			struct root root;
			char *id;

			own.path = f->store_path;
			own.state_path = f->state_path;
			if (container_begin(&own, NULL, &record, &id, &f->err) < 0 ||
			    root_prepare(&own, id, &opts, &root, &record, &f->err) < 0 ||
			    root_release(&root, true, &f->err) < 0 ||
			    container_end(&own, id, &record, 0, true, &f->err) < 0) {
				fprintf(stderr, "%s\n", f->err.text);
				_exit(1);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(proc_exit_code(proc_wait(pids[i])), 0);
	assert_int_equal(entries(f->store.fd, "golden"), 1);
	assert_int_equal(entries(f->store.fd, "tmp"), 0);
	assert_int_equal(entries(f->store.fd, "containers"), 0);
}

static void named_root_is_used_in_place(struct fixture *f)
{
	cleanup_record struct record record = RECORD_INIT, second = RECORD_INIT;
	struct root_opts opts = { .root = "data" };
	cleanup_free char *id = NULL, *id2 = NULL;
	struct root root, other;

	make_volume(f, "data", NULL);
	succeeds(f, container_begin(&f->store, "web", &record, &id, &f->err));
	succeeds(f, root_prepare(&f->store, id, &opts, &root, &record, &f->err));
	assert_false(root.is_ephemeral);
	assert_false(root.is_overlay);
	assert_string_equal(root.clone_mode, "in place");
	succeeds(f, container_begin(&f->store, "db", &second, &id2, &f->err));
	fails(f, root_prepare(&f->store, id2, &opts, &other, &second, &f->err), STOR_BUSY,
	      "container web");
	succeeds(f, container_end(&f->store, id2, &second, 0, true, &f->err));
	succeeds(f, root_release(&root, true, &f->err));
	succeeds(f, container_end(&f->store, id, &record, 0, true, &f->err));
	succeeds(f, volume_remove(&f->store, "data", &f->err));
}

static void roots_are_prepared_and_released(void **state)
{
	(void)state;
	on_each_backend(root_is_prepared_and_released);
}

static void stopped_roots_go_with_their_container(void **state)
{
	(void)state;
	on_each_backend(stopped_root_goes_with_its_container);
}

static void killed_roots_are_swept(void **state)
{
	(void)state;
	on_each_backend(killed_root_is_swept);
}

static void one_golden_is_made_by_racing_roots(void **state)
{
	(void)state;
	on_each_backend(racing_roots_make_one_golden);
}

static void named_roots_are_used_in_place(void **state)
{
	(void)state;
	on_each_backend(named_root_is_used_in_place);
}

static void unknown_clone_mode_is_refused(void **state)
{
	struct fixture f = { .backend = "dir", .err = STOR_ERR_INIT };
	cleanup_record struct record record = RECORD_INIT;
	cleanup_strv struct strv params = STRV_INIT;
	struct root_opts opts = { .backend = "dir", .params = &params };
	cleanup_free char *id = NULL;
	struct root root;

	(void)state;
	assert_int_equal(set_up(&f), 0);
	strv_add(&params, "clone=magic");
	succeeds(&f, container_begin(&f.store, NULL, &record, &id, &f.err));
	fails(&f, root_prepare(&f.store, id, &opts, &root, &record, &f.err), STOR_USAGE, "magic");
	succeeds(&f, container_end(&f.store, id, &record, 0, true, &f.err));
	tear_down(&f);
}

/* --- mounts on the host ---------------------------------------------------------------------- */

static void mounts_are_found_by_id_and_place(void **state)
{
	struct statx st;

	(void)state;
	assert_int_equal(statx(AT_FDCWD, "/proc", 0, STATX_MNT_ID, &st), 0);
	assert_true(st.stx_mask & STATX_MNT_ID);
	assert_true(volume_mount_exists(st.stx_mnt_id, "/proc"));
	assert_false(volume_mount_exists(st.stx_mnt_id, "/proc2"));
	assert_false(volume_mount_exists(st.stx_mnt_id, "/pro"));
	assert_false(volume_mount_exists(st.stx_mnt_id + 100000, "/proc"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(volumes_are_made_found_and_removed),
		cmocka_unit_test(failed_creates_leave_nothing),
		cmocka_unit_test(busy_volumes_name_their_user),
		cmocka_unit_test(volumes_have_readers_or_one_writer),
		cmocka_unit_test(killed_users_are_none),
		cmocka_unit_test(clones_have_the_same_content),
		cmocka_unit_test(roots_are_prepared_and_released),
		cmocka_unit_test(stopped_roots_go_with_their_container),
		cmocka_unit_test(killed_roots_are_swept),
		cmocka_unit_test(one_golden_is_made_by_racing_roots),
		cmocka_unit_test(named_roots_are_used_in_place),
		cmocka_unit_test(unknown_clone_mode_is_refused),
		cmocka_unit_test(mounts_are_found_by_id_and_place),
	};

	find_modules();
	return cmocka_run_group_tests_name("volume", tests, NULL, NULL);
}
