/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mkext4 IMAGE SIZE [SOURCE_DIR] [KEY=VALUE…]: the ext4 writer alone, under a host made for tests.
 * mkext4 --estimate SOURCE_DIR [KEY=VALUE…]: prints the size in bytes.
 *
 * Keys: block=BYTES ratio=BYTES journal=0|1 label=TEXT sync=0|1 direct=0|1 repeat=N (N times, and
 * print the medians of time and of processor time in microseconds) interrupt=N (progress refuses
 * at its Nth call).
 * SIZE takes K, M, G, T. Failures print the text and, on a second line, the hint; exit status as
 * stor's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/ext4.h"
#include "core/base/err.h"
#include "tests/unit/fake_host.h"

struct request {
	const char *image, *source;
	uint64_t size_bytes;
	struct ext4_params params;
	bool direct;
	unsigned repeat;
};

static uint64_t parse_size(const char *text)
{
	char *end;
	uint64_t size = strtoull(text, &end, 10);
	const char *unit = *end ? strchr("KMGT", *end) : NULL;

	if (end == text || (*end && (!unit || end[1]))) {
		fprintf(stderr, "mkext4: not a size: %s\n", text);
		exit(2);
	}
	return unit ? size << 10 * (unit - "KMGT" + 1) : size;
}

static void parse_key(struct request *request, const char *argument)
{
	const char *value = strchr(argument, '=');
	size_t length = (size_t)(value - argument);

	value++;
	if (!strncmp(argument, "block", length))
		request->params.block_bytes = (uint32_t)parse_size(value);
	else if (!strncmp(argument, "ratio", length))
		request->params.bytes_per_inode = (uint32_t)parse_size(value);
	else if (!strncmp(argument, "journal", length))
		request->params.has_journal = *value == '1';
	else if (!strncmp(argument, "label", length))
		request->params.label = value;
	else if (!strncmp(argument, "sync", length))
		request->params.sync = *value == '1';
	else if (!strncmp(argument, "direct", length))
		request->direct = *value == '1';
	else if (!strncmp(argument, "repeat", length))
		request->repeat = (unsigned)parse_size(value);
	else if (!strncmp(argument, "interrupt", length))
		fake_host_interrupt_at((unsigned)parse_size(value));
	else {
		fprintf(stderr, "mkext4: unknown key: %s\n", argument);
		exit(2);
	}
}

static double now_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* A fresh image each time; *us and *cpu_us are what ext4_make() took. */
static int make(const struct request *request, int source_fd, double *us, double *cpu_us,
                struct stor_err *err)
{
	int flags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | (request->direct ? O_DIRECT : 0);
	cleanup_close int fd = open(request->image, flags, 0600);
	struct blockdev *dev;
	double start, cpu_start;
	int result;

	if (fd < 0 || ftruncate(fd, (off_t)request->size_bytes) < 0)
		return err_fail(err, STOR_FAILED, errno, "create %s", request->image);
	dev = blockdev_open_file(fd);
	if (!dev)
		return err_fail(err, STOR_FAILED, errno, "open %s", request->image);
	start = now_us(CLOCK_MONOTONIC);
	cpu_start = now_us(CLOCK_PROCESS_CPUTIME_ID);
	result = ext4_make(dev, &request->params, source_fd, request->source, err);
	*us = now_us(CLOCK_MONOTONIC) - start;
	*cpu_us = now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
	blockdev_close(dev);
	return result;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int run(const struct request *request, bool only_estimate, struct stor_err *err)
{
	cleanup_free double *us = calloc(request->repeat, sizeof(*us));
	cleanup_free double *cpu_us = calloc(request->repeat, sizeof(*us));
	cleanup_close int source_fd = -1;
	uint64_t size_bytes;

	if (request->source) {
		source_fd = open(request->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (source_fd < 0)
			return err_fail(err, STOR_NOT_FOUND, errno, "open %s", request->source);
	}
	if (only_estimate) {
		if (ext4_estimate(source_fd, request->source, &request->params, &size_bytes, err) <
		    0)
			return -1;
		printf("%llu\n", (unsigned long long)size_bytes);
		return 0;
	}
	for (unsigned i = 0; i < request->repeat; i++) {
		if (make(request, source_fd, &us[i], &cpu_us[i], err) < 0)
			return -1;
	}
	qsort(us, request->repeat, sizeof(*us), compare);
	qsort(cpu_us, request->repeat, sizeof(*us), compare);
	if (request->repeat > 1)
		printf("%.0f %.0f\n", us[request->repeat / 2], cpu_us[request->repeat / 2]);
	return 0;
}

int main(int argc, char **argv)
{
	struct request request = { .params = { .has_journal = true }, .repeat = 1 };
	struct stor_err err = STOR_ERR_INIT;
	bool only_estimate = argc > 2 && !strcmp(argv[1], "--estimate");

	if (argc < 3) {
		fprintf(stderr, "usage: mkext4 IMAGE SIZE [SOURCE_DIR] [KEY=VALUE...]\n"
		                "       mkext4 --estimate SOURCE_DIR [KEY=VALUE...]\n");
		return 2;
	}
	fake_host_load();
	if (only_estimate) {
		request.source = argv[2];
	} else {
		request.image = argv[1];
		request.size_bytes = parse_size(argv[2]);
	}
	for (int i = 3; i < argc; i++) {
		if (strchr(argv[i], '='))
			parse_key(&request, argv[i]);
		else
			request.source = argv[i];
	}
	if (!run(&request, only_estimate, &err))
		return 0;
	fprintf(stderr, "%s\n", err.text);
	if (*err.hint)
		fprintf(stderr, "%s\n", err.hint);
	return err.status;
}
