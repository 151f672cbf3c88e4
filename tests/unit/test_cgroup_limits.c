/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of cgroup options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "core/cgroup/limits.h"

typedef int (*ask_fn)(struct cgroup_asked *asked, const char *value, struct stor_err *err);

static void accepts(ask_fn ask, const char *value, struct cgroup_asked *asked)
{
	struct stor_err err = STOR_ERR_INIT;

	if (ask(asked, value, &err) < 0)
		fail_msg("%s: %s", value, err.text);
}

static void refuses(ask_fn ask, const char *value)
{
	struct cgroup_asked asked = { .parent = NULL };
	struct stor_err err = STOR_ERR_INIT;

	if (ask(&asked, value, &err) == 0)
		fail_msg("\"%s\" was accepted", value);
	assert_int_equal(err.status, STOR_USAGE);
	cgroup_asked_free(&asked);
}

static void sizes_and_numbers(void **state)
{
	struct cgroup_asked a = { .parent = NULL };

	(void)state;
	accepts(cgroup_ask_memory, "16m", &a);
	assert_int_equal(a.limits.memory_bytes, 16 << 20);
	accepts(cgroup_ask_memory, "1.5G", &a);
	assert_int_equal(a.limits.memory_bytes, (uint64_t)3 << 29);
	refuses(cgroup_ask_memory, "5M");
	refuses(cgroup_ask_memory, "-1");
	refuses(cgroup_ask_memory, "");
	accepts(cgroup_ask_memory_swap, "-1", &a);
	assert_true(a.limits.memory_swap_bytes == CGROUP_UNLIMITED);
	refuses(cgroup_ask_memory_swap, "0");
	accepts(cgroup_ask_pids, "7", &a);
	assert_int_equal(a.limits.pids_max, 7);
	accepts(cgroup_ask_pids, "-1", &a);
	assert_true(a.limits.pids_max == CGROUP_UNLIMITED);
	refuses(cgroup_ask_pids, "-2");
	refuses(cgroup_ask_pids, "many");
	refuses(cgroup_ask_cpu_weight, "0");
	refuses(cgroup_ask_cpu_weight, "10001");
	refuses(cgroup_ask_cpu_shares, "1");
	refuses(cgroup_ask_io_weight, "0");
	refuses(cgroup_ask_blkio_weight, "9");
	accepts(cgroup_ask_blkio_weight, "1000", &a);
	assert_int_equal(a.limits.io_weight, 10000);
	assert_string_equal(cgroup_asked_option(&a, CGROUP_IO), "--blkio-weight");
	accepts(cgroup_ask_hugetlb, "2M:64M", &a);
	accepts(cgroup_ask_hugetlb, "1g:0", &a);
	assert_string_equal(a.hugetlb[0].page, "2MB");
	assert_string_equal(a.hugetlb[1].page, "1GB");
	refuses(cgroup_ask_hugetlb, "64M");
	cgroup_asked_free(&a);
}

static void processors(void **state)
{
	struct cgroup_asked a = { .parent = NULL };

	(void)state;
	accepts(cgroup_ask_cpus, "0.5", &a);
	assert_int_equal(a.limits.cpu_quota_us, 50000);
	accepts(cgroup_ask_cpus, ".25", &a);
	assert_int_equal(a.limits.cpu_quota_us, 25000);
	accepts(cgroup_ask_cpus, "1", &a);
	assert_int_equal(a.limits.cpu_quota_us, 100000);
	refuses(cgroup_ask_cpus, "0");
	refuses(cgroup_ask_cpus, "0.001");
	refuses(cgroup_ask_cpus, "1.");
	refuses(cgroup_ask_cpus, "-1");
	refuses(cgroup_ask_cpus, "1e3");
	refuses(cgroup_ask_cpus, "999999");
	refuses(cgroup_ask_cpus, "99999999999999999999");
	accepts(cgroup_ask_cpuset_cpus, "0-2,5", &a);
	accepts(cgroup_ask_cpuset_cpus, "3", &a);
	assert_string_equal(a.limits.cpuset_cpus, "3");
	refuses(cgroup_ask_cpuset_cpus, "2-1");
	refuses(cgroup_ask_cpuset_cpus, "1,");
	refuses(cgroup_ask_cpuset_cpus, "");
	refuses(cgroup_ask_cpuset_mems, "0-");
	cgroup_asked_free(&a);
}

static void disks_and_devices(void **state)
{
	struct cgroup_asked a = { .parent = NULL };

	(void)state;
	accepts(cgroup_ask_write_bps, "root:10M", &a);
	accepts(cgroup_ask_read_iops, "root:100", &a);
	accepts(cgroup_ask_read_bps, "/dev/sda:1k", &a);
	assert_int_equal(a.io_count, 2);
	assert_int_equal(a.io[0].values.write_bps, 10 << 20);
	assert_int_equal(a.io[0].values.read_iops, 100);
	assert_string_equal(a.io[1].device, "/dev/sda");
	refuses(cgroup_ask_write_bps, "sda:1M");
	refuses(cgroup_ask_write_bps, "root");
	refuses(cgroup_ask_write_bps, "root:0");
	refuses(cgroup_ask_write_iops, "root:1M");
	accepts(cgroup_ask_device, "/dev/fuse", &a);
	accepts(cgroup_ask_device, "/dev/sda:r", &a);
	accepts(cgroup_ask_device, "/dev/sda:/dev/disk/a:rw", &a);
	assert_string_equal(a.devices[0].inside, "/dev/fuse");
	assert_int_equal(a.devices[0].access, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD);
	assert_string_equal(a.devices[1].inside, "/dev/sda");
	assert_int_equal(a.devices[1].access, CGROUP_READ);
	assert_string_equal(a.devices[2].inside, "/dev/disk/a");
	assert_int_equal(a.devices[2].access, CGROUP_READ | CGROUP_WRITE);
	refuses(cgroup_ask_device, "fuse");
	refuses(cgroup_ask_device, "/dev/sda:/tmp/sda");
	refuses(cgroup_ask_device, "/dev/sda:/dev/../x");
	refuses(cgroup_ask_device, "/dev/sda:/dev/null");
	refuses(cgroup_ask_device, "/dev/sda:/dev/pts/9");
	refuses(cgroup_ask_device, "/dev/sda:x");
	refuses(cgroup_ask_device, "/dev/sda:rr");
	refuses(cgroup_ask_parent, "a/../b");
	refuses(cgroup_ask_parent, "..");
	refuses(cgroup_ask_parent, "");
	refuses(cgroup_ask_ns, "shared");
	cgroup_asked_free(&a);
}

/* Asks for two values that do (not) go together. */
static void pair(ask_fn first, const char *a, ask_fn second, const char *b, int result)
{
	struct cgroup_asked asked = { .parent = NULL };
	struct stor_err err = STOR_ERR_INIT;

	accepts(first, a, &asked);
	accepts(second, b, &asked);
	assert_int_equal(cgroup_asked_check(&asked, &err), result);
	cgroup_asked_free(&asked);
}

static void what_belongs_together(void **state)
{
	struct cgroup_asked asked = { .parent = NULL };
	struct stor_err err = STOR_ERR_INIT;

	(void)state;
	pair(cgroup_ask_cpu_weight, "1", cgroup_ask_cpu_shares, "2", -1);
	pair(cgroup_ask_memory, "16M", cgroup_ask_memory_swap, "15M", -1);
	pair(cgroup_ask_memory, "16M", cgroup_ask_memory_swap, "16M", 0);
	pair(cgroup_ask_memory, "16M", cgroup_ask_memory_reservation, "17M", -1);
	pair(cgroup_ask_pids, "1", cgroup_ask_memory_swap, "16M", -1);
	accepts(cgroup_ask_memory, "16M", &asked);
	accepts(cgroup_ask_cpuset_cpus, "0", &asked);
	assert_int_equal(cgroup_asked_check(&asked, &err), 0);
	assert_int_equal(asked.limits.memory_swap_bytes, 32 << 20);
	assert_int_equal(cgroup_asked_controllers(&asked), CGROUP_MEMORY | CGROUP_CPUSET);
	assert_string_equal(cgroup_asked_option(&asked, CGROUP_CPUSET), "--cpuset-cpus");
	cgroup_asked_free(&asked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_and_numbers),
		cmocka_unit_test(processors),
		cmocka_unit_test(disks_and_devices),
		cmocka_unit_test(what_belongs_together),
	};

	return cmocka_run_group_tests_name("cgroup_limits", tests, NULL, NULL);
}
