/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Power cuts leave ploop images whole. STOR_PLOOP_STATES=N tries about N states in all, and
 * STOR_PLOOP_SEED=N begins with another seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/ploop/crash.h"
#include "tests/ploop/testhost.h"

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

/* Share of all states, in percent. */
static void campaign(unsigned percent, unsigned per_seed, struct crash_params params)
{
	unsigned long states = from_environment("STOR_PLOOP_STATES", 4000) * percent / 100;
	unsigned long seed = from_environment("STOR_PLOOP_SEED", 1);

	print_message("seeds from %lu, %lu states\n", seed, states);
	params.states = per_seed;
	for (unsigned long done = 0; done < states; done += per_seed) {
		params.seed = seed++;
		assert_int_equal(crash_engine(&params), 0);
	}
}

static void writes_and_discards(void **state)
{
	(void)state;
	campaign(50, 400, (struct crash_params){ .ops = 60 });
}

static void growing(void **state)
{
	(void)state;
	campaign(15, 150, (struct crash_params){ .ops = 30, .grow_every = 8 });
}

static void compacting(void **state)
{
	(void)state;
	campaign(15, 300, (struct crash_params){ .ops = 60, .compact_every = 12 });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_and_discards),
		cmocka_unit_test(compacting),
		cmocka_unit_test(growing),
	};

	testhost_load();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
