/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Times commands from posix_spawn to their exit. In each round every command runs once, in an order
 * drawn anew, so that what disturbs the machine disturbs all of them. Prints one line a command:
 * name, median, 10th and 90th percentile in milliseconds, and how much longer the first command
 * takes than this one: as the ratio of medians, and as the median of each round's ratio.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_COMMANDS 16

struct command {
	const char *name;
	char **argv;
	double *ms;
};

struct bench {
	struct command commands[MAX_COMMANDS];
	size_t count, rounds, warmups;
	uint64_t seed;
	posix_spawn_file_actions_t actions;
};

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: spawn [-n ROUNDS] [-w WARMUPS] [-s SEED] "
	                "NAME COMMAND [ARG...] [:: NAME COMMAND [ARG...]]...\n");
	exit(2);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* xorshift64: an order need not be secret, and must be the same for the same seed. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static double time_once(const struct bench *bench, const struct command *command)
{
	double start = now_ms();
	int status, error;
	pid_t pid;

	error = posix_spawnp(&pid, command->argv[0], &bench->actions, NULL, command->argv, environ);
	if (error) {
		fprintf(stderr, "spawn: %s: %s\n", command->argv[0], strerror(error));
		exit(1);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			exit(1);
	if (status) {
		fprintf(stderr, "spawn: %s: ended with wait status 0x%x\n", command->name, status);
		exit(1);
	}
	return now_ms() - start;
}

static void run_round(struct bench *bench, double *ms)
{
	size_t order[MAX_COMMANDS];

	for (size_t i = 0; i < bench->count; i++)
		order[i] = i;
	for (size_t i = bench->count; i > 1; i--) {
		size_t j = next_random(&bench->seed) % i, held = order[i - 1];

		order[i - 1] = order[j];
		order[j] = held;
	}
	for (size_t i = 0; i < bench->count; i++)
		ms[order[i]] = time_once(bench, &bench->commands[order[i]]);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* values is left sorted; `part` of 1 lies below the result. */
static double percentile(double *values, size_t count, double part)
{
	qsort(values, count, sizeof(*values), compare);
	return values[(size_t)(part * (double)(count - 1) + 0.5)];
}

static void print_results(const struct bench *bench)
{
	const struct command *first = &bench->commands[0];
	double ratios[MAX_COMMANDS], medians[MAX_COMMANDS];
	double *scratch = reallocarray(NULL, bench->rounds, sizeof(*scratch));

	if (!scratch)
		exit(1);
	for (size_t i = 0; i < bench->count; i++) {
		for (size_t r = 0; r < bench->rounds; r++)
			scratch[r] = first->ms[r] / bench->commands[i].ms[r];
		ratios[i] = percentile(scratch, bench->rounds, 0.5);
	}
	for (size_t i = 0; i < bench->count; i++) {
		const struct command *c = &bench->commands[i];

		medians[i] = percentile(c->ms, bench->rounds, 0.5);
		printf("%s\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\n", c->name, medians[i],
		       percentile(c->ms, bench->rounds, 0.1), percentile(c->ms, bench->rounds, 0.9),
		       medians[0] / medians[i], ratios[i]);
	}
	free(scratch);
}

static void read_commands(struct bench *bench, char **argv)
{
	while (*argv) {
		struct command *c = &bench->commands[bench->count++];

		if (bench->count > MAX_COMMANDS || !argv[1])
			usage();
		c->name = *argv++;
		c->argv = argv;
		c->ms = calloc(bench->rounds, sizeof(*c->ms));
		if (!c->ms)
			exit(1);
		while (*argv && strcmp(*argv, "::") != 0)
			argv++;
		if (argv == c->argv)
			usage();
		if (*argv)
			*argv++ = NULL;
	}
}

int main(int argc, char **argv)
{
	struct bench bench = { .rounds = 200, .warmups = 5, .seed = (uint64_t)time(NULL) };
	double ms[MAX_COMMANDS] = { 0 };
	int option;

	while ((option = getopt(argc, argv, "+n:w:s:")) > 0) {
		if (option == 'n')
			bench.rounds = strtoul(optarg, NULL, 10);
		else if (option == 'w')
			bench.warmups = strtoul(optarg, NULL, 10);
		else if (option == 's')
			bench.seed = strtoull(optarg, NULL, 10);
		else
			usage();
	}
	if (!bench.rounds || optind == argc)
		usage();
	bench.seed += !bench.seed; /* xorshift stays at 0 */
	read_commands(&bench, argv + optind);
	fprintf(stderr, "spawn: %zu rounds, seed %" PRIu64 "\n", bench.rounds, bench.seed);
	posix_spawn_file_actions_init(&bench.actions);
	posix_spawn_file_actions_addopen(&bench.actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&bench.actions, 1, "/dev/null", O_WRONLY, 0);
	for (size_t r = 0; r < bench.warmups; r++)
		run_round(&bench, ms);
	for (size_t r = 0; r < bench.rounds; r++) {
		run_round(&bench, ms);
		for (size_t i = 0; i < bench.count; i++)
			bench.commands[i].ms[r] = ms[i];
	}
	print_results(&bench);
	return 0;
}
