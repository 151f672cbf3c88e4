/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Archives imported as a whole, into a scratch folder beside which nothing may appear. The module
 * reads them as it does for `stor image import`: as roots, OCI layouts or archives of docker save,
 * in any compression.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "modules/image/image_module.h"

extern const struct stor_internal_image stor_internal_image;

static char scratch[64];

static void remove_scratch(void)
{
	struct stor_err err = STOR_ERR_INIT;

	fs_remove_tree(AT_FDCWD, scratch, &err);
}

static void make_scratch(void)
{
	const char *in = getenv("TMPDIR");

	if (*scratch)
		return;
	/* In memory by preference: inputs come by the thousand. */
	snprintf(scratch, sizeof(scratch), "%.40s/stor-fuzz-XXXXXX",
	         in                         ? in
	         : access("/dev/shm", W_OK) ? "/tmp"
	                                    : "/dev/shm");
	if (!mkdtemp(scratch))
		abort();
	atexit(remove_scratch);
}

static unsigned count_entries(int fd)
{
	DIR *dir = fdopendir(dup(fd));
	unsigned count = 0;

	if (!dir)
		abort();
	rewinddir(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static int progress(const char *what, uint64_t done_bytes, uint64_t total_bytes,
                    struct stor_err *err)
{
	(void)what, (void)done_bytes, (void)total_bytes, (void)err;
	return 0;
}

static void import(int work_fd, int source_fd)
{
	struct stor_err err = STOR_ERR_INIT;
	struct record record = RECORD_INIT;
	struct image_import_req req = {
		.source_fd = source_fd,
		.source = "input",
		.work_fd = work_fd,
		.devices = IMAGE_DEVICES_SKIP,
		.limit_bytes = 1 << 20,
		.limit_entries = 200,
		.platform = "linux/amd64",
		.progress = progress,
		.record = &record,
	};

	if (stor_internal_image.import(&req, &err) < 0)
		FUZZ_PROMISE(err.status != STOR_OK && *err.text);
	else
		FUZZ_PROMISE(record_get(&record, "kind") != NULL);
	record_free(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC), outer_fd, work_fd;
	struct stor_err err = STOR_ERR_INIT;

	make_scratch();
	outer_fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || outer_fd < 0 || mkdirat(outer_fd, "work", 0700) < 0 ||
	    mkdirat(outer_fd, "work/rootfs", 0755) < 0)
		abort();
	work_fd = openat(outer_fd, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (work_fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	import(work_fd, fd);
	/* "rootfs" and perhaps "packed", with "." and "..". */
	FUZZ_PROMISE(count_entries(outer_fd) == 3 && count_entries(work_fd) <= 4);
	close(work_fd);
	if (fs_remove_tree(outer_fd, "work", &err) < 0)
		FUZZ_PROMISE(!"what was made can be removed");
	close(outer_fd);
	close(fd);
	return 0;
}
