/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel has: see doctor.h. */
#include "core/doctor/doctor.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <stor/util.h>

#define AREA "kernel"
/* The oldest that stor is tested on. */
#define OLDEST_MAJOR 6u
#define OLDEST_MINOR 1u

void doctor_say(const struct doctor *doctor, const char *area, const char *what,
                enum doctor_status status, const char *remedy, const char *format, ...)
{
	struct doctor_finding finding = { area, what, status, NULL, remedy };
	char detail[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	finding.detail = detail;
	doctor->report(doctor->ctx, &finding);
}

static void look_at_version(const struct doctor *doctor)
{
	unsigned major = 0, minor = 0;
	struct utsname name;

	uname(&name);
	if (sscanf(name.release, "%u.%u", &major, &minor) != 2 || major < OLDEST_MAJOR ||
	    (major == OLDEST_MAJOR && minor < OLDEST_MINOR))
		doctor_say(doctor, AREA, "version", DOCTOR_LIMITED, "use Linux 6.1 or newer",
		           "Linux %s: older than any that stor is tested on", name.release);
	else
		doctor_say(doctor, AREA, "version", DOCTOR_OK, NULL, "Linux %s, %s", name.release,
		           name.machine);
}

/* Each is asked for what no kernel does; one that does not have it, or forbids it, says so. */
static void look_at_calls(const struct doctor *doctor)
{
	static const struct {
		const char *name;
		long number;
		const char *since; /* the first kernel with it */
	} calls[] = {
		{ "clone3", SYS_clone3, "5.3" },
		{ "close_range", SYS_close_range, "5.9" },
		{ "fsopen", SYS_fsopen, "5.2" },
		{ "mount_setattr", SYS_mount_setattr, "5.12" },
		{ "move_mount", SYS_move_mount, "5.2" },
		{ "open_tree", SYS_open_tree, "5.2" },
		{ "openat2", SYS_openat2, "5.6" },
		{ "pidfd_getfd", SYS_pidfd_getfd, "5.6" },
		{ "pidfd_open", SYS_pidfd_open, "5.3" },
	};
	cleanup_strbuf struct strbuf missing = STRBUF_INIT, forbidden = STRBUF_INIT;

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		if (syscall(calls[i].number, -1, 0, -1, 0, -1, 0) >= 0)
			continue;
		if (errno == ENOSYS)
			strbuf_printf(&missing, " %s (since %s)", calls[i].name, calls[i].since);
		else if (errno == EPERM)
			strbuf_printf(&forbidden, " %s", calls[i].name);
	}
	if (missing.length)
		doctor_say(doctor, AREA, "system calls", DOCTOR_MISSING, "use a newer kernel",
		           "it lacks%s", missing.text);
	else if (forbidden.length)
		doctor_say(doctor, AREA, "system calls", DOCTOR_MISSING,
		           "run stor as root, outside of a sandbox that forbids them",
		           "not permitted:%s", forbidden.text);
	else
		doctor_say(doctor, AREA, "system calls", DOCTOR_OK, NULL, "all that stor uses");
}

static void look_at_filesystems(const struct doctor *doctor)
{
	static const struct {
		const char *type, *use;
		enum doctor_status without;
	} types[] = {
		{ "overlay", "containers of an image on dir and loop", DOCTOR_MISSING },
		{ "tmpfs", "/dev of every container", DOCTOR_MISSING },
		{ "devpts", "terminals", DOCTOR_MISSING },
		{ "ext4", "volumes of block devices", DOCTOR_LIMITED },
		{ "fuse", "volumes that a process serves", DOCTOR_LIMITED },
		{ "xfs", "images of that kind", DOCTOR_LIMITED },
		{ "btrfs", "images of that kind", DOCTOR_LIMITED },
		{ "squashfs", "images of that kind", DOCTOR_LIMITED },
		{ "erofs", "images of that kind", DOCTOR_LIMITED },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		cleanup_close int fd = (int)syscall(SYS_fsopen, types[i].type, 1);
		char what[64], remedy[64];

		/* Not permitted: which is told of the call. */
		if (fd < 0 && errno == EPERM)
			return;
		snprintf(what, sizeof(what), "%s filesystem", types[i].type);
		snprintf(remedy, sizeof(remedy), "modprobe %s", types[i].type);
		if (fd >= 0)
			doctor_say(doctor, AREA, what, DOCTOR_OK, NULL, "for %s", types[i].use);
		else
			doctor_say(doctor, AREA, what, types[i].without,
			           errno == ENODEV ? remedy : NULL, "not there (%s): no %s",
			           strerror(errno), types[i].use);
	}
}

static void look_at_namespaces(const struct doctor *doctor)
{
	static const char *const kinds[] = { "cgroup", "ipc", "mnt", "net", "pid", "uts" };
	char missing[64] = "";
	size_t length = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		if (access(path, F_OK) < 0)
			length += (size_t)snprintf(missing + length, sizeof(missing) - length,
			                           " %s", kinds[i]);
	}
	if (length)
		doctor_say(doctor, AREA, "namespaces", DOCTOR_MISSING,
		           "use a kernel that has them, with /proc mounted", "without%s", missing);
	else
		doctor_say(doctor, AREA, "namespaces", DOCTOR_OK, NULL, "all that containers have");
}

static void look_at_seccomp(const struct doctor *doctor)
{
	unsigned action = SECCOMP_RET_ERRNO;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
		doctor_say(doctor, AREA, "seccomp", DOCTOR_OK, NULL, "system call filters");
	else
		doctor_say(doctor, AREA, "seccomp", DOCTOR_LIMITED,
		           "use a kernel with CONFIG_SECCOMP_FILTER",
		           "%s: containers start with --security-opt seccomp=unconfined alone",
		           strerror(errno));
}

static void look_at_io_uring(const struct doctor *doctor)
{
	/* Without room for its parameters none is made. */
	if (syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == EFAULT)
		doctor_say(doctor, AREA, "io_uring", DOCTOR_OK, NULL,
		           "for volumes that a process serves");
	else
		doctor_say(doctor, AREA, "io_uring", DOCTOR_LIMITED,
		           "sysctl kernel.io_uring_disabled=0",
		           "%s: no volumes that a process serves", strerror(errno));
}

void doctor_kernel(const struct doctor *doctor)
{
	look_at_version(doctor);
	look_at_calls(doctor);
	look_at_namespaces(doctor);
	look_at_seccomp(doctor);
	look_at_io_uring(doctor);
	look_at_filesystems(doctor);
}
