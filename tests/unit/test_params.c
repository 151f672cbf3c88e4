/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Backend parameters: what the user gave, what was recorded, what is the default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/backend.h"
#include "core/backend_check.h"

enum { SIZE, MODE, SYNC, COUNT, NOTE };

static const struct stor_param table[] = {
	[SIZE] = { "size", STOR_PARAM_SIZE, STOR_PARAM_CREATE, "1G", NULL, "How large" },
	[MODE] = { "mode", STOR_PARAM_ENUM, STOR_PARAM_CREATE, "fast", "slow|fast|fastest", "How" },
	[SYNC] = { "sync", STOR_PARAM_BOOL, STOR_PARAM_ATTACH, "no", NULL, "Wait" },
	[COUNT] = { "count", STOR_PARAM_UINT, STOR_PARAM_CREATE | STOR_PARAM_ATTACH, NULL, NULL,
	            "How many" },
	[NOTE] = { "note", STOR_PARAM_STRING, STOR_PARAM_CREATE, NULL, NULL, "Any text" },
	{ .key = NULL },
};

static const struct backend backend = { .ops = { .name = "sample",
	                                         .params = table,
	                                         .param_size = sizeof(*table),
	                                         .value_size = sizeof(struct stor_value) } };

#define BOTH (STOR_PARAM_CREATE | STOR_PARAM_ATTACH)

/* Parses one or two texts. */
static int parse(struct params *params, const char *a, const char *b, const struct record *recorded,
                 uint32_t scope, struct stor_err *err)
{
	struct strv given = STRV_INIT;
	int result;

	if (a)
		strv_add(&given, a);
	if (b)
		strv_add(&given, b);
	result = params_parse(params, &backend, &given, recorded, scope, err);
	strv_free(&given);
	return result;
}

static void defaults_apply(void **state)
{
	cleanup_params struct params params = { 0 };
	struct stor_err err = STOR_ERR_INIT;

	(void)state;
	assert_int_equal(parse(&params, NULL, NULL, NULL, BOTH, &err), 0);
	assert_int_equal(params.count, 5);
	assert_int_equal(params.values[SIZE].number, 1 << 30);
	assert_string_equal(params.values[SIZE].string, "1G");
	assert_int_equal(params.values[MODE].number, 1);
	assert_false(params.values[MODE].is_explicit);
	assert_true(params.values[SYNC].is_set);
	assert_int_equal(params.values[SYNC].number, 0);
	assert_false(params.values[COUNT].is_set);
	assert_false(params.values[NOTE].is_set);
}

static void given_over_recorded_over_default(void **state)
{
	cleanup_params struct params first = { 0 }, second = { 0 }, third = { 0 };
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err err = STOR_ERR_INIT;

	(void)state;
	assert_int_equal(parse(&first, "mode=fastest", "note=a=b, c", NULL, BOTH, &err), 0);
	assert_int_equal(first.values[MODE].number, 2);
	assert_true(first.values[MODE].is_explicit);
	assert_string_equal(first.values[NOTE].string, "a=b, c");
	params_save(&first, &backend, &record);
	assert_string_equal(record_get(&record, "param.mode"), "fastest");
	assert_string_equal(record_get(&record, "param.size"),
	                    "1G");                      /* a later default is not it */
	assert_null(record_get(&record, "param.sync")); /* may differ at each attach */
	assert_null(record_get(&record, "param.count"));

	assert_int_equal(parse(&second, "sync=on", NULL, &record, STOR_PARAM_ATTACH, &err), 0);
	assert_int_equal(second.values[MODE].number, 2);
	assert_false(second.values[MODE].is_explicit);
	assert_int_equal(second.values[SYNC].number, 1);
	assert_int_equal(parse(&third, "mode=slow", NULL, &record, BOTH, &err), 0);
	assert_int_equal(third.values[MODE].number, 0);
}

static void a_repeated_key_takes_the_last(void **state)
{
	cleanup_params struct params params = { 0 };
	struct stor_err err = STOR_ERR_INIT;

	(void)state;
	assert_int_equal(parse(&params, "count=1", "count=2", NULL, BOTH, &err), 0);
	assert_int_equal(params.values[COUNT].number, 2);
}

static void expect_refused(const char *text, uint32_t scope, const char *reason, const char *hint)
{
	struct stor_err err = STOR_ERR_INIT;
	struct params params = { 0 };

	if (!parse(&params, text, NULL, NULL, scope, &err))
		fail_msg("%s was taken", text);
	assert_int_equal(err.status, STOR_USAGE);
	if (!strstr(err.text, reason))
		fail_msg("%s: %s", text, err.text);
	if (hint && !strstr(err.hint, hint))
		fail_msg("%s: hint: %s", text, err.hint);
	assert_null(params.values);
}

static void wrong_ones_are_refused(void **state)
{
	(void)state;
	expect_refused("nonsense=1", BOTH, "\"sample\" has no parameter \"nonsense\"",
	               "size, mode");
	expect_refused("siz=1", BOTH, "no parameter \"siz\"", NULL);
	expect_refused("size", BOTH, "no value; write size=VALUE", NULL);
	expect_refused("size=big", BOTH, "\"big\" is not a size", NULL);
	expect_refused("mode=medium", BOTH, "one of slow|fast|fastest", NULL);
	expect_refused("mode=fas", BOTH, "one of", NULL);
	expect_refused("mode=", BOTH, "one of", NULL);
	expect_refused("sync=perhaps", BOTH, "yes or no", NULL);
	expect_refused("count=-1", BOTH, "whole number", NULL);
	expect_refused("mode=slow", STOR_PARAM_ATTACH, "fixed when a volume is made", NULL);
	expect_refused("sync=yes", STOR_PARAM_CREATE, "only when a volume is attached", NULL);
}

static void a_damaged_record_is_named(void **state)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err err = STOR_ERR_INIT;
	struct params params = { 0 };

	(void)state;
	record_add(&record, "param.mode", "gone");
	record_add(&record, "param.of-an-older-version", "1");
	assert_int_equal(parse(&params, NULL, NULL, &record, STOR_PARAM_ATTACH, &err), -1);
	assert_non_null(strstr(err.text, "the volume's record: parameter \"mode\""));
}

/* A backend's header may have longer values than stor knows, or shorter ones. */
static void values_are_as_far_apart_as_the_backend_has_them(void **state)
{
	const size_t known = sizeof(struct stor_value);
	struct backend other = backend;

	(void)state;
	for (size_t size = known - 8; size <= known + 24; size += 8) {
		cleanup_params struct params params = { 0 };
		struct stor_err err = STOR_ERR_INIT;

		other.ops.value_size = (uint32_t)size;
		assert_int_equal(params_parse(&params, &other, NULL, NULL, BOTH, &err), 0);
		for (size_t i = 0; i < params.count; i++) {
			const char *handed = (const char *)params.handed + i * size;
			const char zero[24] = { 0 };

			assert_memory_equal(handed, &params.values[i], size < known ? size : known);
			if (size > known)
				assert_memory_equal(handed + known, zero, size - known);
		}
	}
}

/* The same for the parameter table itself. */
static void entries_are_as_far_apart_as_the_backend_has_them(void **state)
{
	struct {
		struct stor_param param;
		const char *later;
	} longer[] = { { table[SIZE], "x" }, { table[MODE], "y" }, { { .key = NULL }, "z" } };
	struct backend other = { .ops = { .params = &longer[0].param,
		                          .param_size = sizeof(longer[0]) } };
	struct stor_err err = STOR_ERR_INIT;

	(void)state;
	assert_int_equal(params_take_table(&other, &err), 0);
	assert_memory_equal(&other.ops.params[SIZE], &table[SIZE], sizeof(*table));
	assert_memory_equal(&other.ops.params[MODE], &table[MODE], sizeof(*table));
	assert_null(other.ops.params[2].key);
	free(other.own_params);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_apply),
		cmocka_unit_test(given_over_recorded_over_default),
		cmocka_unit_test(a_repeated_key_takes_the_last),
		cmocka_unit_test(wrong_ones_are_refused),
		cmocka_unit_test(a_damaged_record_is_named),
		cmocka_unit_test(values_are_as_far_apart_as_the_backend_has_them),
		cmocka_unit_test(entries_are_as_far_apart_as_the_backend_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
