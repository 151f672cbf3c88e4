/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A libploop.so.1 that makes "ploop devices" of loop devices, in the folder FAKE_PLOOP where
 * tests/driver/kernel.c looks for them, and writes its calls down there. Like the driver's, its
 * devices outlive everybody, and cannot be stopped while they are mounted. It knows disks of one
 * image whose clusters lie in order. FAKE_PLOOP_DO is what goes wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* SYSEXIT_* of libploop. */
#define CODE_DEVIOC 3
#define CODE_SYS 12
#define CODE_MOUNT 21
#define CODE_LOCK 23

#define PATH_BYTES 4096

struct ploop_disk_images_data {
	char xml[PATH_BYTES], cookie[64];
};

struct mount_param {
	char device[64];
	int ro;
};

static char last_error[512];

static int fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last_error, sizeof(last_error), format, args);
	va_end(args);
	return code;
}

static bool does(const char *what)
{
	const char *wrong = getenv("FAKE_PLOOP_DO");

	return wrong && !strcmp(wrong, what);
}

__attribute__((format(printf, 2, 3))) static void place(char *path, const char *format, ...)
{
	int length = snprintf(path, PATH_BYTES, "%s/", getenv("FAKE_PLOOP"));
	va_list args;

	va_start(args, format);
	vsnprintf(path + length, PATH_BYTES - (size_t)length, format, args);
	va_end(args);
}

static void note(const char *call, const char *what)
{
	char path[PATH_BYTES];
	FILE *calls;

	place(path, "calls");
	calls = fopen(path, "a");
	if (!calls)
		abort();
	fprintf(calls, "%s %s\n", call, what);
	fclose(calls);
}

static void put(const char *device, const char *file, const char *text)
{
	char path[PATH_BYTES];
	FILE *out;

	place(path, "block/%s/%s", device, file);
	out = fopen(path, "w");
	if (!out)
		abort();
	fprintf(out, "%s\n", text);
	fclose(out);
}

static void folder(const char *device, const char *name)
{
	char path[PATH_BYTES];

	place(path, "block/%s/%s", device, name);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		abort();
}

/* MAJOR:MINOR of sysfs, as a node. */
static void node(const char *sysfs, const char *name)
{
	char path[PATH_BYTES];
	unsigned number[2];
	FILE *in = fopen(sysfs, "r");

	if (!in || fscanf(in, "%u:%u", &number[0], &number[1]) != 2)
		abort();
	fclose(in);
	place(path, "dev/%s", name);
	unlink(path);
	if (mknod(path, S_IFBLK | 0600, makedev(number[0], number[1])) < 0)
		abort();
}

/* Where the disk begins in the image. */
static uint64_t data_offset(int fd)
{
	char magic[16];
	uint32_t sector;

	if (pread(fd, magic, sizeof(magic), 0) != sizeof(magic) ||
	    pread(fd, &sector, sizeof(sector), 48) != sizeof(sector))
		abort();
	return memcmp(magic, "Withou", 6) ? 0 : (uint64_t)sector * 512;
}

static int make_loop(int image_fd)
{
	struct loop_config config = {
		.fd = (uint32_t)image_fd,
		.info = { .lo_offset = data_offset(image_fd), .lo_flags = LO_FLAGS_PARTSCAN },
	};
	int control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	for (int tries = 0; control_fd >= 0 && tries < 100; tries++) {
		char sysfs[64], path[PATH_BYTES];
		int number = ioctl(control_fd, LOOP_CTL_GET_FREE), fd;

		snprintf(sysfs, sizeof(sysfs), "/sys/block/loop%d/dev", number);
		node(sysfs, "loop");
		place(path, "dev/loop");
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && !ioctl(fd, LOOP_CONFIGURE, &config)) {
			close(fd);
			close(control_fd);
			return number;
		}
		if (fd >= 0)
			close(fd);
		usleep(10000);
	}
	abort();
}

/* The file that the descriptor names, absolute. */
static void find_image(const char *xml, char *image)
{
	char text[16384] = "", *name, *end;
	FILE *in = fopen(xml, "r");
	const char *slash = strrchr(xml, '/');

	if (!in || !fread(text, 1, sizeof(text) - 1, in))
		abort();
	fclose(in);
	name = strstr(text, "<File>");
	end = name ? strstr(name, "</File>") : NULL;
	if (!end)
		abort();
	*end = '\0';
	snprintf(image, PATH_BYTES, "%.*s/%s", (int)(slash - xml), xml, name + strlen("<File>"));
}

/* ADD_DELTA: from here on it is there for whoever looks. */
static void add_delta(const char *device, const char *image, const char *cookie)
{
	folder(device, "pstate");
	folder(device, "pdelta");
	folder(device, "pdelta/0");
	put(device, "pstate/cookie", cookie);
	put(device, "pdelta/0/ro", "0");
	put(device, "pdelta/0/image", image);
}

/* As the table says; the kernel may be one that does not read such tables. */
static void add_partition(const char *device)
{
	struct blkpg_partition partition = { .pno = 1 };
	struct blkpg_ioctl_arg arg = { .op = BLKPG_ADD_PARTITION,
		                       .datalen = sizeof(partition),
		                       .data = &partition };
	char path[PATH_BYTES];
	uint64_t range[2]; /* first and last sector */
	int fd;

	place(path, "dev/%s", device);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || pread(fd, range, sizeof(range), 2 * 512 + 32) != sizeof(range))
		abort();
	partition.start = (long long)range[0] * 512;
	partition.length = (long long)(range[1] - range[0] + 1) * 512;
	if (ioctl(fd, BLKPG, &arg) < 0 && errno != EBUSY)
		abort();
	close(fd);
}

static void start(const char *device, const char *image)
{
	int image_fd = open(image, O_RDWR | O_CLOEXEC), number;
	char sysfs[64], name[64], text[16];

	if (image_fd < 0)
		abort();
	number = make_loop(image_fd);
	close(image_fd);
	snprintf(text, sizeof(text), "%d", number);
	put(device, "loop", text);
	snprintf(sysfs, sizeof(sysfs), "/sys/block/loop%d/dev", number);
	node(sysfs, device);
	add_partition(device);
	snprintf(sysfs, sizeof(sysfs), "/sys/block/loop%d/loop%dp1/dev", number, number);
	snprintf(name, sizeof(name), "%sp1", device);
	node(sysfs, name);
}

static void die_with_parent(void)
{
	kill(getppid(), SIGKILL);
	for (;;)
		pause();
}

/* In a system call that no signal ends. */
static void outlive_parent(void)
{
	prctl(PR_SET_PDEATHSIG, 0);
	kill(getppid(), SIGKILL);
	sleep(2);
}

static int make_device(const struct ploop_disk_images_data *di)
{
	char image[PATH_BYTES], device[32], path[PATH_BYTES];
	unsigned number = 700;

	find_image(di->xml, image);
	do {
		snprintf(device, sizeof(device), "ploop%u", number++);
		place(path, "block/%s", device);
	} while (mkdir(path, 0755) < 0 && errno == EEXIST);
	add_delta(device, image, di->cookie);
	if (does("killed-half-way"))
		die_with_parent();
	if (does("crash"))
		raise(SIGSEGV);
	start(device, image);
	if (does("killed-after"))
		die_with_parent();
	return does("crash-after") ? raise(SIGSEGV) : 0;
}

int ploop_mount_image(struct ploop_disk_images_data *di, struct mount_param *param)
{
	char lock[PATH_BYTES + 8];
	int lock_fd, code;

	note("mount", di->xml);
	if (param->ro || !*di->cookie)
		abort();
	if (does("refuse"))
		return fail(CODE_MOUNT, "the fake does not want to");
	if (does("killed-before"))
		die_with_parent();
	if (does("outlive"))
		outlive_parent();
	snprintf(lock, sizeof(lock), "%s.lck", di->xml);
	lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock_fd < 0 || flock(lock_fd, LOCK_EX | LOCK_NB) < 0)
		return fail(CODE_LOCK, "the %s is locked", lock);
	code = make_device(di);
	if (does("outlive"))
		note("outlived", di->cookie);
	close(lock_fd);
	return code;
}

static void forget(const char *device)
{
	static const char *const files[] = { "pdelta/0/image", "pdelta/0/ro", "pdelta/0", "pdelta",
		                             "pstate/cookie",  "pstate",      "loop",     "" };
	char path[PATH_BYTES];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		place(path, "block/%s/%s", device, files[i]);
		remove(path);
	}
	place(path, "dev/%s", device);
	unlink(path);
	place(path, "dev/%sp1", device);
	unlink(path);
}

int ploop_umount(const char *device, struct ploop_disk_images_data *di)
{
	const char *name = strrchr(device, '/') + 1;
	char path[PATH_BYTES];
	int fd;

	(void)di;
	note("umount", device);
	if (does("umount-refuse"))
		return fail(CODE_SYS, "the fake does not want to");
	if (does("umount-crash"))
		raise(SIGSEGV);
	place(path, "dev/%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC | O_EXCL);
	if (fd < 0 && errno != ENOENT)
		return fail(CODE_DEVIOC, "PLOOP_IOC_STOP: %s", strerror(errno));
	if (fd >= 0 && ioctl(fd, LOOP_CLR_FD, 0) < 0)
		abort();
	if (fd >= 0)
		close(fd);
	forget(name);
	if (does("killed-after-umount"))
		die_with_parent();
	return 0;
}

/* --- the rest -------------------------------------------------------------------------------- */

int ploop_open_dd(struct ploop_disk_images_data **di, const char *file)
{
	*di = calloc(1, sizeof(**di));
	if (!*di)
		abort();
	snprintf((*di)->xml, sizeof((*di)->xml), "%s", file);
	return 0;
}

void ploop_close_dd(struct ploop_disk_images_data *di)
{
	free(di);
}

int ploop_set_component_name(struct ploop_disk_images_data *di, const char *name)
{
	snprintf(di->cookie, sizeof(di->cookie), "%s", name);
	return 0;
}

const char *ploop_get_last_error(void)
{
	return last_error;
}

void ploop_set_verbose_level(int level)
{
	(void)level;
}

#define REFUSES(name)                                                                              \
	int name(void)                                                                             \
	{                                                                                          \
		return fail(CODE_SYS, #name " of the fake");                                       \
	}
REFUSES(ploop_create_image)
REFUSES(ploop_create_snapshot)
REFUSES(ploop_switch_snapshot_ex)
REFUSES(ploop_delete_snapshot)
REFUSES(ploop_merge_snapshot)
REFUSES(ploop_change_fmt_version)
REFUSES(ploop_convert_image)
REFUSES(ploop_check)
