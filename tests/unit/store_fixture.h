/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store of its own for each test, and containers that look as if their stor had been killed. */
#ifndef UNIT_STORE_FIXTURE_H
#define UNIT_STORE_FIXTURE_H

#include "core/store.h"

struct fixture {
	char dir[40];
	char store_path[64], state_path[64];
	struct store store;
	struct stor_err err;
};

/* For cmocka_unit_test_setup_teardown(). */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);

void open_store(struct fixture *f);
/* A store as another command would open it: with descriptors of its own. */
struct store second_store(struct fixture *f);
/* How many entries a folder has. */
size_t entries(int dir_fd, const char *folder);
/* Runs in a child that is then killed: leaves container `name` behind as a kill -9 would. Returns
 * its id, malloc'ed. */
char *leave_dead(struct fixture *f, const char *name, const char *rm, const char *status);

#endif
