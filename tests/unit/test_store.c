/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store and the containers' records: what is made, names and locks.
 */
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
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/proc.h"
#include "core/container_store.h"
#include "core/store.h"
#include "tests/unit/store_fixture.h"

/* --- the folders -------------------------------------------------------------------------- */

static void folders_are_made_private(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	umask(0);
	open_store(f);
	assert_int_equal(stat(f->store_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstatat(f->store.state_fd, "live", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(store_open(&f->store, &f->err), 0);
	umask(022);
}

static void store_that_others_can_write_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir(f->store_path, 0700), 0);
	assert_int_equal(chmod(f->store_path, 0777), 0);
	assert_int_equal(store_open(&f->store, &f->err), -1);
	assert_non_null(strstr(f->err.text, "written by others"));
	assert_int_equal(chmod(f->store_path, 0700), 0);
	assert_int_equal(chown(f->store_path, 12345, 0), 0);
	err_clear(&f->err);
	assert_int_equal(store_open(&f->store, &f->err), -1);
	assert_non_null(strstr(f->err.text, "user 12345"));
}

static void store_that_others_can_read_is_closed(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(mkdir(f->store_path, 0755), 0);
	open_store(f);
	assert_int_equal(stat(f->store_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void too_long_a_path_is_refused(void **state)
{
	struct fixture *f = *state;
	char path[4096];

	memset(path, 'x', sizeof(path));
	for (size_t i = 0; i < sizeof(path); i += 100)
		path[i] = '/';
	path[4000] = '\0';
	f->store.path = path;
	assert_int_equal(store_open(&f->store, &f->err), -1);
	assert_int_equal(f->err.status, STOR_USAGE);
}

static void state_of_another_store_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store other = second_store(f);
	char path[64];

	open_store(f);
	snprintf(path, sizeof(path), "%s/other", f->dir);
	other.path = path;
	assert_int_equal(store_open(&other, &f->err), -1);
	assert_int_equal(f->err.status, STOR_USAGE);
	assert_non_null(strstr(f->err.text, f->store_path));
}

static void other_state_is_refused_only_while_containers_run(void **state)
{
	struct fixture *f = *state;
	struct store other = second_store(f);
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL;
	char path[64];

	open_store(f);
	snprintf(path, sizeof(path), "%s/state2", f->dir);
	other.state_path = path;
	assert_int_equal(container_begin(&f->store, NULL, &record, &id, &f->err), 0);
	assert_int_equal(store_open(&other, &f->err), -1);
	assert_int_equal(f->err.status, STOR_BUSY);
	assert_int_equal(container_end(&f->store, id, &record, 0, true, &f->err), -0);
	err_clear(&f->err);
	assert_int_equal(store_open(&other, &f->err), 0);
	store_close(&other);
}

static void ids_are_ids_and_differ(void **state)
{
	cleanup_free char *a = store_new_id(), *b = store_new_id();

	(void)state;
	assert_true(store_is_id(a));
	assert_true(store_is_id(b));
	assert_string_not_equal(a, b);
	assert_false(store_is_id("0123456789a"));
	assert_false(store_is_id("0123456789aG"));
}

static void work_in_progress_moves_whole_or_not(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *a = NULL, *b = NULL;

	open_store(f);
	a = store_make_temp(&f->store, &f->err);
	b = store_make_temp(&f->store, &f->err);
	assert_string_not_equal(a, b);
	assert_int_equal(store_publish(&f->store, a, "volumes/v", &f->err), 0);
	assert_int_equal(store_publish(&f->store, b, "volumes/v", &f->err), -1);
	assert_int_equal(f->err.status, STOR_BUSY);
	store_remove_temp(&f->store, b);
	assert_int_equal(entries(f->store.fd, "tmp"), 0);
}

/* --- locks -------------------------------------------------------------------------------- */

static void locks_exclude_by_key(void **state)
{
	struct fixture *f = *state;
	cleanup_close int a = -1, b = -1, shared = -1;

	open_store(f);
	a = store_lock(&f->store, "one", true, 0, &f->err);
	assert_true(a >= 0);
	b = store_lock(&f->store, "two", true, 0, &f->err);
	assert_true(b >= 0);
	assert_int_equal(store_lock(&f->store, "one", false, 5, &f->err), -1);
	assert_int_equal(f->err.status, STOR_BUSY);
	close_fd(&a);
	a = store_lock(&f->store, "one", false, 0, &f->err);
	shared = store_lock(&f->store, "one", false, 0, &f->err);
	assert_true(a >= 0 && shared >= 0);
}

/* --- containers --------------------------------------------------------------------------- */

static void containers_are_found_by_name_id_and_prefix(void **state)
{
	struct fixture *f = *state;
	cleanup_record struct record record = RECORD_INIT, other = RECORD_INIT, found = RECORD_INIT;
	cleanup_free char *id = NULL, *id2 = NULL, *by_name = NULL, *by_id = NULL, *prefix = NULL;

	assert_int_equal(container_begin(&f->store, "web", &record, &id, &f->err), 0);
	assert_int_equal(container_begin(&f->store, NULL, &other, &id2, &f->err), 0);
	assert_int_equal(container_find(&f->store, "web", &by_name, &found, &f->err), 0);
	assert_string_equal(by_name, id);
	assert_string_equal(record_get(&found, "status"), "created");
	assert_int_equal(container_find(&f->store, id2, &by_id, NULL, &f->err), 0);
	assert_string_equal(by_id, id2);
	/* Eleven digits are unique but for bad luck of 1 in 16 to the 11th. */
	by_id[11] = '\0';
	assert_int_equal(container_find(&f->store, by_id, &prefix, NULL, &f->err), 0);
	assert_string_equal(prefix, id2);
	assert_int_equal(container_find(&f->store, "nobody", &prefix, NULL, &f->err), -1);
	assert_int_equal(f->err.status, STOR_NOT_FOUND);
}

static void ambiguous_prefix_is_refused(void **state)
{
	struct fixture *f = *state;
	char *id = NULL;

	open_store(f);
	for (const char *const *at = (const char *const[]){ "abc111111111", "abc222222222", NULL };
	     *at; at++) {
		cleanup_free char *dir = xasprintf("containers/%s", *at);
		cleanup_record struct record record = RECORD_INIT;

		assert_int_equal(store_make_dir(f->store.fd, "containers", &f->err), 0);
		assert_int_equal(store_make_dir(f->store.fd, dir, &f->err), 0);
		record_add(&record, "status", "exited");
		assert_int_equal(container_save(&f->store, *at, &record, &f->err), 0);
	}
	assert_int_equal(container_find(&f->store, "abc", &id, NULL, &f->err), -1);
	assert_int_equal(f->err.status, STOR_USAGE);
	assert_int_equal(container_find(&f->store, "abc2", &id, NULL, &f->err), 0 * -1);
	free(id);
}

static void rm_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL;

	assert_int_equal(container_begin(&f->store, "web", &record, &id, &f->err), 0);
	assert_true(store_is_live(&f->store, id, NULL));
	assert_int_equal(container_end(&f->store, id, &record, 0, true, &f->err), 0);
	assert_false(store_is_live(&f->store, id, NULL));
	assert_int_equal(entries(f->store.fd, "containers"), 0);
	assert_int_equal(entries(f->store.fd, "names"), 0);
	assert_int_equal(entries(f->store.state_fd, "live"), 0);
}

static void stopped_container_keeps_name_and_status(void **state)
{
	struct fixture *f = *state;
	cleanup_record struct record record = RECORD_INIT, again = RECORD_INIT, found = RECORD_INIT;
	cleanup_free char *id = NULL, *id2 = NULL, *by_name = NULL;

	assert_int_equal(container_begin(&f->store, "web", &record, &id, &f->err), 0);
	assert_int_equal(container_end(&f->store, id, &record, 7, false, &f->err), 0);
	assert_int_equal(container_begin(&f->store, "web", &again, &id2, &f->err), -1);
	assert_int_equal(f->err.status, STOR_BUSY);
	assert_non_null(strstr(f->err.text, id));
	assert_int_equal(container_find(&f->store, "web", &by_name, &found, &f->err), 0);
	assert_string_equal(record_get(&found, "exit-code"), "7");
	assert_int_equal(entries(f->store.fd, "containers"), 1);
	assert_int_equal(container_remove(&f->store, id, &f->err), 0);
	assert_int_equal(entries(f->store.fd, "containers"), 0);
	assert_int_equal(entries(f->store.fd, "names"), 0);
}

/* The inode of a container's folder. */
static ino_t folder_of(struct fixture *f, const char *id)
{
	cleanup_free char *path = xasprintf("containers/%s", id);
	struct stat st;

	assert_int_equal(fstatat(f->store.fd, path, &st, 0), 0);
	return st.st_ino;
}

/* Begins and ends a container with --rm; `left` is in its volume's folder at the end. */
static ino_t run_once(struct fixture *f, const char *left)
{
	cleanup_record struct record record = RECORD_INIT, found = RECORD_INIT;
	cleanup_free char *id = NULL, *data = NULL, *path = NULL;
	ino_t folder;

	record_add(&record, "rm", "yes");
	assert_int_equal(container_begin(&f->store, NULL, &record, &id, &f->err), 0);
	assert_int_equal(container_load(&f->store, id, &found, &f->err), 0);
	assert_string_equal(record_get(&found, "id"), id);
	folder = folder_of(f, id);
	data = xasprintf("containers/%s/data", id);
	path = xasprintf("%s/%s", data, left ? left : "");
	assert_int_equal(store_make_dir(f->store.fd, data, &f->err), 0);
	if (left)
		assert_int_equal(store_make_dir(f->store.fd, path, &f->err), 0);
	/* Without a backend what is left cannot be removed. */
	assert_int_equal(container_end(&f->store, id, &record, 0, true, &f->err), left ? -1 : 0);
	err_clear(&f->err);
	return folder;
}

static void empty_folder_serves_the_next_container(void **state)
{
	struct fixture *f = *state;
	ino_t first = run_once(f, NULL);

	assert_int_equal(entries(f->store.fd, "containers"), 0);
	assert_int_equal(entries(f->store.fd, "spare"), 1);
	assert_true(run_once(f, NULL) == first);
	assert_int_equal(entries(f->store.fd, "spare"), 1);
	/* One in which something is left serves nobody. */
	assert_true(run_once(f, "left") == first);
	assert_int_equal(entries(f->store.fd, "spare"), 0);
	assert_int_equal(entries(f->store.fd, "containers"), 1);
}

static void running_container_is_not_removed(void **state)
{
	struct fixture *f = *state;
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL;

	assert_int_equal(container_begin(&f->store, "web", &record, &id, &f->err), 0);
	assert_int_equal(container_remove(&f->store, id, &f->err), -1);
	assert_int_equal(f->err.status, STOR_BUSY);
}

static void name_of_a_killed_rm_container_is_free(void **state)
{
	static const char *const at[] = { "created", "running" };
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		cleanup_record struct record record = RECORD_INIT;
		cleanup_free char *dead = leave_dead(f, "web", "yes", at[i]), *id = NULL;

		open_store(f);
		if (container_begin(&f->store, "web", &record, &id, &f->err) < 0)
			fail_msg("%s", f->err.text);
		assert_int_equal(entries(f->store.fd, "containers"), 1);
		assert_int_equal(container_end(&f->store, id, &record, 0, true, &f->err), 0);
		assert_int_equal(entries(f->store.fd, "names"), 0);
	}
}

static void stale_name_is_taken_over(void **state)
{
	struct fixture *f = *state;
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL, *found = NULL;

	open_store(f);
	assert_int_equal(store_make_dir(f->store.fd, "names", &f->err), 0);
	assert_int_equal(symlinkat("0123456789ab", f->store.fd, "names/web"), 0);
	assert_int_equal(container_begin(&f->store, "web", &record, &id, &f->err), 0);
	found = store_find_name(&f->store, "web");
	assert_string_equal(found, id);
}

static void one_of_many_gets_the_name(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *dead = leave_dead(f, "web", "yes", "running");
	int won = 0, go[2], hold[2];
	pid_t pids[50];

	/* All begin at once, and winners stay alive until everybody has tried. */
	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(hold), 0);
	for (int i = 0; i < 50; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			struct record record = RECORD_INIT;
			struct store own = second_store(f);
			char *id = NULL, c;

			record_add(&record, "rm", "yes");
			close(go[1]);
			close(hold[1]);
			if (read(go[0], &c, 1) < 0)
				_exit(9);
			if (container_begin(&own, "web", &record, &id, &f->err) < 0)
				_exit(f->err.status == STOR_BUSY ? 1 : 9);
			/* Not before all others are done. */
			if (read(hold[0], &c, 1) < 0)
				_exit(9);
			_exit(container_end(&own, id, &record, 0, true, &f->err) < 0 ? 9 : 0);
		}
	}
	close(go[0]);
	close(hold[0]);
	close(go[1]);
	for (int i = 0, reaped = 0; reaped < 49; i++) {
		int status;

		assert_true(waitpid(-1, &status, 0) > 0);
		assert_int_equal(proc_exit_code(status), 1);
		reaped++;
	}
	close(hold[1]);
	for (int i = 0; i < 1; i++) {
		int status;

		assert_true(waitpid(-1, &status, 0) > 0);
		won += proc_exit_code(status) == 0;
	}
	assert_int_equal(won, 1);
	open_store(f);
	assert_int_equal(store_sweep(&f->store, &f->err), 0);
	assert_int_equal(entries(f->store.fd, "containers"), 0);
	assert_int_equal(entries(f->store.fd, "names"), 0);
	assert_int_equal(entries(f->store.state_fd, "live"), 0);
}

static void bad_names_are_refused(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "-x", "a b", "a\n", "\xc3\xa9" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		cleanup_record struct record record = RECORD_INIT;
		char *id = NULL;

		err_clear(&f->err);
		assert_int_equal(container_begin(&f->store, bad[i], &record, &id, &f->err), -1);
		assert_int_equal(f->err.status, STOR_USAGE);
	}
	assert_int_equal(entries(f->store.fd, "containers"), 0);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
	const struct CMUnitTest tests[] = {
		test(folders_are_made_private),
		test(store_that_others_can_write_is_refused),
		test(store_that_others_can_read_is_closed),
		test(too_long_a_path_is_refused),
		test(state_of_another_store_is_refused),
		test(other_state_is_refused_only_while_containers_run),
		test(ids_are_ids_and_differ),
		test(work_in_progress_moves_whole_or_not),
		test(locks_exclude_by_key),
		test(containers_are_found_by_name_id_and_prefix),
		test(ambiguous_prefix_is_refused),
		test(rm_leaves_nothing),
		test(stopped_container_keeps_name_and_status),
		test(empty_folder_serves_the_next_container),
		test(running_container_is_not_removed),
		test(name_of_a_killed_rm_container_is_free),
		test(stale_name_is_taken_over),
		test(one_of_many_gets_the_name),
		test(bad_names_are_refused),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
