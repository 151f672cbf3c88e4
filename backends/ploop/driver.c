/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's ploop driver: see driver.h. */
#include "ploop/driver.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

/* Where libploop gets the number of a new device. vzctl asks for it as well. */
#define DRIVER_PATH "/proc/vz/ploop_minor"
#define DEVICES_PATH "/sys/block"
#define DEVICE_PREFIX "ploop"

bool ploop_driver_is_there(void)
{
	return !access(DRIVER_PATH, F_OK);
}

/* The first line of a device's file; false: it has none such (any more). */
static bool read_line(int devices_fd, const char *device, const char *file, char *line, size_t size)
{
	cleanup_close int fd = -1;
	char path[NAME_MAX + 64];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", device, file);
	fd = openat(devices_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, line, size - 1);
	if (n < 0)
		return false;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return true;
}

static bool read_level(int devices_fd, const char *device, unsigned level, const char *what,
                       char *line, size_t size)
{
	char file[64];

	snprintf(file, sizeof(file), "pdelta/%u/%s", level, what);
	return read_line(devices_fd, device, file, line, size);
}

/* Calls is_it() for each device that has an image, until it says so. */
static bool find_device(bool (*is_it)(int devices_fd, const char *device, const void *arg),
                        const void *arg, char name[PLOOP_DRIVER_NAME_BYTES])
{
	bool is_found = false;
	struct dirent *entry;
	DIR *devices;
	int fd;

	if (!ploop_driver_is_there())
		return false;
	fd = open(DEVICES_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	devices = fd < 0 ? NULL : fdopendir(fd);
	if (!devices) {
		close_fd(&fd);
		return false;
	}
	while (!is_found && (entry = readdir(devices))) {
		size_t length = strlen(entry->d_name);

		if (strncmp(entry->d_name, DEVICE_PREFIX, strlen(DEVICE_PREFIX)) != 0 ||
		    length >= PLOOP_DRIVER_NAME_BYTES)
			continue;
		is_found = is_it(dirfd(devices), entry->d_name, arg);
		if (is_found)
			memcpy(name, entry->d_name, length + 1);
	}
	closedir(devices);
	return is_found;
}

static bool has_cookie(int devices_fd, const char *device, const void *arg)
{
	char cookie[PLOOP_DRIVER_COOKIE_BYTES + 1], image[PATH_MAX];

	/* A device that was taken down keeps its name, and may keep its cookie. */
	return read_level(devices_fd, device, 0, "image", image, sizeof(image)) &&
	       read_line(devices_fd, device, "pstate/cookie", cookie, sizeof(cookie)) &&
	       !strcmp(cookie, arg);
}

bool ploop_driver_find(const char *cookie, char name[PLOOP_DRIVER_NAME_BYTES])
{
	return find_device(has_cookie, cookie, name);
}

struct wanted {
	const struct ploop_driver_file *files;
	unsigned count;
};

static bool excludes(const struct wanted *wanted, const char *image, bool is_read_only)
{
	struct stat st;

	if (stat(image, &st) < 0)
		return false;
	for (unsigned i = 0; i < wanted->count; i++) {
		const struct ploop_driver_file *file = &wanted->files[i];

		if (file->dev == st.st_dev && file->inode == st.st_ino &&
		    (file->writes || !is_read_only))
			return true;
	}
	return false;
}

static bool has_a_file(int devices_fd, const char *device, const void *arg)
{
	char image[PATH_MAX], ro[16];

	for (unsigned level = 0;
	     read_level(devices_fd, device, level, "image", image, sizeof(image)); level++) {
		bool is_read_only =
			read_level(devices_fd, device, level, "ro", ro, sizeof(ro)) && atoi(ro);

		if (excludes(arg, image, is_read_only))
			return true;
	}
	return false;
}

bool ploop_driver_has(const struct ploop_driver_file *files, unsigned count,
                      char name[PLOOP_DRIVER_NAME_BYTES])
{
	struct wanted wanted = { .files = files, .count = count };

	return find_device(has_a_file, &wanted, name);
}
