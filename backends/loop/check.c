/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking for damage with the filesystem's own checker.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/superblock.h>
#include <stor/util.h>

#include "common/copyfile.h"
#include "common/host.h"
#include "loop/loop.h"

/* Exit statuses of e2fsck(8), a bit each. */
#define E2FSCK_CORRECTED 1
#define E2FSCK_REBOOT 2
#define E2FSCK_LEFT 4
#define E2FSCK_FAILED 8

struct check {
	const struct stor_check_req *req;
	const char *path; /* what the checker is to open */
	enum stor_verdict *verdict;
	struct stor_err *err;
};

static int run(const struct check *check, const char *program, const char *option)
{
	const char *const argv[] = { program, option, check->path, NULL };

	return host->run_program(argv, check->req->emit, check->req->emit_ctx, check->err);
}

static int note(const struct check *check, const char *text)
{
	return check->req->emit ? check->req->emit(check->req->emit_ctx, "note", text) : 0;
}

static int cannot_check(const struct check *check, const char *program, int status)
{
	return host->fail(check->err, STOR_FAILED, 0, "check %s: %s ended with status %d",
	                  check->path, program, status);
}

/* e2fsck -n does not replay the journal, and calls damage what a replay mends. */
static int find_ext(const struct check *check)
{
	int status = run(check, "e2fsck", "-fn");

	if (status < 0)
		return -1;
	/* E2FSCK_FAILED: not even a superblock to begin with. */
	if (status & (E2FSCK_LEFT | E2FSCK_FAILED) && status < 16)
		*check->verdict = STOR_VERDICT_DAMAGED;
	else if (!status)
		*check->verdict = STOR_VERDICT_CLEAN;
	else
		return cannot_check(check, "e2fsck", status);
	return 0;
}

static int repair_ext(const struct check *check)
{
	int status = run(check, "e2fsck", "-fp");

	if (status < 0)
		return -1;
	/* -p leaves to a person's decision what could lose data; that person has asked. */
	if (status & (E2FSCK_LEFT | E2FSCK_FAILED) && status < 16)
		status = run(check, "e2fsck", "-fy");
	if (status < 0)
		return -1;
	if (status >= 16)
		return cannot_check(check, "e2fsck", status);
	if (status & (E2FSCK_LEFT | E2FSCK_FAILED))
		*check->verdict = STOR_VERDICT_DAMAGED;
	else
		*check->verdict = status ? STOR_VERDICT_REPAIRED : STOR_VERDICT_CLEAN;
	return 0;
}

/* Replays the journal in an unnamed copy of the image, and checks that: what a mount would find. */
static int find_ext_in_copy(struct check *check, int image_fd)
{
	struct copyfile copy = { .mode = STOR_CLONE_AUTO };
	const char *replay[] = { "e2fsck", "-E", "journal_only", "-fy", NULL, NULL };
	cleanup_close int copy_fd = host->temp_file(check->err);
	const char *image_path = check->path;
	char path[64];
	struct stat st;
	int result;

	if (copy_fd < 0)
		return -1;
	if (fstat(image_fd, &st) < 0)
		return host->fail(check->err, STOR_FAILED, errno, "check %s", check->path);
	if (copyfile_content(&copy, image_fd, copy_fd, (uint64_t)st.st_size, check->path,
	                     check->err) < 0)
		return -1;
	/* The program runs as another process, which has no such descriptor. */
	snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long)getpid(), copy_fd);
	check->path = path;
	replay[4] = path;
	note(check, "the journal was not replayed; what follows is of a copy in which it was");
	result = host->run_program(replay, check->req->emit, check->req->emit_ctx, check->err);
	if (result >= 0)
		result = find_ext(check);
	check->path = image_path;
	return result;
}

static int check_xfs(const struct check *check, bool repair)
{
	int status = run(check, "xfs_repair", repair ? "-v" : "-n");

	if (status < 0)
		return -1;
	/* Of -n: 1 for damage. Of a repair: 2 for a log that must be replayed first. */
	if (status > 2)
		return cannot_check(check, "xfs_repair", status);
	if (status == 2)
		note(check, "mount the volume once, which replays its log, and check again");
	if (repair)
		*check->verdict = status ? STOR_VERDICT_DAMAGED : STOR_VERDICT_REPAIRED;
	else
		*check->verdict = status ? STOR_VERDICT_DAMAGED : STOR_VERDICT_CLEAN;
	return 0;
}

static int check_btrfs(const struct check *check, bool repair)
{
	const char *const argv[] = { "btrfs", "check", "--readonly", "--force", check->path, NULL };
	int status;

	if (repair)
		note(check, "btrfs is not repaired: its own manual warns against it");
	status = host->run_program(argv, check->req->emit, check->req->emit_ctx, check->err);
	if (status < 0)
		return -1;
	*check->verdict = status ? STOR_VERDICT_DAMAGED : STOR_VERDICT_CLEAN;
	return 0;
}

int loop_check(const struct stor_volume *volume, const struct stor_check_req *req,
               enum stor_verdict *verdict, struct stor_err *err)
{
	bool repair = req->flags & STOR_CHECK_REPAIR;
	cleanup_close int fd = loop_open_image(volume, repair ? O_RDWR : O_RDONLY, err);
	struct stor_superblock sb;
	char path[PATH_MAX];
	struct check check = { .req = req, .path = path, .verdict = verdict, .err = err };

	if (fd < 0 || loop_lock_image(volume, fd, repair ? LOCK_EX : LOCK_SH, 0, err) < 0)
		return -1;
	loop_image_path(volume, path, sizeof(path));
	if (stor_superblock_read(fd, &sb) < 0)
		return host->fail(err, STOR_FAILED, errno, "check %s", path);
	if (sb.fs_type && !strcmp(sb.fs_type, "xfs"))
		return check_xfs(&check, repair);
	if (sb.fs_type && !strcmp(sb.fs_type, "btrfs"))
		return check_btrfs(&check, repair);
	if (sb.fs_type && strncmp(sb.fs_type, "ext", 3) != 0) {
		*verdict = STOR_VERDICT_CLEAN;
		note(&check, "nothing to check: this filesystem cannot be written to");
		return 0;
	}
	/* Without a superblock too: e2fsck finds the spare ones. */
	if (repair)
		return repair_ext(&check);
	return sb.fs_type && sb.needs_recovery ? find_ext_in_copy(&check, fd) : find_ext(&check);
}
