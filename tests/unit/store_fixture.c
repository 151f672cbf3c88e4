/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See store_fixture.h. */
#include "tests/unit/store_fixture.h"

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
#include "tests/unit/scratch.h"

int fixture_set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	scratch_make_dir(f->dir, sizeof(f->dir));
	snprintf(f->store_path, sizeof(f->store_path), "%s/store", f->dir);
	snprintf(f->state_path, sizeof(f->state_path), "%s/state", f->dir);
	f->store = (struct store)STORE_INIT;
	f->store.path = f->store_path;
	f->store.state_path = f->state_path;
	*state = f;
	return 0;
}

int fixture_tear_down(void **state)
{
	struct fixture *f = *state;
	struct stor_err err = STOR_ERR_INIT;

	store_close(&f->store);
	assert_int_equal(fs_remove_tree(AT_FDCWD, f->dir, &err), 0);
	free(f);
	return 0;
}

void open_store(struct fixture *f)
{
	if (store_open(&f->store, &f->err) < 0)
		fail_msg("%s", f->err.text);
}

struct store second_store(struct fixture *f)
{
	struct store other = STORE_INIT;

	other.path = f->store_path;
	other.state_path = f->state_path;
	return other;
}

size_t entries(int dir_fd, const char *folder)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err err = STOR_ERR_INIT;

	assert_int_equal(store_list(dir_fd, folder, &names, &err), 0);
	return names.count;
}

char *leave_dead(struct fixture *f, const char *name, const char *rm, const char *status)
{
	char id[13] = "";
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		struct record record = RECORD_INIT;
		char *made = NULL;

		record_add(&record, "rm", rm);
		if (container_begin(&f->store, name, &record, &made, &f->err) < 0)
			_exit(1);
		record_set(&record, "status", status);
		if (container_save(&f->store, made, &record, &f->err) < 0 ||
		    write(ends[1], made, 12) != 12)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(read(ends[0], id, 12), 12);
	proc_wait(pid);
	close(ends[0]);
	close(ends[1]);
	return xstrdup(id);
}
