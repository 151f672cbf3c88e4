/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where controllers live, and what the cgroup modules write: into a folder that has files of the
 * same names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "cgroup/common/files.h"
#include "cgroup/v2/v2.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/cgroup/limits.h"
#include "core/cgroup/machine.h"
#include "core/module.h"
#include "tests/unit/scratch.h"

/* --- machines ----------------------------------------------------------------------------- */

static void hierarchies(void **state)
{
	struct scratch *scratch = *state;
	cleanup_free char *unified = xasprintf("%s/unified", scratch->dir);
	cleanup_free char *text = NULL;
	struct cgroup_machine machine;

	assert_int_equal(mkdirat(scratch->fd, "unified", 0755), 0);
	assert_int_equal(dprintf(openat(scratch->fd, "unified/cgroup.controllers",
	                                O_CREAT | O_WRONLY | O_CLOEXEC, 0644),
	                         "hugetlb misc\n"),
	                 13);
	/* Hybrid: the freezer lives in version 1, devices nowhere, so version 2 has them. */
	text = xasprintf("30 1 0:1 / / rw - ext4 /dev/sda rw\n"
	                 "31 30 0:2 / /c/cpu rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
	                 "32 30 0:3 / /c/freezer rw - cgroup freezer rw,freezer\n"
	                 "33 30 0:4 / /c/systemd rw - cgroup systemd rw,xattr,name=systemd\n"
	                 "34 30 0:2 / /other rw - cgroup cgroup rw,cpu,cpuacct\n"
	                 "35 30 0:5 / %s rw - cgroup2 cgroup2 rw,nsdelegate\n",
	                 unified);
	cgroup_machine_parse(&machine, text);
	assert_int_equal(machine.count, 4);
	assert_string_equal(cgroup_machine_home(&machine, CGROUP_CPUACCT)->mount, "/c/cpu");
	assert_string_equal(cgroup_machine_home(&machine, CGROUP_FREEZER)->mount, "/c/freezer");
	assert_string_equal(cgroup_machine_home(&machine, CGROUP_HUGETLB)->mount, unified);
	assert_true(cgroup_machine_home(&machine, CGROUP_DEVICES)->is_v2);
	assert_string_equal(cgroup_machine_home(&machine, CGROUP_SYSTEMD)->mount, "/c/systemd");
	assert_null(cgroup_machine_home(&machine, CGROUP_MEMORY));
	cgroup_machine_free(&machine);
	/* Beside another one version 2 is not a service manager's, alone it is. */
	free(steal_ptr(&text));
	text = xasprintf("31 30 0:2 / /c/cpu rw - cgroup cgroup rw,cpu\n"
	                 "35 30 0:5 / %s rw - cgroup2 cgroup2 rw\n",
	                 unified);
	cgroup_machine_parse(&machine, text);
	assert_null(cgroup_machine_home(&machine, CGROUP_SYSTEMD));
	cgroup_machine_free(&machine);
	cgroup_machine_parse(&machine, strchr(text, '\n') + 1);
	assert_true(cgroup_machine_home(&machine, CGROUP_SYSTEMD)->is_v2);
	cgroup_machine_free(&machine);
	cgroup_machine_parse(&machine, "");
	assert_int_equal(machine.count, 0);
}

/* --- translation -------------------------------------------------------------------------- */

static const char *const files[] = {
	"cpu.shares",
	"cpu.cfs_period_us",
	"cpu.cfs_quota_us",
	"memory.limit_in_bytes",
	"memory.soft_limit_in_bytes",
	"memory.memsw.limit_in_bytes",
	"pids.max",
	"cpuset.cpus",
	"blkio.weight",
	"blkio.throttle.read_bps_device",
	"blkio.throttle.write_bps_device",
	"blkio.throttle.read_iops_device",
	"blkio.throttle.write_iops_device",
	"hugetlb.2MB.limit_in_bytes",
	"devices.deny",
	"devices.allow",
	"cpu.weight",
	"cpu.max",
	"memory.max",
	"memory.low",
	"memory.swap.max",
	"io.weight",
	"io.bfq.weight",
	"io.max",
	"hugetlb.2MB.max",
	"cgroup.subtree_control",
};

static void wrote(const struct scratch *scratch, const char *file, const char *wanted)
{
	struct stor_err err = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(scratch->fd, file, 4096, NULL, &err);

	assert_non_null(text);
	if (strcmp(text, wanted) != 0)
		fail_msg("%s: \"%s\", wanted \"%s\"", file, text, wanted);
}

static const struct cgroup_io disk = { 8, 16, 1000, 2000, 0, 40 };
static const struct cgroup_hugetlb huge = { "2MB", 4 << 20 };
static const struct cgroup_device null_device = { 'c', 1, 3, CGROUP_READ | CGROUP_WRITE };

static struct cgroup_limits all_limits(void)
{
	return (struct cgroup_limits){
		.memory_bytes = 100,
		.memory_reservation_bytes = 50,
		.memory_swap_bytes = 150,
		.cpu_quota_us = 50000,
		.cpu_weight = 10000,
		.cpuset_cpus = "0-1",
		.pids_max = 9,
		.io_weight = 10000,
		.io = &disk,
		.io_count = 1,
		.hugetlb = &huge,
		.hugetlb_count = 1,
	};
}

static const struct cgroup_module *load(const struct scratch *scratch, const char *version)
{
	struct stor_err err = STOR_ERR_INIT;
	const struct cgroup_module *module = module_load("cgroup", version, &err);

	if (!module)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		assert_int_equal(mknodat(scratch->fd, files[i], S_IFREG | 0644, 0), 0);
	return module;
}

static void translates_to_v1(void **state)
{
	struct scratch *scratch = *state;
	const struct cgroup_module *v1 = load(scratch, "v1");
	struct cgroup_dir dir = { scratch->fd, scratch->dir, ~0u };
	struct cgroup_limits limits = all_limits();
	struct stor_err err = STOR_ERR_INIT;

	limits.devices = &null_device;
	limits.device_count = 1;
	assert_int_equal(v1->limit(&dir, &limits, &err), 0);
	wrote(scratch, "cpu.shares", "262144");
	wrote(scratch, "cpu.cfs_period_us", "100000");
	wrote(scratch, "cpu.cfs_quota_us", "50000");
	wrote(scratch, "memory.limit_in_bytes", "100");
	wrote(scratch, "memory.soft_limit_in_bytes", "50");
	wrote(scratch, "memory.memsw.limit_in_bytes", "150");
	wrote(scratch, "pids.max", "9");
	wrote(scratch, "cpuset.cpus", "0-1");
	wrote(scratch, "blkio.weight", "1000");
	wrote(scratch, "blkio.throttle.read_bps_device", "8:16 1000");
	wrote(scratch, "blkio.throttle.write_bps_device", "8:16 2000");
	wrote(scratch, "blkio.throttle.read_iops_device", "");
	wrote(scratch, "blkio.throttle.write_iops_device", "8:16 40");
	wrote(scratch, "hugetlb.2MB.limit_in_bytes", "4194304");
	wrote(scratch, "devices.deny", "a");
	wrote(scratch, "devices.allow", "c 1:3 rw");
	wrote(scratch, "cpu.weight", "");
}

static void translates_to_v2(void **state)
{
	struct scratch *scratch = *state;
	const struct cgroup_module *v2 = load(scratch, "v2");
	struct cgroup_dir dir = { scratch->fd, scratch->dir, ~0u };
	struct cgroup_limits limits = all_limits();
	struct stor_err err = STOR_ERR_INIT;

	assert_int_equal(v2->limit(&dir, &limits, &err), 0);
	wrote(scratch, "cpu.weight", "10000");
	wrote(scratch, "cpu.max", "50000 100000");
	wrote(scratch, "memory.max", "100");
	wrote(scratch, "memory.low", "50");
	wrote(scratch, "memory.swap.max", "50");
	wrote(scratch, "io.weight", "default 10000");
	wrote(scratch, "io.bfq.weight", "1000");
	/* The kernel keeps each key; here the last text lies over the end of a longer one. */
	wrote(scratch, "io.max", "8:16 wiops=400");
	wrote(scratch, "hugetlb.2MB.max", "4194304");
	wrote(scratch, "cpu.shares", "");
	dir.controllers = CGROUP_MEMORY;
	assert_int_equal(v2->hand_on(&dir, true, &err), 0);
	wrote(scratch, "cgroup.subtree_control", "+memory");
	/* A limit whose file this kernel does not have is named with its remedy. */
	dir.controllers = CGROUP_IO;
	assert_int_equal(unlinkat(scratch->fd, "io.weight", 0), 0);
	assert_int_equal(v2->limit(&dir, &limits, &err), 0);
	assert_int_equal(unlinkat(scratch->fd, "io.bfq.weight", 0), 0);
	assert_int_equal(v2->limit(&dir, &limits, &err), -1);
	assert_int_equal(err.status, STOR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "--io-weight: this kernel has no"));
	assert_non_null(strstr(err.hint, "BFQ"));
}

static void put(const struct scratch *scratch, const char *file, const char *text)
{
	struct stor_err err = STOR_ERR_INIT;

	assert_int_equal(fs_write_file(scratch->fd, file, text, strlen(text), 0644, false, &err),
	                 0);
}

/* What a change wrote can be taken back, whatever was there: a number, a list, nothing, the line of
 * a disk among others. */
static void notes_what_was_before(void **state)
{
	static const char *const expected[] = {
		"cpuset.cpus \n",
		"memory.limit_in_bytes 70",
		"blkio.throttle.read_bps_device 8:16 500",
		"blkio.throttle.write_bps_device 8:16 0",
	};
	struct scratch *scratch = *state;
	const struct cgroup_module *v1 = load(scratch, "v1");
	const struct cgroup_module *v2;
	cleanup_strv struct strv before = STRV_INIT, before_v2 = STRV_INIT;
	struct cgroup_io one = { .major = 8, .minor = 16, .read_bps = 1000, .write_bps = 2000 };
	const struct cgroup_limits limits = {
		.memory_bytes = 100, .cpuset_cpus = "0-1", .io = &one, .io_count = 1
	};
	struct cgroup_dir dir = { scratch->fd, scratch->dir, ~0u, &before };
	struct stor_err err = STOR_ERR_INIT;

	put(scratch, "memory.limit_in_bytes", "70\n");
	put(scratch, "memory.memsw.limit_in_bytes", "200\n");
	put(scratch, "blkio.throttle.read_bps_device", "8:0 1\n8:16 500\n");
	assert_int_equal(v1->limit(&dir, &limits, &err), 0);
	assert_int_equal(before.count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(before.items[i], expected[i]);
	v2 = module_load("cgroup", "v2", &err);
	assert_non_null(v2);
	dir.undo = &before_v2;
	dir.controllers = CGROUP_IO;
	assert_int_equal(v2->limit(&dir, &limits, &err), 0);
	assert_string_equal(before_v2.items[0],
	                    "io.max 8:16 rbps=max wbps=max riops=max wiops=max");
}

/* Of version 1, each step must be one that the kernel allows: never memory above memory and swap.
 */
static void orders_memory_and_swap(void **state)
{
	struct scratch *scratch = *state;
	const struct cgroup_module *v1 = load(scratch, "v1");
	cleanup_strv struct strv before = STRV_INIT;
	struct cgroup_dir dir = { scratch->fd, scratch->dir, CGROUP_MEMORY, &before };
	struct cgroup_limits limits = { .memory_bytes = 300, .memory_swap_bytes = 400 };
	struct stor_err err = STOR_ERR_INIT;

	put(scratch, "memory.limit_in_bytes", "100\n");
	put(scratch, "memory.memsw.limit_in_bytes", "200\n");
	assert_int_equal(v1->limit(&dir, &limits, &err), 0);
	assert_true(str_starts(before.items[0], "memory.memsw"));
	put(scratch, "memory.memsw.limit_in_bytes", "400\n");
	limits.memory_bytes = 50;
	limits.memory_swap_bytes = 60;
	assert_int_equal(v1->limit(&dir, &limits, &err), 0);
	assert_true(str_starts(before.items[2], "memory.limit"));
}

/* Of version 2, a limit below what is in use would kill: it is refused, when taking memory back did
 * not help, and what takes it back is as it was. */
static void never_kills_by_a_limit(void **state)
{
	struct scratch *scratch = *state;
	const struct cgroup_module *v2 = load(scratch, "v2");
	cleanup_strv struct strv before = STRV_INIT;
	struct cgroup_dir dir = { scratch->fd, scratch->dir, CGROUP_MEMORY, &before };
	const struct cgroup_limits limits = { .memory_bytes = 100 };
	struct stor_err err = STOR_ERR_INIT;

	put(scratch, "memory.current", "101\n");
	put(scratch, "memory.high", "max");
	put(scratch, "memory.max", "500");
	assert_int_equal(v2->limit(&dir, &limits, &err), -1);
	assert_int_equal(err.status, STOR_BUSY);
	assert_non_null(strstr(err.text, "is less than"));
	wrote(scratch, "memory.max", "500");
	wrote(scratch, "memory.high", "max");
	put(scratch, "memory.current", "100\n");
	put(scratch, "memory.max", "");
	err_clear(&err);
	assert_int_equal(v2->limit(&dir, &limits, &err), 0);
	wrote(scratch, "memory.max", "100");
}

static void reads_disks_of_v1(const struct scratch *scratch, const char *text, uint64_t read_bytes,
                              uint64_t write_bytes)
{
	struct stor_err err = STOR_ERR_INIT;
	const struct cgroup_module *v1 = module_load("cgroup", "v1", &err);
	struct cgroup_dir dir = { scratch->fd, scratch->dir, CGROUP_IO };
	struct cgroup_stats stats;

	memset(&stats, 0xff, sizeof(stats));
	assert_int_equal(fs_write_file(scratch->fd, "blkio.throttle.io_service_bytes", text,
	                               strlen(text), 0600, false, &err),
	                 0);
	v1->read(&dir, &stats);
	assert_int_equal(stats.read_bytes, read_bytes);
	assert_int_equal(stats.write_bytes, write_bytes);
	assert_int_equal(stats.write_ops, CGROUP_UNKNOWN);
}

/* A kernel that does not count is not one that counts nothing. */
static void disks_that_nobody_counts(void **state)
{
	reads_disks_of_v1(*state, "Total 0\n", CGROUP_UNKNOWN, CGROUP_UNKNOWN);
	reads_disks_of_v1(*state, "7:1 Read 0\n7:1 Write 0\n7:1 Total 0\nTotal 0\n", 0, 0);
	reads_disks_of_v1(*state, "7:1 Read 5\n7:1 Write 3\n8:0 Read 1\n8:0 Write 2\nTotal 11\n", 6,
	                  5);
}

static void scales_of_weights(void **state)
{
	(void)state;
	assert_int_equal(cgroup_shares_to_weight(2), 1);
	assert_int_equal(cgroup_shares_to_weight(1024), 39);
	assert_int_equal(cgroup_shares_to_weight(262144), 10000);
	assert_int_equal(cgroup_weight_to_shares(1), 2);
	assert_int_equal(cgroup_weight_to_shares(10000), 262144);
}

/* --- the device program --------------------------------------------------------------------- */

/* Runs the program as the kernel would: the few instructions that it is made of. */
static int run_program(const struct bpf_insn *program, size_t count, uint32_t type, uint32_t access,
                       uint32_t major, uint32_t minor)
{
	const uint32_t context[] = { access << 16 | type, major, minor };
	uint64_t r[11] = { 0 };

	for (size_t i = 0; i < count; i++) {
		const struct bpf_insn *insn = &program[i];
		uint64_t value = insn->code & BPF_X ? r[insn->src_reg] : (uint32_t)insn->imm;

		switch (insn->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			r[insn->dst_reg] = context[insn->off / 4];
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
		case BPF_ALU | BPF_MOV | BPF_K:
			r[insn->dst_reg] = value;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			r[insn->dst_reg] &= value;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			r[insn->dst_reg] >>= value;
			break;
		case BPF_ALU | BPF_RSH | BPF_X:
			/* Defined by 32 bits, of which the distance counts five. */
			r[insn->dst_reg] = (uint32_t)r[insn->dst_reg] >> (value & 31);
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			i += r[insn->dst_reg] > value ? (size_t)insn->off : 0;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			i += r[insn->dst_reg] == value ? (size_t)insn->off : 0;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			i += r[insn->dst_reg] != value ? (size_t)insn->off : 0;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)r[0];
		default:
			fail_msg("instruction %zu: code %#x", i, insn->code);
		}
	}
	fail_msg("the program has no end");
	return -1;
}

static void device_program(void **state)
{
	static const struct cgroup_device devices[] = {
		{ 'c', -1, -1, CGROUP_MKNOD },
		{ 'c', 1, 3, CGROUP_READ | CGROUP_WRITE },
		{ 'c', 136, -1, CGROUP_READ },
		{ 'b', 8, 0, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD },
	};
	struct bpf_insn program[V2_PROGRAM_LENGTH(4)];
	size_t n = v2_device_program(devices, 4, program);
	const uint32_t chr = BPF_DEVCG_DEV_CHAR, block = BPF_DEVCG_DEV_BLOCK;
	const uint32_t r = BPF_DEVCG_ACC_READ, w = BPF_DEVCG_ACC_WRITE, m = BPF_DEVCG_ACC_MKNOD;

	(void)state;
	assert_in_range(n, 1, V2_PROGRAM_LENGTH(4));
	assert_int_equal(run_program(program, n, chr, r | w, 1, 3), 1);
	assert_int_equal(run_program(program, n, chr, r | w, 1, 5), 0);
	assert_int_equal(run_program(program, n, chr, m, 99, 99), 1);
	assert_int_equal(run_program(program, n, chr, m | r, 99, 99), 0);
	assert_int_equal(run_program(program, n, chr, r, 136, 77), 1);
	assert_int_equal(run_program(program, n, chr, w, 136, 77), 0);
	assert_int_equal(run_program(program, n, block, r | w | m, 8, 0), 1);
	assert_int_equal(run_program(program, n, block, r, 8, 1), 0);
	assert_int_equal(run_program(program, n, block, r, 1, 3), 0);
	assert_int_equal(run_program(program, n, chr, r, 8, 0), 0);
}

/* Several of one major number are asked for at once. */
static void device_program_of_a_group(void **state)
{
	static const struct cgroup_device devices[] = {
		{ 'c', 1, 3, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD },
		{ 'c', 1, 0, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD },
		{ 'c', 1, 31, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD },
		{ 'c', 1, 40, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD },
		{ 'c', 1, 8, CGROUP_READ },
		{ 'c', 1, 9, CGROUP_READ },
		{ 'c', 5, 9, CGROUP_READ },
		{ 'c', 5, -1, CGROUP_WRITE },
	};
	struct bpf_insn program[V2_PROGRAM_LENGTH(8)];
	size_t n = v2_device_program(devices, 8, program);
	const uint32_t chr = BPF_DEVCG_DEV_CHAR, r = BPF_DEVCG_ACC_READ, w = BPF_DEVCG_ACC_WRITE;

	(void)state;
	assert_in_range(n, 1, V2_PROGRAM_LENGTH(8));
	for (uint32_t minor = 0; minor < 300; minor++) {
		bool is_all = minor == 0 || minor == 3 || minor == 31 || minor == 40;
		bool is_read = is_all || minor == 8 || minor == 9;

		assert_int_equal(run_program(program, n, chr, r | w, 1, minor), is_all);
		assert_int_equal(run_program(program, n, chr, r, 1, minor), is_read);
		assert_int_equal(run_program(program, n, BPF_DEVCG_DEV_BLOCK, r, 1, minor), 0);
		assert_int_equal(run_program(program, n, chr, r, 5, minor), minor == 9);
		assert_int_equal(run_program(program, n, chr, w, 5, minor), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hierarchies, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(translates_to_v1, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(translates_to_v2, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(notes_what_was_before, scratch_setup,
		                                scratch_teardown),
		cmocka_unit_test_setup_teardown(orders_memory_and_swap, scratch_setup,
		                                scratch_teardown),
		cmocka_unit_test_setup_teardown(never_kills_by_a_limit, scratch_setup,
		                                scratch_teardown),
		cmocka_unit_test_setup_teardown(disks_that_nobody_counts, scratch_setup,
		                                scratch_teardown),
		cmocka_unit_test(scales_of_weights),
		cmocka_unit_test(device_program),
		cmocka_unit_test(device_program_of_a_group),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
