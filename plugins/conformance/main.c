/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor-backend-check: runs the tests one after another, each in a process and a folder of its own,
 * looks for what one left behind, and prints the result in TAP. */
#include "leftovers.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/log.h"

#define TEST_TIME_MS 120000

static const struct test *const areas[] = { tests_basic, tests_attach, tests_kill, tests_change,
	                                    tests_snapshot };

#define AREA_COUNT (sizeof(areas) / sizeof(areas[0]))

struct counts {
	unsigned passed, failed, skipped;
};

void fail(struct suite *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vdprintf(s->report_fd, format, args);
	va_end(args);
	dprintf(s->report_fd, "\n");
	_exit(1);
}

/* In the test's own process. Its output is kept apart, for a callback must not print. */
_Noreturn static void run_in_child(struct suite *s, const struct test *test)
{
	cleanup_close int store_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	s->output_fd = memfd_create("output", MFD_CLOEXEC);
	if (store_fd < 0 || s->output_fd < 0 || dup2(s->output_fd, 1) < 0 ||
	    dup2(s->output_fd, 2) < 0)
		fail(s, "prepare the test: %s", strerror(errno));
	unsetenv("STOR_TRACE");
	log_set_level(STOR_LOG_ERROR);
	host_set_store(store_fd);
	test->run(s);
	_exit(0);
}

/* Waits for the test's process; kills it when its time is over. Returns its wait status. */
static int wait_test(pid_t pid, struct strbuf *problems)
{
	int64_t end = monotonic_ms() + TEST_TIME_MS;
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		if (monotonic_ms() > end) {
			strbuf_printf(problems, "not done after %d s\n", TEST_TIME_MS / 1000);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			break;
		}
		sleep_ms(1);
	}
	return status;
}

/* Runs one test. True when it passed; else the reasons are in problems. */
static bool run_test(struct suite *s, const struct test *test, struct strbuf *problems)
{
	char report[8192];
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	if (mkdir(s->dir, 0700) < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		strbuf_printf(problems, "prepare: %s\n", strerror(errno));
		return false;
	}
	fflush(stdout);
	s->report_fd = ends[1];
	pid = fork();
	if (!pid)
		run_in_child(s, test);
	close(ends[1]);
	status = pid < 0 ? 0 : wait_test(pid, problems);
	leftovers_find(s->dir, problems);
	n = read(ends[0], report, sizeof(report));
	if (n > 0)
		strbuf_add(problems, report, (size_t)n);
	close(ends[0]);
	if (pid < 0)
		strbuf_puts(problems, "fork failed\n");
	else if (WIFSIGNALED(status))
		strbuf_printf(problems, "the test's process ended by signal %d (%s)\n",
		              WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) && !problems->length)
		strbuf_printf(problems, "the test's process left with status %d\n",
		              WEXITSTATUS(status));
	return !problems->length;
}

static void print_problems(const struct strbuf *problems)
{
	for (const char *at = problems->text; at && *at;) {
		int length = (int)strcspn(at, "\n");

		printf("#   %.*s\n", length, at);
		at += length + (at[length] == '\n');
	}
}

static void run_and_print(struct suite *s, const struct test *test, const char *top, unsigned n,
                          struct counts *counts)
{
	const char *lacking = test->lacks ? test->lacks(s->backend) : NULL;
	cleanup_strbuf struct strbuf problems = STRBUF_INIT;
	struct stor_err err = STOR_ERR_INIT;

	if (lacking) {
		printf("ok %u - %s # SKIP the backend has no %s\n", n, test->name, lacking);
		counts->skipped++;
		return;
	}
	s->dir = xasprintf("%s/%s", top, test->name);
	if (run_test(s, test, &problems)) {
		printf("ok %u - %s\n", n, test->name);
		counts->passed++;
	} else {
		printf("not ok %u - %s\n", n, test->name);
		print_problems(&problems);
		counts->failed++;
	}
	if (fs_remove_tree(AT_FDCWD, s->dir, &err) < 0)
		printf("#   %s\n", err.text);
	free(s->dir);
}

static int run_all(struct suite *s, const struct strv *only, struct stor_err *err)
{
	const char *parent = getenv("TMPDIR");
	cleanup_free char *top = xasprintf("%s/stor-check-XXXXXX", parent ? parent : "/tmp");
	struct counts counts = { 0 };
	unsigned n = 0;

	if (!mkdtemp(top))
		return err_fail(err, STOR_FAILED, errno, "make directory %s", top);
	printf("# backend %s %s, %s\n", s->backend->ops.name, s->backend->ops.version,
	       s->backend->file);
	for (size_t i = 0; i < AREA_COUNT; i++)
		for (const struct test *test = areas[i]; test->name; test++)
			if (!only->count || strv_has(only, test->name))
				run_and_print(s, test, top, ++n, &counts);
	printf("1..%u\n# %u passed, %u failed, %u skipped for what the backend lacks\n", n,
	       counts.passed, counts.failed, counts.skipped);
	if (rmdir(top) < 0)
		printf("# remove %s: %s\n", top, strerror(errno));
	if (!n)
		return err_fail(err, STOR_NOT_FOUND, 0, "no test of that name");
	return counts.failed ? STOR_FAILED : 0;
}

/* What load() itself leaves behind is found before any test, for they all inherit it; parameters
 * that the backend does not take are a mistake of the user's, not of its. */
static const struct backend *load_guarded(struct suite *s, const char *name, struct stor_err *err)
{
	cleanup_params struct params params = { 0 };
	const struct backend *b;
	struct guard before;

	s->report_fd = STDERR_FILENO;
	s->output_fd = memfd_create("output", MFD_CLOEXEC);
	guard_begin(s, &before);
	b = backend_load(name, err);
	if (!b)
		return NULL;
	guard_end(s, &before, "load", 0);
	if (params_parse(&params, b, &s->params, NULL, SUITE_SCOPES, err) < 0)
		return NULL;
	return b;
}

static void list_tests(void)
{
	for (size_t i = 0; i < AREA_COUNT; i++)
		for (const struct test *test = areas[i]; test->name; test++)
			puts(test->name);
}

int main(int argc, char **argv)
{
	struct stor_err err = STOR_ERR_INIT;
	struct suite suite = { .output_fd = -1 };
	struct strv only = STRV_INIT;
	int option, result = -1;

	static const char usage[] =
		"usage: stor-backend-check [--list] [-o KEY=VALUE]... [--test NAME]... NAME|FILE\n";
	for (option = 1; option < argc && argv[option][0] == '-'; option++) {
		if (!strcmp(argv[option], "--list")) {
			list_tests();
			return 0;
		}
		if (option + 1 < argc && !strcmp(argv[option], "-o"))
			strv_add(&suite.params, argv[++option]);
		else if (option + 1 < argc && !strcmp(argv[option], "--test"))
			strv_add(&only, argv[++option]);
		else
			break;
	}
	if (option != argc - 1 || argv[option][0] == '-') {
		fputs(usage, stderr);
		return STOR_USAGE;
	}
	if (geteuid() != 0)
		err_fail(&err, STOR_FAILED, 0, "backends run as root, and so must their check");
	else if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		err_fail(&err, STOR_FAILED, errno, "become a reaper");
	else
		suite.backend = load_guarded(&suite, argv[option], &err);
	if (suite.backend)
		result = run_all(&suite, &only, &err);
	if (result < 0) {
		err_print(&err);
		result = (int)err.status;
	}
	strv_free(&only);
	strv_free(&suite.params);
	return result;
}
