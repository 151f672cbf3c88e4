/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The power cut tests find what they are for: each ordering bug, put back on purpose, makes them
 * fail. Linked with the engine's faulty build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ploop/engine.h"
#include "tests/ploop/crash.h"
#include "tests/ploop/testhost.h"

/* Some workload of a few seeds must be found broken. */
static void must_be_found(struct crash_params params)
{
	unsigned broken = 0;

	for (params.seed = 1; params.seed <= 5 && !broken; params.seed++)
		broken = crash_engine(&params);
	assert_int_not_equal(broken, 0);
}

static void slot_before_data(void **state)
{
	(void)state;
	must_be_found((struct crash_params){
		.states = 500, .ops = 60, .faults = PLOOP_FAULT_SLOT_FIRST });
}

static void missing_flush(void **state)
{
	(void)state;
	must_be_found(
		(struct crash_params){ .states = 500, .ops = 60, .faults = PLOOP_FAULT_NO_SYNC });
}

static void mark_cleared_early(void **state)
{
	(void)state;
	must_be_found((struct crash_params){
		.states = 500, .ops = 60, .faults = PLOOP_FAULT_EARLY_CLEAR });
}

static void freed_cluster_reused_early(void **state)
{
	(void)state;
	must_be_found((struct crash_params){
		.states = 500, .ops = 60, .faults = PLOOP_FAULT_EARLY_REUSE });
}

static void moved_without_sync(void **state)
{
	(void)state;
	must_be_found((struct crash_params){ .states = 500,
	                                     .ops = 60,
	                                     .compact_every = 12,
	                                     .faults = PLOOP_FAULT_MOVE_UNSYNCED });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slot_before_data),   cmocka_unit_test(missing_flush),
		cmocka_unit_test(mark_cleared_early), cmocka_unit_test(freed_cluster_reused_early),
		cmocka_unit_test(moved_without_sync),
	};

	testhost_load();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
