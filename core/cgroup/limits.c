/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of cgroup options: see limits.h. Disks and devices are in limits_devices.c. */
#include "core/cgroup/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/opts.h"
#include "core/base/str.h"

#define MEMORY_MIN_BYTES (UINT64_C(6) << 20) /* Docker's; below it no process starts */
#define CPU_QUOTA_MIN_US 1000                /* the kernel's */

void cgroup_asked_free(struct cgroup_asked *asked)
{
	for (size_t i = 0; i < asked->io_count; i++)
		free(asked->io[i].device);
	for (size_t i = 0; i < asked->device_count; i++) {
		free(asked->devices[i].host);
		free(asked->devices[i].inside);
	}
	free(asked->io);
	free(asked->devices);
	free(asked->hugetlb);
	free((char *)(uintptr_t)asked->limits.cpuset_cpus);
	free((char *)(uintptr_t)asked->limits.cpuset_mems);
	free(asked->parent);
	memset(asked, 0, sizeof(*asked));
}

int cgroup_ask_memory(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	if (str_to_size(value, &asked->limits.memory_bytes) < 0)
		return opts_fail_value("--memory", value, "a size", err);
	if (asked->limits.memory_bytes < MEMORY_MIN_BYTES)
		return opts_fail_value("--memory", value, "at least 6M", err);
	return 0;
}

int cgroup_ask_memory_reservation(struct cgroup_asked *asked, const char *value,
                                  struct stor_err *err)
{
	uint64_t *bytes = &asked->limits.memory_reservation_bytes;

	if (str_to_size(value, bytes) < 0 || !*bytes)
		return opts_fail_value("--memory-reservation", value, "a size", err);
	return 0;
}

int cgroup_ask_memory_swap(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	uint64_t *bytes = &asked->limits.memory_swap_bytes;

	if (!strcmp(value, "-1")) {
		*bytes = CGROUP_UNLIMITED;
		return 0;
	}
	if (str_to_size(value, bytes) < 0 || !*bytes)
		return opts_fail_value("--memory-swap", value, "a size (memory and swap), or -1",
		                       err);
	return 0;
}

/* Whole processors and a decimal fraction, as millionths. */
static int parse_millionths(const char *text, uint64_t *millionths)
{
	cleanup_free char *whole = xstrndup(text, strcspn(text, "."));
	const char *fraction = strchr(text, '.');
	uint64_t value = 0, unit = 100000;

	if (*whole && (str_to_u64(whole, &value) < 0 || value > 1000000))
		return -1;
	if (fraction && (!fraction[1] || fraction[1 + strspn(fraction + 1, "0123456789")]))
		return -1;
	if (!*whole && !fraction)
		return -1;
	value *= 1000000;
	for (fraction = fraction ? fraction + 1 : ""; *fraction && unit; fraction++, unit /= 10)
		value += (uint64_t)(*fraction - '0') * unit;
	*millionths = value;
	return 0;
}

int cgroup_ask_cpus(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t millionths, quota;
	char wanted[48];

	snprintf(wanted, sizeof(wanted), "a number from 0.01 to %ld", online);
	if (parse_millionths(value, &millionths) < 0)
		return opts_fail_value("--cpus", value, wanted, err);
	quota = millionths * CGROUP_CPU_PERIOD_US / 1000000;
	if (quota < CPU_QUOTA_MIN_US || millionths > (uint64_t)online * 1000000)
		return opts_fail_value("--cpus", value, wanted, err);
	asked->limits.cpu_quota_us = quota;
	return 0;
}

static int parse_range(const char *option, const char *value, uint64_t low, uint64_t high,
                       uint64_t *out, struct stor_err *err)
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "a number from %llu to %llu", (unsigned long long)low,
	         (unsigned long long)high);
	if (str_to_u64(value, out) < 0 || *out < low || *out > high)
		return opts_fail_value(option, value, wanted, err);
	return 0;
}

int cgroup_ask_cpu_weight(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	return parse_range("--cpu-weight", value, 1, 10000, &asked->limits.cpu_weight, err);
}

int cgroup_ask_cpu_shares(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	return parse_range("--cpu-shares", value, 2, 262144, &asked->limits.cpu_shares, err);
}

/* "0-3,7": numbers and rising ranges between commas. */
static bool is_list(const char *text)
{
	for (;;) {
		size_t length = strcspn(text, ",");
		cleanup_free char *item = xstrndup(text, length);
		char *second = strchr(item, '-');
		uint64_t first_number, second_number;

		if (second)
			*second++ = '\0';
		if (str_to_u64(item, &first_number) < 0 ||
		    (second &&
		     (str_to_u64(second, &second_number) < 0 || second_number < first_number)))
			return false;
		if (!text[length])
			return true;
		text += length + 1;
	}
}

static int set_list(const char *option, const char **list, const char *value, struct stor_err *err)
{
	if (!is_list(value))
		return opts_fail_value(option, value, "numbers and ranges like 0-2,5", err);
	free((char *)(uintptr_t)*list);
	*list = xstrdup(value);
	return 0;
}

int cgroup_ask_cpuset_cpus(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	return set_list("--cpuset-cpus", &asked->limits.cpuset_cpus, value, err);
}

int cgroup_ask_cpuset_mems(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	return set_list("--cpuset-mems", &asked->limits.cpuset_mems, value, err);
}

int cgroup_ask_pids(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	uint64_t *pids = &asked->limits.pids_max;

	if (!strcmp(value, "-1") || !strcmp(value, "0")) {
		*pids = CGROUP_UNLIMITED;
		return 0;
	}
	if (str_to_u64(value, pids) < 0 || *pids > INT32_MAX)
		return opts_fail_value("--pids-limit", value, "a number of processes, or -1", err);
	return 0;
}

int cgroup_ask_parent(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	const char *name = value + strspn(value, "/");
	cleanup_free char *framed = xasprintf("/%s/", name);

	if (!*value || strstr(framed, "/../") || strstr(framed, "/./"))
		return opts_fail_value("--cgroup-parent", value,
		                       "a path below the mounts of cgroups, without \"..\"", err);
	free(asked->parent);
	asked->parent = xstrdup(name);
	return 0;
}

int cgroup_ask_ns(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	asked->is_ns_host = !strcmp(value, "host");
	if (!asked->is_ns_host && strcmp(value, "private") != 0)
		return opts_fail_value("--cgroup-ns", value, "private or host", err);
	return 0;
}

int cgroup_ask_cgroups(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	asked->is_disabled = !strcmp(value, "disabled");
	if (!asked->is_disabled && strcmp(value, "enabled") != 0)
		return opts_fail_value("--cgroups", value, "enabled or disabled", err);
	return 0;
}

static int check_disabled(const struct cgroup_asked *asked, struct stor_err *err)
{
	const char *option = asked->parent ? "--cgroup-parent" : NULL;

	for (uint32_t one = 1; one <= CGROUP_LAST && !option; one <<= 1)
		option = cgroup_asked_option(asked, one);
	if (!asked->is_disabled || !option)
		return 0;
	return err_fail(err, STOR_USAGE, 0, "--cgroups disabled and %s exclude each other", option);
}

int cgroup_asked_check(struct cgroup_asked *asked, struct stor_err *err)
{
	struct cgroup_limits *l = &asked->limits;

	if (l->cpu_weight && l->cpu_shares)
		return err_fail(err, STOR_USAGE, 0,
		                "--cpu-weight and --cpu-shares are one thing in two scales");
	if (l->memory_swap_bytes && !l->memory_bytes)
		return err_fail(err, STOR_USAGE, 0, "--memory-swap needs --memory");
	if (l->memory_swap_bytes && l->memory_swap_bytes < l->memory_bytes) {
		err_fail(err, STOR_USAGE, 0, "--memory-swap is below --memory");
		err_hint(err, "it is memory and swap together: give both the same for no swap");
		return -1;
	}
	if (l->memory_bytes && l->memory_reservation_bytes > l->memory_bytes)
		return err_fail(err, STOR_USAGE, 0, "--memory-reservation is above --memory");
	/* As in Docker: as much swap as memory. */
	if (l->memory_bytes && !l->memory_swap_bytes) {
		l->memory_swap_bytes = 2 * l->memory_bytes;
		l->is_swap_implied = true;
	}
	l->hugetlb = asked->hugetlb;
	return check_disabled(asked, err);
}

/* The option that needs a controller, or NULL. */
const char *cgroup_asked_option(const struct cgroup_asked *asked, uint32_t controller)
{
	const struct cgroup_limits *l = &asked->limits;

	switch (controller) {
	case CGROUP_CPU:
		return l->cpu_quota_us ? "--cpus"
		       : l->cpu_weight ? "--cpu-weight"
		       : l->cpu_shares ? "--cpu-shares"
		                       : NULL;
	case CGROUP_CPUSET:
		return l->cpuset_cpus ? "--cpuset-cpus" : l->cpuset_mems ? "--cpuset-mems" : NULL;
	case CGROUP_MEMORY:
		return l->memory_bytes               ? "--memory"
		       : l->memory_reservation_bytes ? "--memory-reservation"
		                                     : NULL;
	case CGROUP_PIDS:
		return l->pids_max ? "--pids-limit" : NULL;
	case CGROUP_IO:
		return l->io_weight ? asked->weight_option : asked->io_count ? "--device-…" : NULL;
	case CGROUP_HUGETLB:
		return l->hugetlb_count ? "--hugetlb" : NULL;
	case CGROUP_DEVICES:
		return asked->device_count ? "--device" : NULL;
	default:
		return NULL;
	}
}

uint32_t cgroup_asked_controllers(const struct cgroup_asked *asked)
{
	uint32_t needed = 0;

	for (uint32_t one = 1; one <= CGROUP_LAST; one <<= 1)
		if (cgroup_asked_option(asked, one))
			needed |= one;
	return needed;
}
