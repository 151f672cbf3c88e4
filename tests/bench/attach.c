/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attach STOR-FILE FLOOR-FILE ROUNDS: attaches and releases two ext4 image files in turn, the one
 * through stor's volumes, the other by system calls alone, and prints lines as tests/bench/spawn
 * does, "attach" and "detach" of each. With STOR_BENCH_WRITE=1 a small file is written in between.
 */
#include <stdlib.h>
#include <time.h>

#include "core/volume.h"
#include "tests/bench/raw_attach.h"

enum which { ATTACH, FLOOR_ATTACH, DETACH, FLOOR_DETACH, SERIES };

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

static void write_file(int root_fd)
{
	int fd;

	if (!getenv("STOR_BENCH_WRITE"))
		return;
	fd = (int)check("write", openat(root_fd, "written", O_WRONLY | O_CREAT | O_TRUNC, 0600));
	check("write", write(fd, "some text\n", 10));
	close(fd);
}

static void time_floor(const char *file, double *attach, double *detach)
{
	double start = now_ms();
	char device[32];
	int tree = raw_attach(file, false, device, sizeof(device));

	*attach = now_ms() - start;
	write_file(tree);
	start = now_ms();
	raw_detach(tree, device);
	*detach = now_ms() - start;
}

static int time_stor(struct store *store, const char *file, double *attach, double *detach)
{
	struct stor_err err = STOR_ERR_INIT;
	struct attach_opts opts = { .userns_fd = -1 };
	struct attached attached = ATTACHED_INIT;
	cleanup_volume struct volume volume = { 0 };
	double start = now_ms();

	if (volume_find(store, file, "loop", NULL, &volume, &err) < 0 ||
	    volume_attach(store, &volume, &opts, &attached, &err) < 0) {
		err_print(&err);
		return -1;
	}
	*attach = now_ms() - start;
	write_file(attached.root_fd);
	start = now_ms();
	if (volume_release(&attached, false, &err) < 0) {
		err_print(&err);
		return -1;
	}
	*detach = now_ms() - start;
	return 0;
}

/* One line: name, median, 10th and 90th percentile, and (in both columns of ratios) how
 * much longer stor takes. */
static void print_line(const char *name, double *ms, size_t rounds, double first)
{
	double median = ms[rounds / 2];

	printf("%s\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\n", name, median, ms[rounds / 10],
	       ms[rounds - 1 - rounds / 10], first / median, first / median);
}

int main(int argc, char **argv)
{
	static const char *const names[SERIES] = { "stor", "floor", "stor-detach", "floor-detach" };
	struct stor_err err = STOR_ERR_INIT;
	struct store store = STORE_INIT;
	double *ms[SERIES], first = 0;
	size_t rounds;

	if (argc != 4 || !(rounds = strtoul(argv[3], NULL, 10))) {
		fprintf(stderr, "usage: attach STOR-FILE FLOOR-FILE ROUNDS\n");
		return 2;
	}
	store.path = getenv("STOR_STORE");
	store.state_path = getenv("STOR_STATE");
	if (!store.path || !store.state_path || store_open(&store, &err) < 0) {
		err_print(&err);
		return 1;
	}
	for (size_t i = 0; i < SERIES; i++)
		if (!(ms[i] = calloc(rounds, sizeof(*ms[i]))))
			return 1;
	for (size_t r = 0; r < rounds; r++) {
		if (r % 2)
			time_floor(argv[2], &ms[FLOOR_ATTACH][r], &ms[FLOOR_DETACH][r]);
		if (time_stor(&store, argv[1], &ms[ATTACH][r], &ms[DETACH][r]) < 0)
			return 1;
		if (!(r % 2))
			time_floor(argv[2], &ms[FLOOR_ATTACH][r], &ms[FLOOR_DETACH][r]);
	}
	for (size_t i = 0; i < SERIES; i++) {
		qsort(ms[i], rounds, sizeof(*ms[i]), compare);
		if (i == ATTACH || i == DETACH)
			first = ms[i][rounds / 2];
		print_line(names[i], ms[i], rounds, first);
		free(ms[i]);
	}
	return 0;
}
