/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mkfs FOLDER SIZE-GIB ROUNDS: makes empty ext4 filesystems in sparse files in the folder, in this
 * process ("stor") and by mke2fs ("mke2fs") in turn, without a sync on either side, and prints
 * lines as tests/bench/spawn does.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/ext4.h"
#include "common/host.h"
#include "core/backend.h"

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* An empty file of the size, in place of the last one. */
static int fresh_file(const char *path, off_t size)
{
	int fd;

	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, size) < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static double time_stor(const char *path, off_t size)
{
	struct ext4_params params = { .has_journal = true };
	struct stor_err err = STOR_ERR_INIT;
	int fd = fresh_file(path, size);
	double start = now_ms();
	struct blockdev *dev = blockdev_open_file(fd);

	if (!dev || ext4_make(dev, &params, -1, NULL, &err) < 0) {
		err_print(&err);
		exit(1);
	}
	blockdev_close(dev);
	start = now_ms() - start;
	close(fd);
	return start;
}

static double time_mke2fs(const char *path, off_t size)
{
	const char *argv[] = { "mke2fs", "-q", "-F", "-t", "ext4", path, NULL };
	double start;
	int status;
	pid_t pid;

	close(fresh_file(path, size));
	start = now_ms();
	if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ) ||
	    waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "mkfs: mke2fs failed\n");
		exit(1);
	}
	return now_ms() - start;
}

static void print_line(const char *name, double *ms, size_t rounds, double first)
{
	double median = ms[rounds / 2];

	printf("%s\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\n", name, median, ms[rounds / 10],
	       ms[rounds - 1 - rounds / 10], first / median, first / median);
}

int main(int argc, char **argv)
{
	struct stor_err err = STOR_ERR_INIT;
	double *stor, *mke2fs;
	char path[4096];
	size_t rounds;
	off_t size;

	if (argc != 4 || !(rounds = strtoul(argv[3], NULL, 10)) ||
	    !(size = (off_t)strtoul(argv[2], NULL, 10) << 30)) {
		fprintf(stderr, "usage: mkfs FOLDER SIZE-GIB ROUNDS\n");
		return 2;
	}
	host_load(host_services(), &err);
	snprintf(path, sizeof(path), "%s/mkfs.img", argv[1]);
	stor = calloc(rounds, sizeof(*stor));
	mke2fs = calloc(rounds, sizeof(*mke2fs));
	if (!stor || !mke2fs)
		return 1;
	for (size_t r = 0; r < rounds; r++) {
		stor[r] = time_stor(path, size);
		mke2fs[r] = time_mke2fs(path, size);
	}
	unlink(path);
	qsort(stor, rounds, sizeof(*stor), compare);
	qsort(mke2fs, rounds, sizeof(*mke2fs), compare);
	print_line("stor", stor, rounds, stor[rounds / 2]);
	print_line("mke2fs", mke2fs, rounds, stor[rounds / 2]);
	free(stor);
	free(mke2fs);
	return 0;
}
