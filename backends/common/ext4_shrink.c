/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making an ext filesystem smaller: see ext4_shrink.h. */
#include "common/ext4_shrink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/superblock.h>
#include <stor/util.h>

#include "common/host.h"

/* Exit statuses of e2fsck(8) that leave a sound filesystem: nothing done, errors corrected, so that
 * a mounted one would need a reboot. */
#define E2FSCK_SOUND (1 | 2)

struct answer {
	uint64_t least_blocks;
	char last[256]; /* the last line, which says why it failed */
};

static int take_line(void *ctx, const char *key, const char *value)
{
	static const char least[] = "Estimated minimum size of the filesystem: ";
	struct answer *answer = ctx;

	(void)key;
	if (!strncmp(value, least, sizeof(least) - 1))
		answer->least_blocks = strtoull(value + sizeof(least) - 1, NULL, 10);
	if (*value)
		snprintf(answer->last, sizeof(answer->last), "%s", value);
	return 0;
}

static int failed(const char *name, const char *program, const struct answer *answer,
                  struct stor_err *err)
{
	return host->fail(err, STOR_FAILED, 0, "shrink %s: %s: %s", name, program, answer->last);
}

static int check(const char *path, const char *name, struct stor_err *err)
{
	const char *argv[] = { "e2fsck", "-fp", path, NULL };
	struct answer answer = { .last = "" };
	int status = host->run_program(argv, take_line, &answer, err);

	if (status < 0)
		return -1;
	if (!(status & ~E2FSCK_SOUND))
		return 0;
	failed(name, "e2fsck", &answer, err);
	host->hint(err, "stor volume check --repair");
	return -1;
}

static int check_room(const char *path, uint64_t room_bytes, uint32_t block_bytes, const char *name,
                      struct stor_err *err)
{
	const char *argv[] = { "resize2fs", "-P", path, NULL };
	struct answer answer = { .last = "" };
	int status = host->run_program(argv, take_line, &answer, err);

	if (status < 0)
		return -1;
	if (status || !answer.least_blocks)
		return failed(name, "resize2fs", &answer, err);
	if (answer.least_blocks <= room_bytes / block_bytes)
		return 0;
	host->fail(err, STOR_USAGE, 0,
	           "shrink %s: its filesystem holds too much: it needs %" PRIu64
	           " KiB, and would have %" PRIu64 " KiB",
	           name, answer.least_blocks * block_bytes / 1024, room_bytes / 1024);
	host->hint(err, "remove files, or make it less small");
	return -1;
}

static int resize(const char *path, uint64_t room_bytes, const char *name, struct stor_err *err)
{
	char size[32];
	const char *argv[] = { "resize2fs", path, size, NULL };
	struct answer answer = { .last = "" };
	int status;

	snprintf(size, sizeof(size), "%" PRIu64 "K", room_bytes / 1024);
	status = host->run_program(argv, take_line, &answer, err);
	if (status < 0)
		return -1;
	return status ? failed(name, "resize2fs", &answer, err) : 0;
}

int ext4_shrink(int fd, uint64_t room_bytes, const char *name, struct stor_err *err)
{
	struct stor_superblock sb;
	char path[64];

	/* The programs reach it by way of this process. */
	snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long)getpid(), fd);
	if (stor_superblock_read(fd, &sb) < 0)
		return host->fail(err, STOR_FAILED, errno, "shrink %s: read its superblock", name);
	if (!sb.fs_type || strncmp(sb.fs_type, "ext", 3) != 0)
		return host->fail(err, STOR_UNSUPPORTED, 0,
		                  "shrink %s: only an ext4 filesystem can be made smaller", name);
	if (sb.size_bytes <= room_bytes)
		return 0;
	if (check(path, name, err) || check_room(path, room_bytes, sb.block_bytes, name, err))
		return -1;
	return resize(path, room_bytes, name, err);
}
