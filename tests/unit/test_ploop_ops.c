/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations on stopped ploop disks: what they do, and that a power cut at any point harms nothing.
 * STOR_PLOOP_OP_STATES: how many states of each operation to try. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "ploop/image.h"
#include "ploop/ops.h"
#include "tests/ploop/crash.h"
#include "tests/ploop/memfs.h"
#include "tests/ploop/testhost.h"

#define SEEDS 8u

static void survives(enum crash_op op)
{
	const char *wanted = getenv("STOR_PLOOP_OP_STATES");
	unsigned states = wanted ? (unsigned)atoi(wanted) : 160, applied = 0;
	struct crash_ops_params params = { .states = states / SEEDS, .op = op };

	for (params.seed = 1; params.seed <= SEEDS; params.seed++)
		assert_int_equal(crash_ops(&params, &applied), 0);
	assert_true(applied >= 2);
}

static void snapshot_survives(void **state)
{
	(void)state;
	survives(CRASH_SNAPSHOT);
}

static void rollback_survives(void **state)
{
	(void)state;
	survives(CRASH_ROLLBACK);
}

static void merge_survives(void **state)
{
	(void)state;
	survives(CRASH_MERGE);
}

static void merge_of_all_survives(void **state)
{
	(void)state;
	survives(CRASH_MERGE_ALL);
}

static void delete_survives(void **state)
{
	(void)state;
	survives(CRASH_DELETE);
}

static void convert_version_survives(void **state)
{
	(void)state;
	survives(CRASH_VERSION);
}

static void convert_layout_survives(void **state)
{
	(void)state;
	survives(CRASH_LAYOUT);
}

static void compact_survives(void **state)
{
	(void)state;
	survives(CRASH_COMPACT);
}

/* Those that take long can be interrupted, and are finished or undone by the next. */
static void interrupted_by_the_user(void **state)
{
	static const enum crash_op long_ones[] = { CRASH_MERGE,  CRASH_MERGE_ALL, CRASH_DELETE,
		                                   CRASH_LAYOUT, CRASH_VERSION,   CRASH_COMPACT };

	(void)state;
	for (unsigned i = 0; i < sizeof(long_ones) / sizeof(long_ones[0]); i++) {
		struct crash_ops_params params = { .op = long_ones[i] };
		int points = 0;

		for (params.seed = 1; params.seed <= SEEDS; params.seed++) {
			int n = crash_ops_cancelled(&params);

			assert_true(n >= 0);
			points += n;
		}
		if (points < 10)
			fail_msg("operation %d: only %d points", (int)params.op, points);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshot_survives),
		cmocka_unit_test(rollback_survives),
		cmocka_unit_test(merge_survives),
		cmocka_unit_test(merge_of_all_survives),
		cmocka_unit_test(delete_survives),
		cmocka_unit_test(convert_version_survives),
		cmocka_unit_test(convert_layout_survives),
		cmocka_unit_test(compact_survives),
		cmocka_unit_test(interrupted_by_the_user),
	};

	testhost_load();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
