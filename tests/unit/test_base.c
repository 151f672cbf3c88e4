/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/base: numbers and sizes in text, records, JSON, folders, paths below a hostile root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/json.h"
#include "core/base/opts.h"
#include "core/base/proc.h"
#include "core/base/record.h"
#include "core/base/undo.h"

static void sizes_are_read(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "1K", 1024 },
		{ "1.5k", 1536 },
		{ "10GiB", 10ULL << 30 },
		{ "2gb", 2ULL << 30 },
		{ "16T", 16ULL << 40 },
		{ "512b", 512 },
	};
	static const char *const bad[] = { "",    "-1",   " 1",  "1 ",        "K",  "1KK",
		                           "1iB", "0x10", "9P9", "99999999P", "1e3" };
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(str_to_size(good[i].text, &bytes), 0);
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(str_to_size(bad[i], &bytes), -1);
}

static void records_come_back_as_written(void **state)
{
	static const char awkward[] = "a=b\\n\nc\\";
	cleanup_record struct record written = RECORD_INIT, read_back = RECORD_INIT;
	struct stor_err err = STOR_ERR_INIT;
	char dir[] = "/tmp/stor-test-XXXXXX";
	cleanup_close int dir_fd = -1;
	size_t at = 0;

	(void)state;
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	record_add(&written, "env", awkward);
	record_add(&written, "env", "");
	record_add_u64(&written, "size", UINT64_MAX);
	assert_int_equal(record_save(&written, dir_fd, "r", true, &err), 0);
	assert_int_equal(record_load(&read_back, dir_fd, "r", &err), 0);
	assert_string_equal(record_next(&read_back, "env", &at), awkward);
	assert_string_equal(record_next(&read_back, "env", &at), "");
	assert_null(record_next(&read_back, "env", &at));
	assert_true(record_get_u64(&read_back, "size", 0) == UINT64_MAX);
	assert_int_equal(record_load(&read_back, dir_fd, "missing", &err), -1);
	assert_int_equal(err.status, STOR_NOT_FOUND);
	err_clear(&err);
	assert_int_equal(fs_remove_tree(AT_FDCWD, dir, &err), 0);
}

static void appended_values_replace_those_before(void **state)
{
	cleanup_record struct record written = RECORD_INIT, changes = RECORD_INIT;
	cleanup_record struct record read_back = RECORD_INIT, cut = RECORD_INIT;
	struct stor_err err = STOR_ERR_INIT;
	char dir[] = "/tmp/stor-test-XXXXXX";
	cleanup_close int dir_fd = -1;
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	record_add(&written, "status", "created");
	record_add(&written, "name", "web");
	record_add(&changes, "pid", "17");
	record_add(&changes, "status", "run\nning");
	assert_int_equal(record_append(&changes, dir_fd, "r", &err), -1);
	err_clear(&err);
	assert_int_equal(record_save(&written, dir_fd, "r", false, &err), 0);
	assert_int_equal(record_append(&changes, dir_fd, "r", &err), 0);
	assert_int_equal(record_load(&read_back, dir_fd, "r", &err), 0);
	assert_string_equal(record_get(&read_back, "status"), "run\nning");
	assert_string_equal(record_get(&read_back, "pid"), "17");
	assert_string_equal(record_get(&read_back, "name"), "web");
	assert_int_equal(read_back.keys.count, 3);
	/* A write that was cut short: what is whole counts. */
	assert_int_equal(fstatat(dir_fd, "r", &st, 0), 0);
	fd = openat(dir_fd, "r", O_WRONLY);
	assert_int_equal(ftruncate(fd, st.st_size - 3), 0);
	close(fd);
	assert_int_equal(record_load(&cut, dir_fd, "r", &err), 0);
	assert_string_equal(record_get(&cut, "status"), "created");
	assert_string_equal(record_get(&cut, "pid"), "17");
	assert_int_equal(fs_remove_tree(AT_FDCWD, dir, &err), 0);
}

static void damaged_records_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"stor-record=2\n",
		"stor-record=1\nno equals\n",
		"stor-record=1\n=x\n",
		"stor-record=1\nkey=cut",
		"stor-record=1\nkey=stray\\x\n",
		"stor-record=1\nkey\n=value\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		cleanup_record struct record record = RECORD_INIT;
		struct stor_err err = STOR_ERR_INIT;

		assert_int_equal(record_parse(&record, bad[i], "test", &err), -1);
		assert_non_null(strstr(err.text, "test"));
	}
}

static void json_is_escaped(void **state)
{
	struct json json = JSON_INIT;

	(void)state;
	json_open_object(&json, NULL);
	json_string(&json, "a", "q\"\\\n\x01\xff\xc3\xa4\xed\xa0\x80");
	json_open_array(&json, "b");
	json_u64(&json, NULL, 1);
	json_bool(&json, NULL, false);
	json_close_array(&json);
	json_string(&json, "c", NULL);
	json_number(&json, "d", 0.1);
	json_number(&json, "e", 1.0 / 0.0);
	json_close_object(&json);
	assert_string_equal(json.out.text,
	                    "{\n  \"a\": \"q\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd"
	                    "\xef\xbf\xbd\xef\xbf\xbd\",\n  \"b\": [\n    1,\n    false\n  ],\n"
	                    "  \"c\": null,\n  \"d\": 0.10000000000000001,\n  \"e\": null\n}");
	strbuf_free(&json.out);
}

static void errors_gather_context(void **state)
{
	struct stor_err err = STOR_ERR_INIT;

	(void)state;
	err_fail(&err, STOR_BUSY, EBUSY, "lock %s", "x");
	err_hint(&err, "first");
	err_hint(&err, "second");
	err_context(&err, "attach %s", "y");
	assert_string_equal(err.text, "attach y: lock x: Device or resource busy");
	assert_string_equal(err.hint, "first");
	assert_int_equal(err.status, STOR_BUSY);
}

static void paths_stay_below_the_root(void **state)
{
	char dir[] = "/tmp/stor-test-XXXXXX";
	struct stor_err err = STOR_ERR_INIT;
	cleanup_close int root_fd = -1, fd = -1;
	struct stat inside, opened;

	(void)state;
	assert_non_null(mkdtemp(dir));
	root_fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(root_fd, "real", 0755), 0);
	assert_int_equal(symlinkat("/real", root_fd, "link"), 0);
	assert_int_equal(symlinkat("../../../../etc", root_fd, "out"), 0);
	fd = fs_make_in_root(root_fd, "/link/a//b/", false);
	assert_true(fd >= 0);
	assert_int_equal(fstatat(root_fd, "real/a/b", &inside, 0), 0);
	assert_int_equal(fstat(fd, &opened), 0);
	assert_true(inside.st_ino == opened.st_ino);
	close_fd(&fd);
	fd = fs_open_in_root(root_fd, "/out/passwd", O_PATH);
	assert_int_equal(fd, -1);
	fd = fs_make_in_root(root_fd, "real/file", true);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &opened), 0);
	assert_true(S_ISREG(opened.st_mode));
	assert_int_equal(fs_remove_tree(AT_FDCWD, dir, &err), 0);
}

/* Renames as fast as it can, until it is killed. */
static pid_t start_renaming(int dir_fd)
{
	pid_t pid;

	assert_int_equal(mkdirat(dir_fd, "one", 0755), 0);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		renameat(dir_fd, "one", dir_fd, "other");
		renameat(dir_fd, "other", dir_fd, "one");
	}
}

/* What others rename elsewhere is no reason not to find a file. */
static void paths_are_found_while_others_rename(void **state)
{
	char dir[] = "/tmp/stor-test-XXXXXX";
	pid_t pid;
	int dir_fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(dir_fd, "here", 0755), 0);
	pid = start_renaming(dir_fd);
	for (int i = 0; i < 20000; i++) {
		int fd = fs_open_in_root(dir_fd, "here/../here/../here/../../../here", O_PATH);

		if (fd < 0)
			print_message("after %d: %s\n", i, strerror(errno));
		assert_true(fd >= 0);
		close(fd);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	unlinkat(dir_fd, "one", AT_REMOVEDIR);
	unlinkat(dir_fd, "other", AT_REMOVEDIR);
	unlinkat(dir_fd, "here", AT_REMOVEDIR);
	close(dir_fd);
	rmdir(dir);
}

static void folders_are_listed_in_order(void **state)
{
	static const char *const names[] = { "b", "a.c", "a", "B" }, *const order[] = { "B", "a",
		                                                                        "a.c",
		                                                                        "b" };
	char dir[] = "/tmp/stor-test-XXXXXX";
	cleanup_strv struct strv found = STRV_INIT;
	cleanup_close int fd = -1;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fs_list(fd, &found), 0);
	assert_int_equal(found.count, 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(mkdirat(fd, names[i], 0700), 0);
	/* Twice: it reads from the beginning, wherever the descriptor stands. */
	for (int round = 0; round < 2; round++) {
		strv_free(&found);
		assert_int_equal(fs_list(fd, &found), 0);
		assert_int_equal(found.count, 4);
		for (size_t i = 0; i < 4; i++)
			assert_string_equal(found.items[i], order[i]);
	}
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(unlinkat(fd, names[i], AT_REMOVEDIR), 0);
	assert_int_equal(rmdir(dir), 0);
	close_fd(&fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fs_list(fd, &found), -1);
	assert_int_equal(errno, ENOTDIR);
}

static void sorted_lists_are_searched(void **state)
{
	static const char *const words[] = { "pear", "apple", "fig", "app" };
	cleanup_strv struct strv list = STRV_INIT;

	(void)state;
	assert_false(strv_has_sorted(&list, "fig"));
	for (size_t i = 0; i < 4; i++)
		strv_add(&list, words[i]);
	strv_sort(&list);
	for (size_t i = 0; i < 4; i++)
		assert_true(strv_has_sorted(&list, words[i]));
	assert_false(strv_has_sorted(&list, "appl"));
	assert_false(strv_has_sorted(&list, ""));
	assert_false(strv_has_sorted(&list, "zebra"));
}

/* A process may have any name. */
static void processes_have_a_start_time(void **state)
{
	static const char *const names[] = { "test_base", "a) b (c", ") R 1 2 3 4 5" };
	pid_t self = getpid();
	uint64_t start = proc_start_time(self);

	(void)state;
	assert_true(start > 0);
	for (size_t i = 0; i < 3; i++) {
		unsigned long long told = 0;
		char text[1024];
		FILE *stat;

		assert_int_equal(prctl(PR_SET_NAME, names[i]), 0);
		assert_int_equal(proc_start_time(self), start);
		assert_true(proc_is_alive(self, start));
		assert_false(proc_is_alive(self, start + 1));
		stat = fopen("/proc/self/stat", "re");
		assert_non_null(fgets(text, sizeof(text), stat));
		fclose(stat);
		assert_int_equal(
			sscanf(strrchr(text, ')') + 1,
		               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
		               "%*d %*d %*d %*d %llu",
		               &told),
			1);
		assert_int_equal(told, start);
	}
	assert_false(proc_is_alive(0, 0));
	assert_false(proc_is_alive(-1, 0));
}

static void count_step(void *arg)
{
	char *order = arg;

	order[strlen(order)] = (char)('0' + strlen(order));
}

static void undo_runs_backwards(void **state)
{
	char order[8] = "";
	struct undo undo = UNDO_INIT;

	(void)state;
	undo_push(&undo, count_step, order, NULL);
	undo_push(&undo, count_step, order, NULL);
	undo_unwind(&undo);
	assert_string_equal(order, "01");
	undo_push(&undo, count_step, order, NULL);
	undo_commit(&undo);
	assert_string_equal(order, "01");
}

struct switches {
	bool flag;
	const char *value;
};

static int set_flag(void *target, const char *value, struct stor_err *err)
{
	struct switches *s = target;

	if (str_to_bool(value, &s->flag) < 0)
		return opts_fail_value("--flag", value, "yes or no", err);
	return 0;
}

static int set_value(void *target, const char *value, struct stor_err *err)
{
	struct switches *s = target;

	(void)err;
	s->value = value;
	return 0;
}

static const struct opt test_options[] = {
	{ 'f', "flag", NULL, "A switch", set_flag },
	{ 'v', "value", "TEXT", "A value", set_value },
	{ 0 },
};

static const struct opt_command test_command = {
	.name = "test",
	.synopsis = "[OPTIONS] A",
	.options = test_options,
	.min_operands = 1,
	.max_operands = 2,
};

static int parse(struct switches *s, struct stor_err *err, char ***operands, int *count, ...)
{
	static char *argv[16];
	va_list words;
	int argc = 1;

	argv[0] = (char *)"test";
	va_start(words, count);
	while ((argv[argc] = va_arg(words, char *)))
		argc++;
	va_end(words);
	return opts_parse(&test_command, s, argc, argv, operands, count, err);
}

static void options_are_parsed(void **state)
{
	struct stor_err err = STOR_ERR_INIT;
	struct switches s = { 0 };
	char **operands;
	int count;

	(void)state;
	assert_int_equal(parse(&s, &err, &operands, &count, "a", "-fvx", "--", "-b", NULL), 0);
	assert_true(s.flag);
	assert_string_equal(s.value, "x");
	assert_int_equal(count, 2);
	assert_string_equal(operands[1], "-b");
	assert_int_equal(parse(&s, &err, &operands, &count, "--flag=no", "--value", "y", "a", NULL),
	                 0);
	assert_false(s.flag);
	assert_string_equal(s.value, "y");
	assert_int_equal(parse(&s, &err, &operands, &count, "--valeu", "y", "a", NULL), -1);
	assert_int_equal(err.status, STOR_USAGE);
	assert_string_equal(err.hint, "did you mean --value?");
	err_clear(&err);
	assert_int_equal(parse(&s, &err, &operands, &count, "--flag=maybe", "a", NULL), -1);
	err_clear(&err);
	assert_int_equal(parse(&s, &err, &operands, &count, NULL), -1);
	err_clear(&err);
	assert_int_equal(parse(&s, &err, &operands, &count, "a", "b", "c", NULL), -1);
	err_clear(&err);
	assert_int_equal(parse(&s, &err, &operands, &count, "a", "--value", NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_found_while_others_rename),
		cmocka_unit_test(sizes_are_read),
		cmocka_unit_test(records_come_back_as_written),
		cmocka_unit_test(appended_values_replace_those_before),
		cmocka_unit_test(damaged_records_are_refused),
		cmocka_unit_test(json_is_escaped),
		cmocka_unit_test(errors_gather_context),
		cmocka_unit_test(paths_stay_below_the_root),
		cmocka_unit_test(folders_are_listed_in_order),
		cmocka_unit_test(sorted_lists_are_searched),
		cmocka_unit_test(processes_have_a_start_time),
		cmocka_unit_test(undo_runs_backwards),
		cmocka_unit_test(options_are_parsed),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
