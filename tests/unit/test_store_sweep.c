/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a sweep removes, what it leaves alone, and where it does not look. */
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
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/proc.h"
#include "core/container_store.h"
#include "core/store.h"
#include "core/volume.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_fixture.h"

/* --- the sweep ---------------------------------------------------------------------------- */

static void sweep_removes_a_killed_rm_container(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *dead = leave_dead(f, "web", "yes", "running");

	open_store(f);
	assert_int_equal(entries(f->store.fd, "containers"), 1);
	f->store.is_state_new = false;
	assert_int_equal(store_sweep(&f->store, &f->err), 0);
	assert_int_equal(entries(f->store.fd, "containers"), 0);
	assert_int_equal(entries(f->store.fd, "names"), 0);
	assert_int_equal(entries(f->store.state_fd, "live"), 0);
}

/* In a child that is then killed: a container with a volume of the backend in `file`, attached. */
static _Noreturn void attach_and_die(struct fixture *f, const char *file)
{
	struct stor_create_req req = { .flags = STOR_CREATE_EPHEMERAL, .source_fd = -1 };
	struct attach_opts opts = ATTACH_OPTS_INIT;
	struct attached attached = ATTACHED_INIT;
	struct volume volume = VOLUME_INIT;
	struct record record = RECORD_INIT;
	char *id, *data;

	record_add(&record, "rm", "yes");
	record_add(&record, "backend", file);
	if (container_begin(&f->store, "web", &record, &id, &f->err) == 0 &&
	    volume_of_container(&f->store, id, &record, &volume, &f->err) == 0) {
		data = xasprintf("containers/%s/data", id);
		if (store_make_dir(f->store.fd, data, &f->err) == 0 &&
		    backend_create(volume.backend, &volume.ref, &req, &f->err) == 0 &&
		    volume_attach(&f->store, &volume, &opts, &attached, &f->err) == 0)
			kill(getpid(), SIGKILL);
	}
	fprintf(stderr, "%s\n", f->err.text);
	_exit(1);
}

/* A device that is not tied to a descriptor: only its backend finds it, by the token that the dead
 * one recorded, and only while the volume is there. */
static void sweep_ends_a_token_before_its_volume(void **state)
{
	struct fixture *f = *state;
	char self[PATH_MAX], file[PATH_MAX + 64];
	pid_t pid;

	assert_int_equal(proc_self_dir(self, sizeof(self)), 0);
	snprintf(file, sizeof(file), "%s/backends/stor-services.so", self);
	open_store(f);
	f->store.is_state_new = false;
	pid = fork();
	if (!pid)
		attach_and_die(f, file);
	assert_int_equal(proc_exit_code(proc_wait(pid)), 128 + SIGKILL);
	assert_int_equal(entries(f->store.state_fd, "users"), 1);
	assert_true(scratch_loop_below(f->dir) >= 0);
	assert_int_equal(store_sweep(&f->store, &f->err), 0);
	assert_int_equal(entries(f->store.fd, "containers"), 0);
	assert_int_equal(entries(f->store.state_fd, "users"), 0);
	assert_int_equal(scratch_wait_no_loop(f->dir), -1);
}

static void sweep_ends_a_killed_container(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *dead = leave_dead(f, "web", "no", "running"), *id = NULL;
	cleanup_record struct record record = RECORD_INIT;

	open_store(f);
	f->store.is_state_new = false;
	assert_int_equal(store_sweep(&f->store, &f->err), 0);
	assert_int_equal(entries(f->store.state_fd, "live"), 0);
	assert_int_equal(container_load(&f->store, dead, &record, &f->err), 0);
	assert_string_equal(record_get(&record, "status"), "exited");
	assert_string_equal(record_get(&record, "exit-code"), "unknown");
}

static void sweep_leaves_the_living_alone(void **state)
{
	struct fixture *f = *state;
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL, *temp = NULL;
	struct store other = second_store(f);
	struct sweep_opts thorough = { .is_thorough = true };
	pid_t pid;

	record_add(&record, "rm", "yes");
	assert_int_equal(container_begin(&f->store, "web", &record, &id, &f->err), 0);
	temp = store_make_temp(&f->store, &f->err);
	pid = fork();
	if (!pid)
		_exit(store_sweep(&other, &f->err) < 0 ||
		      store_collect(&other, &thorough, &f->err) < 0);
	assert_int_equal(proc_exit_code(proc_wait(pid)), 0);
	assert_int_equal(entries(f->store.fd, "containers"), 1);
	assert_int_equal(entries(f->store.fd, "names"), 1);
	assert_int_equal(entries(f->store.fd, "tmp"), 1);
	assert_int_equal(entries(f->store.state_fd, "live"), 1);
}

static void sweep_removes_work_of_the_dead(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	open_store(f);
	pid = fork();
	if (!pid) {
		cleanup_free char *temp = store_make_temp(&f->store, &f->err);
		cleanup_free char *below = xasprintf("%s/data", temp);

		_exit(mkdirat(f->store.fd, below, 0700) < 0);
	}
	assert_int_equal(proc_exit_code(proc_wait(pid)), 0);
	assert_int_equal(entries(f->store.fd, "tmp"), 1);
	assert_int_equal(store_sweep(&f->store, &f->err), 0);
	assert_int_equal(entries(f->store.fd, "tmp"), 0);
}

static void reused_pid_is_seen_through_by_gc(void **state)
{
	struct sweep_opts thorough = { .is_thorough = true };
	struct fixture *f = *state;
	cleanup_free char *marker = NULL, *dir = NULL;
	cleanup_record struct record record = RECORD_INIT;

	open_store(f);
	/* Process 1 lives, but did not start at tick 99999999999. */
	assert_int_equal(store_make_dir(f->store.fd, "containers", &f->err), 0);
	assert_int_equal(store_make_dir(f->store.fd, "containers/0123456789ab", &f->err), 0);
	record_add(&record, "rm", "yes");
	record_add(&record, "status", "running");
	assert_int_equal(container_save(&f->store, "0123456789ab", &record, &f->err), 0);
	marker = xstrdup("live/1.99999999999.0123456789ab");
	assert_int_equal(mknodat(f->store.state_fd, marker, S_IFREG | 0600, 0), 0);
	assert_false(store_is_live(&f->store, "0123456789ab", NULL));
	assert_int_equal(store_collect(&f->store, &thorough, &f->err), 0);
	assert_int_equal(entries(f->store.fd, "containers"), 0);
	assert_int_equal(entries(f->store.state_fd, "live"), 0);
}

static void first_sweep_after_a_boot_ends_what_ran(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *kept = leave_dead(f, "kept", "no", "running");
	cleanup_free char *gone = leave_dead(f, "gone", "yes", "running");
	cleanup_free char *made = leave_dead(f, "made", "no", "created");
	cleanup_record struct record record = RECORD_INIT, created = RECORD_INIT;

	assert_int_equal(fs_remove_tree(AT_FDCWD, f->state_path, &f->err), 0);
	open_store(f);
	assert_true(f->store.is_state_new);
	assert_int_equal(store_sweep(&f->store, &f->err), 0);
	assert_int_equal(container_load(&f->store, gone, &record, &f->err), -1);
	assert_int_equal(f->err.status, STOR_NOT_FOUND);
	err_clear(&f->err);
	assert_int_equal(container_load(&f->store, kept, &record, &f->err), 0);
	assert_string_equal(record_get(&record, "status"), "exited");
	assert_int_equal(container_load(&f->store, made, &created, &f->err), 0);
	assert_string_equal(record_get(&created, "status"), "created");
}

static void dead_container_is_noticed_when_looked_at(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *dead = leave_dead(f, "web", "no", "running"), *id = NULL, *id2 = NULL;
	cleanup_free char *gone = leave_dead(f, "tmp", "yes", "running");
	cleanup_record struct record record = RECORD_INIT;

	assert_int_equal(container_find(&f->store, "web", &id, &record, &f->err), 0);
	assert_string_equal(record_get(&record, "status"), "exited");
	assert_int_equal(container_find(&f->store, "tmp", &id2, NULL, &f->err), -1);
	assert_int_equal(f->err.status, STOR_NOT_FOUND);
}

static void dry_run_changes_nothing(void **state)
{
	struct sweep_opts opts = { .is_thorough = true, .dry_run = true };
	struct fixture *f = *state;
	cleanup_free char *gone = leave_dead(f, "web", "yes", "running");

	open_store(f);
	assert_int_equal(store_collect(&f->store, &opts, &f->err), 0);
	assert_int_equal(entries(f->store.fd, "containers"), 1);
	assert_int_equal(entries(f->store.state_fd, "live"), 1);
}

/* Markers of as many containers that a process runs. */
static void mark(struct fixture *f, pid_t pid, int count)
{
	char marker[128];

	for (int i = 0; i < count; i++) {
		cleanup_free char *id = store_new_id();

		snprintf(marker, sizeof(marker), "live/%ld.%" PRIu64 ".%s", (long)pid,
		         proc_start_time(pid), id);
		assert_int_equal(mknodat(f->store.state_fd, marker, S_IFREG | 0600, 0), 0);
	}
}

static size_t count_dead(struct fixture *f, bool exact)
{
	cleanup_strv struct strv dead = STRV_INIT;

	assert_int_equal(
		store_list_dead(&f->store, f->store.state_fd, "live", exact, &dead, &f->err), 0);
	return dead.count;
}

/* A quick look may miss one among them that nobody has waited for; a thorough one does not. */
static void the_dead_are_found_among_hundreds(void **state)
{
	struct fixture *f = *state;
	siginfo_t info;
	pid_t pid;

	open_store(f);
	pid = fork();
	if (!pid)
		_exit(0);
	assert_true(pid > 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	mark(f, pid, 1);
	assert_int_equal(count_dead(f, false), 1);
	mark(f, getppid(), 500);
	assert_int_equal(count_dead(f, true), 1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(count_dead(f, false), 1);
}

/* However many are alive: the sweep after each command asks for the processes, and for no more. */
static void sweep_looks_at_no_container_that_lives(void **state)
{
	struct fixture *f = *state;
	struct stor_err err = STOR_ERR_INIT;

	open_store(f);
	assert_int_equal(store_sweep(&f->store, &f->err), 0);
	mark(f, getpid(), 500);
	/* Whoever looks into the folder of containers now fails. */
	unlinkat(f->store.fd, "containers", AT_REMOVEDIR);
	assert_int_equal(mknodat(f->store.fd, "containers", S_IFREG | 0600, 0), 0);
	assert_int_equal(store_sweep(&f->store, &f->err), 0);
	assert_int_equal(entries(f->store.state_fd, "live"), 500);
	assert_int_equal(
		store_collect(&f->store, &(struct sweep_opts){ .is_thorough = true }, &err), -1);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
	const struct CMUnitTest tests[] = {
		test(sweep_removes_a_killed_rm_container),
		test(sweep_ends_a_token_before_its_volume),
		test(sweep_ends_a_killed_container),
		test(sweep_leaves_the_living_alone),
		test(sweep_removes_work_of_the_dead),
		test(reused_pid_is_seen_through_by_gc),
		test(first_sweep_after_a_boot_ends_what_ran),
		test(dead_container_is_noticed_when_looked_at),
		test(dry_run_changes_nothing),
		test(the_dead_are_found_among_hundreds),
		test(sweep_looks_at_no_container_that_lives),
	};

	return cmocka_run_group_tests_name("store sweep", tests, NULL, NULL);
}
