/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of the options about disks and devices: see limits.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/opts.h"
#include "core/base/str.h"
#include "core/cgroup/limits.h"

/* The entry of a disk, by the text that names it; a new one where there is none. */
static struct cgroup_io *io_of(struct cgroup_asked *asked, const char *device)
{
	struct cgroup_asked_io *io;

	for (size_t i = 0; i < asked->io_count; i++)
		if (!strcmp(asked->io[i].device, device))
			return &asked->io[i].values;
	asked->io = xrealloc(asked->io, (asked->io_count + 1) * sizeof(*asked->io));
	io = &asked->io[asked->io_count++];
	memset(io, 0, sizeof(*io));
	io->device = xstrdup(device);
	return &io->values;
}

/* Takes "PATH:VALUE", parted at the last colon, for a member of struct cgroup_io. */
static int ask_io(struct cgroup_asked *asked, const char *option, const char *text, bool in_bytes,
                  size_t member, struct stor_err *err)
{
	const char *colon = strrchr(text, ':');
	cleanup_free char *device = colon ? xstrndup(text, (size_t)(colon - text)) : NULL;
	uint64_t value = 0;

	if (!device || (*device != '/' && strcmp(device, "root") != 0) ||
	    (in_bytes ? str_to_size(colon + 1, &value) : str_to_u64(colon + 1, &value)) < 0 ||
	    !value)
		return opts_fail_value(option, text,
		                       in_bytes ? "DEVICE:SIZE or root:SIZE, a second"
		                                : "DEVICE:NUMBER or root:NUMBER, a second",
		                       err);
	memcpy((char *)io_of(asked, device) + member, &value, sizeof(value));
	return 0;
}

int cgroup_ask_read_bps(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	return ask_io(asked, "--device-read-bps", value, true, offsetof(struct cgroup_io, read_bps),
	              err);
}

int cgroup_ask_write_bps(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	return ask_io(asked, "--device-write-bps", value, true,
	              offsetof(struct cgroup_io, write_bps), err);
}

int cgroup_ask_read_iops(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	return ask_io(asked, "--device-read-iops", value, false,
	              offsetof(struct cgroup_io, read_iops), err);
}

int cgroup_ask_write_iops(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	return ask_io(asked, "--device-write-iops", value, false,
	              offsetof(struct cgroup_io, write_iops), err);
}

int cgroup_ask_io_weight(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	uint64_t *weight = &asked->limits.io_weight;

	if (str_to_u64(value, weight) < 0 || *weight < 1 || *weight > 10000)
		return opts_fail_value("--io-weight", value, "a number from 1 to 10000", err);
	asked->weight_option = "--io-weight";
	return 0;
}

int cgroup_ask_blkio_weight(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	uint64_t weight;

	if (str_to_u64(value, &weight) < 0 || weight < 10 || weight > 1000)
		return opts_fail_value("--blkio-weight", value, "a number from 10 to 1000", err);
	asked->limits.io_weight = 1 + (weight - 10) * 9999 / 990;
	asked->weight_option = "--blkio-weight";
	return 0;
}

/* The kernel names sizes of pages so: 64KB, 2MB, 1GB. */
static void name_page(uint64_t bytes, char *name, size_t size)
{
	static const char units[] = "KMG";
	int unit = -1;

	while (bytes >= 1024 && bytes % 1024 == 0 && unit < 2) {
		bytes /= 1024;
		unit++;
	}
	snprintf(name, size, "%u%cB", (unsigned)bytes, unit < 0 ? ' ' : units[unit]);
}

int cgroup_ask_hugetlb(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	const char *colon = strchr(value, ':');
	cleanup_free char *page = colon ? xstrndup(value, (size_t)(colon - value)) : NULL;
	uint64_t page_bytes, bytes;
	struct cgroup_hugetlb *one;

	if (!page || str_to_size(page, &page_bytes) < 0 || page_bytes < 4096 ||
	    page_bytes > UINT64_C(1) << 40 || str_to_size(colon + 1, &bytes) < 0)
		return opts_fail_value("--hugetlb", value, "PAGESIZE:LIMIT, as 2M:64M", err);
	asked->hugetlb = xrealloc(asked->hugetlb,
	                          (asked->limits.hugetlb_count + 1) * sizeof(*asked->hugetlb));
	one = &asked->hugetlb[asked->limits.hugetlb_count++];
	name_page(page_bytes, one->page, sizeof(one->page));
	one->bytes = bytes;
	return 0;
}

static bool parse_access(const char *text, unsigned *access)
{
	*access = 0;
	for (; *text; text++) {
		unsigned bit = *text == 'r'   ? CGROUP_READ
		               : *text == 'w' ? CGROUP_WRITE
		               : *text == 'm' ? CGROUP_MKNOD
		                              : 0;

		if (!bit || *access & bit)
			return false;
		*access |= bit;
	}
	return *access != 0;
}

/* Below /dev, where devices work, and not one of the names that are there already. */
static bool is_place(const char *inside)
{
	static const char *const taken[] = { "null", "zero",  "full",   "random", "urandom",
		                             "tty",  "pts",   "shm",    "mqueue", "fd",
		                             "ptmx", "stdin", "stdout", "stderr", "console" };
	const char *name = inside + strlen("/dev/");
	size_t length;

	if (!str_starts(inside, "/dev/") || !*name || str_ends(inside, "/") ||
	    strstr(inside, "//") || strstr(inside, "/./") || strstr(inside, "/../") ||
	    str_ends(inside, "/.") || str_ends(inside, "/.."))
		return false;
	length = strcspn(name, "/");
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		if (strlen(taken[i]) == length && !strncmp(taken[i], name, length))
			return false;
	return true;
}

int cgroup_ask_device(struct cgroup_asked *asked, const char *value, struct stor_err *err)
{
	cleanup_free char *copy = xstrdup(value);
	char *rest = copy, *host = strsep(&rest, ":"), *inside = strsep(&rest, ":");
	struct cgroup_asked_device *device;
	unsigned access = CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD;

	/* HOST:rwm, too. */
	if (inside && !rest && *inside != '/') {
		rest = inside;
		inside = NULL;
	}
	if (!inside)
		inside = host;
	if (*host != '/' || (rest && !parse_access(rest, &access)))
		return opts_fail_value("--device", value, "PATH[:PATH-INSIDE][:rwm]", err);
	if (!is_place(inside)) {
		err_fail(err, STOR_USAGE, 0, "--device %s: %s is no free place below /dev", value,
		         inside);
		err_hint(err, "devices work on the container's /dev alone: --device %s:/dev/NAME",
		         host);
		return -1;
	}
	asked->devices =
		xrealloc(asked->devices, (asked->device_count + 1) * sizeof(*asked->devices));
	device = &asked->devices[asked->device_count++];
	*device = (struct cgroup_asked_device){ xstrdup(host), xstrdup(inside), access };
	return 0;
}
