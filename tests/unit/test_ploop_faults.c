/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The power cut tests find what they are for: each ordering bug, put back on purpose, makes them
 * fail. Linked with the engine's faulty build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ploop/engine.h"
#include "ploop/ops.h"
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

static void moved_out_of_the_table_without_sync(void **state)
{
	(void)state;
	must_be_found((struct crash_params){
		.states = 500, .ops = 30, .grow_every = 8, .faults = PLOOP_FAULT_MOVE_UNSYNCED });
}

/* --- operations on stopped disks --- */

static void op_must_be_found(enum crash_op op, unsigned faults)
{
	struct crash_ops_params params = { .states = 80, .op = op, .faults = faults };
	unsigned broken = 0, applied = 0;

	for (params.seed = 1; params.seed <= 20 && !broken; params.seed++)
		broken = crash_ops(&params, &applied);
	assert_int_not_equal(broken, 0);
}

static void snapshot_names_a_file_too_early(void **state)
{
	(void)state;
	op_must_be_found(CRASH_SNAPSHOT, PLOOP_OP_FAULT_FILE_LATE);
}

static void rollback_drops_early(void **state)
{
	(void)state;
	op_must_be_found(CRASH_ROLLBACK, PLOOP_OP_FAULT_DROP_EARLY);
}

static void merge_keeps_the_parent_a_snapshot(void **state)
{
	(void)state;
	op_must_be_found(CRASH_MERGE, PLOOP_OP_FAULT_NO_TEMPORARY);
}

static void merge_drops_early(void **state)
{
	(void)state;
	op_must_be_found(CRASH_MERGE_ALL, PLOOP_OP_FAULT_DROP_EARLY);
}

static void delete_forgets_what_to_drop(void **state)
{
	(void)state;
	op_must_be_found(CRASH_DELETE, PLOOP_OP_FAULT_NO_INTENT);
}

static void table_changed_before_its_copy(void **state)
{
	(void)state;
	op_must_be_found(CRASH_VERSION, PLOOP_OP_FAULT_COPY_UNSYNCED);
}

static void converted_content_unsynced(void **state)
{
	(void)state;
	op_must_be_found(CRASH_LAYOUT, PLOOP_OP_FAULT_CONTENT_UNSYNCED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slot_before_data),
		cmocka_unit_test(missing_flush),
		cmocka_unit_test(mark_cleared_early),
		cmocka_unit_test(freed_cluster_reused_early),
		cmocka_unit_test(moved_without_sync),
		cmocka_unit_test(moved_out_of_the_table_without_sync),
		cmocka_unit_test(snapshot_names_a_file_too_early),
		cmocka_unit_test(rollback_drops_early),
		cmocka_unit_test(merge_keeps_the_parent_a_snapshot),
		cmocka_unit_test(merge_drops_early),
		cmocka_unit_test(delete_forgets_what_to_drop),
		cmocka_unit_test(table_changed_before_its_copy),
		cmocka_unit_test(converted_content_unsynced),
	};

	testhost_load();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
