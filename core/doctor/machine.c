/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this process may, and how the machine is set up: see doctor.h. */
#include "core/doctor/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/cgroup/machine.h"
#include "core/container/caps.h"
#include "core/net/bridge.h"

#define FILES_WANTED 1024u
#define LOW_SPACE_PERCENT 5u

/* --- privileges ------------------------------------------------------------------------------ */

static uint64_t effective_caps(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

static void look_at_capabilities(const struct doctor *doctor)
{
	static const struct {
		int cap;
		enum doctor_status without;
		const char *use;
	} wanted[] = {
		{ CAP_SYS_ADMIN, DOCTOR_MISSING, "namespaces and mounts" },
		{ CAP_DAC_OVERRIDE, DOCTOR_MISSING, "files of every owner" },
		{ CAP_CHOWN, DOCTOR_MISSING, "owners of an image's files" },
		{ CAP_SETUID, DOCTOR_MISSING, "users inside" },
		{ CAP_SETGID, DOCTOR_MISSING, "groups inside" },
		{ CAP_SETPCAP, DOCTOR_MISSING, "taking capabilities away" },
		{ CAP_MKNOD, DOCTOR_MISSING, "/dev of every container" },
		{ CAP_NET_ADMIN, DOCTOR_LIMITED, "--net veth and bridge" },
		{ CAP_KILL, DOCTOR_LIMITED, "signals to processes of other users inside" },
		{ CAP_SYS_RESOURCE, DOCTOR_LIMITED,
		  "growing a mounted filesystem, and limits above stor's own" },
	};
	uint64_t caps = effective_caps();

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		bool has = caps & CAPS_BIT(wanted[i].cap);
		char what[64];

		snprintf(what, sizeof(what), "CAP_%s", caps_name(wanted[i].cap));
		doctor_say(doctor, "privileges", what, has ? DOCTOR_OK : wanted[i].without,
		           has ? NULL : "run stor as root, with this capability", "%s%s",
		           has ? "for " : "not there: no ", wanted[i].use);
	}
}

void doctor_privileges(const struct doctor *doctor)
{
	struct rlimit files;

	look_at_capabilities(doctor);
	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < FILES_WANTED)
		doctor_say(doctor, "privileges", "open files", DOCTOR_LIMITED,
		           "raise it: ulimit -n 1024",
		           "a limit of %llu: few volumes for a container",
		           (unsigned long long)files.rlim_max);
	else
		doctor_say(doctor, "privileges", "open files", DOCTOR_OK, NULL, "a limit of %llu",
		           (unsigned long long)files.rlim_max);
}

/* --- cgroups --------------------------------------------------------------------------------- */

void doctor_cgroups(const struct doctor *doctor)
{
	static const struct {
		uint32_t controller;
		const char *use, *remedy;
	} wanted[] = {
		{ CGROUP_CPU, "--cpus and --cpu-weight", NULL },
		{ CGROUP_CPUSET, "--cpuset-cpus", NULL },
		{ CGROUP_MEMORY, "--memory", "boot with cgroup_enable=memory" },
		{ CGROUP_PIDS, "--pids-limit", NULL },
		{ CGROUP_IO, "--device-read-bps and the like", NULL },
		{ CGROUP_HUGETLB, "limits of huge pages", NULL },
		{ CGROUP_DEVICES, "the filter of devices, --device", NULL },
		{ CGROUP_FREEZER, "stor pause", NULL },
		{ CGROUP_SYSTEMD, "--init-system",
		  "mkdir -p " CGROUP_SYSTEMD_MOUNT " && " CGROUP_SYSTEMD_REMEDY },
	};
	struct stor_err err = STOR_ERR_INIT;
	struct cgroup_machine machine = { .count = 0 };

	if (cgroup_machine_find(&machine, false, &err) < 0 || !machine.count) {
		doctor_say(doctor, "cgroups", "hierarchies", DOCTOR_LIMITED,
		           "mount -t cgroup2 cgroup2 /sys/fs/cgroup", "none is mounted: no limits");
		return;
	}
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		const struct cgroup_hierarchy *home =
			cgroup_machine_home(&machine, wanted[i].controller);
		const char *name = cgroup_controller_name(wanted[i].controller);

		if (home)
			doctor_say(doctor, "cgroups", name, DOCTOR_OK, NULL, "version %d at %s",
			           home->is_v2 ? 2 : 1, home->mount);
		else
			doctor_say(doctor, "cgroups", name, DOCTOR_LIMITED,
			           wanted[i].remedy
			                   ? wanted[i].remedy
			                   : "mount the controller, or use a kernel with it",
			           "not there: no %s", wanted[i].use);
	}
	cgroup_machine_free(&machine);
}

/* --- network --------------------------------------------------------------------------------- */

void doctor_network(const struct doctor *doctor)
{
	if (net_forward_is_on(NET_IP4))
		doctor_say(doctor, "network", "forwarding", DOCTOR_OK, NULL,
		           "containers on a bridge reach the world");
	else
		doctor_say(doctor, "network", "forwarding", DOCTOR_LIMITED,
		           "sysctl -w net.ipv4.ip_forward=1, or --net bridge,forward=enable",
		           "off: containers on a bridge reach each other alone");
	doctor_say(doctor, "network", "IPv6", DOCTOR_OK, NULL, "%s",
	           net_has_ip6() ? "on" : "off: IPv4 alone");
}

/* --- the store ------------------------------------------------------------------------------- */

/* The folder, or the nearest above it that exists. */
static int open_existing(const char *path)
{
	cleanup_free char *at = xstrdup(path);

	for (;;) {
		int fd = open(*at ? at : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		char *slash = strrchr(at, '/');

		if (fd >= 0 || errno != ENOENT || !slash)
			return fd;
		*slash = '\0';
	}
}

static void look_at_space(const struct doctor *doctor, const char *path, int fd)
{
	struct statfs fs;
	uint64_t free_mib;

	if (fstatfs(fd, &fs) < 0 || !fs.f_blocks)
		return;
	free_mib = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize >> 20;
	if (fs.f_bavail * 100 / fs.f_blocks < LOW_SPACE_PERCENT)
		doctor_say(doctor, "store", "space", DOCTOR_LIMITED,
		           "remove what is not needed: stor gc, stor image rm", "%s: %llu MiB left",
		           path, (unsigned long long)free_mib);
	else
		doctor_say(doctor, "store", "space", DOCTOR_OK, NULL, "%s: %llu MiB left", path,
		           (unsigned long long)free_mib);
}

static void look_at_files(const struct doctor *doctor, int fd)
{
	cleanup_close int from = openat(fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	cleanup_close int to = openat(fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int flags = from < 0 ? -1 : fcntl(from, F_GETFL);

	if (from < 0 || to < 0) {
		doctor_say(doctor, "store", "files", DOCTOR_MISSING,
		           "put the store on a local filesystem: --store", "cannot be made: %s",
		           strerror(errno));
		return;
	}
	if (flags >= 0 && fcntl(from, F_SETFL, flags | O_DIRECT) == 0)
		doctor_say(doctor, "store", "direct I/O", DOCTOR_OK, NULL, "yes");
	else
		doctor_say(doctor, "store", "direct I/O", DOCTOR_LIMITED,
		           "put the store on ext4, xfs or btrfs",
		           "no: volumes of block devices go through the page cache");
	if (write(to, "stor", 4) == 4 && ioctl(from, FICLONE, to) == 0)
		doctor_say(doctor, "store", "shared blocks", DOCTOR_OK, NULL,
		           "copies of volumes are made at once");
	else
		doctor_say(doctor, "store", "shared blocks", DOCTOR_OK, NULL,
		           "no (xfs and btrfs have them): copies of volumes are copied");
}

void doctor_store(const struct doctor *doctor, const struct store *store)
{
	cleanup_close int fd = open_existing(store->path);

	if (fd < 0) {
		doctor_say(doctor, "store", "folder", DOCTOR_MISSING, "--store, or STOR_STORE",
		           "%s: %s", store->path, strerror(errno));
		return;
	}
	look_at_space(doctor, store->path, fd);
	look_at_files(doctor, fd);
}
