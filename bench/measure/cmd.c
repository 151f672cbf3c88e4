/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See cmd.h. */
#include "bench/measure/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "bench/measure/measure.h"
#include "bench/measure/workload.h"
#include "core/base/opts.h"
#include "core/base/proc.h"

#define DEFAULT_OUTPUT_FORMAT "stor-bench-%Y%m%d-%H%M%S.jsonl"

struct request {
	struct plan plan;
	char *resumed; /* data file to go on with */
	bool lists;
};

#define SETTING(function, setting)                                                                 \
	static int function(void *target, const char *value, struct stor_err *err)                 \
	{                                                                                          \
		return plan_set(&((struct request *)target)->plan, setting, value, err);           \
	}

SETTING(set_backends, "backends")
SETTING(set_peers, "peers")
SETTING(set_workloads, "workloads")
SETTING(set_images, "images")
SETTING(set_sizes, "sizes")
SETTING(set_caches, "caches")
SETTING(set_limits, "limits")
SETTING(set_repeat, "repeat")
SETTING(set_warmups, "warm-up")
SETTING(set_precision, "precision")
SETTING(set_confidence, "confidence")
SETTING(set_seed, "seed")
SETTING(set_output, "output")
SETTING(set_folder, "folder")

static int set_resume(void *target, const char *value, struct stor_err *err)
{
	struct request *request = target;

	(void)err;
	free(request->resumed);
	request->resumed = xstrdup(value);
	return 0;
}

static int set_lists(void *target, const char *value, struct stor_err *err)
{
	return str_to_bool(value, &((struct request *)target)->lists) < 0
	               ? opts_fail_value("--list-workloads", value, "yes or no", err)
	               : 0;
}

static const struct opt options[] = {
	{ 0, "backends", "LIST", "Backends of stor: dir,loop,ploop:attach=engine", set_backends },
	{ 0, "peers", "LIST", "Other runtimes beside them: lxc,docker,…; or all", set_peers },
	{ 'w', "workload", "LIST", "What to measure; a command with its words is one",
	  set_workloads },
	{ 0, "image", "LIST", "What is in the root: busybox, folders, archives", set_images },
	{ 0, "size", "LIST", "Sizes of volumes (1G)", set_sizes },
	{ 0, "cache", "LIST", "warm, cold: with the page cache filled or emptied", set_caches },
	{ 0, "limits", "LIMITS", "cpus=N,memory=SIZE; again: another row; none", set_limits },
	{ 'n', "repeat", "N[-M]", "Rounds (10); N-M: until intervals are narrow", set_repeat },
	{ 0, "warm-up", "N", "Rounds before that do not count (1)", set_warmups },
	{ 0, "precision", "SHARE", "What is narrow: half the interval (5%)", set_precision },
	{ 0, "confidence", "SHARE", "Of the intervals (95%)", set_confidence },
	{ 0, "seed", "NUMBER", "Of the order in each round", set_seed },
	{ 'o', "output", "FILE", "Data file (stor-bench-TIME.jsonl)", set_output },
	{ 0, "folder", "DIR", "Where volumes and roots lie (TMPDIR, or /var/tmp)", set_folder },
	{ 0, "resume", "FILE", "Go on with an experiment that was interrupted", set_resume },
	{ 0, "list-workloads", NULL, "Print the workloads, and end", set_lists },
	{ 0 },
};

static const struct opt_command command = {
	.name = "bench",
	.synopsis = "[OPTIONS] [RUN-FILE]",
	.summary = "Measure workloads on backends and beside other runtimes",
	.details = "stor bench report FILE makes tables and plots of what was measured.\n"
		   "A RUN-FILE has options as members of an object of JSON.",
	.options = options,
	.max_operands = 1,
};

static void print_table(const struct workload_kind *table)
{
	for (; table->name; table++)
		printf("%-16s  %s\n", table->name, table->summary);
}

/* As if its words were those that were given now. */
static int restore(struct request *request, const struct data *past, struct stor_err *err)
{
	cleanup_free char **words = xcalloc(past->command.count + 1, sizeof(*words));
	char *file = steal_ptr(&request->resumed), **operands;
	int count, result;

	for (size_t i = 0; i < past->command.count; i++)
		words[i] = past->command.items[i];
	result = opts_parse(&command, request, (int)past->command.count, words, &operands, &count,
	                    err);
	if (!result && count)
		result = plan_read(&request->plan, operands[0], err);
	free(request->plan.output);
	request->plan.output = file;
	request->plan.seed = (uint64_t)past->seed;
	request->plan.has_seed = true;
	return result ? -1 : plan_complete(&request->plan, err);
}

static void name_output(struct plan *plan)
{
	char name[64];
	time_t now = time(NULL);
	struct tm local;

	if (plan->output)
		return;
	strftime(name, sizeof(name), DEFAULT_OUTPUT_FORMAT, localtime_r(&now, &local));
	plan->output = xstrdup(name);
}

static int run(struct request *request, struct strv *words, const struct data *past,
               struct stor_err *err)
{
	char self[4096];
	const char *stor = getenv("STOR_BENCH_STOR");
	int result;

	if (geteuid() != 0 || !stor || proc_self_path(self, sizeof(self)) < 0) {
		err_fail(err, STOR_FAILED, 0, "bench needs root privileges, and to be run by stor");
		err_hint(err, "as root: stor bench …");
		return -1;
	}
	name_output(&request->plan);
	result = measure(&request->plan, stor, self, words->items, past, err);
	if (result >= 0)
		printf("%s\n", request->plan.output);
	return result;
}

static int prepare(struct request *request, char **operands, int count, struct data *past,
                   struct stor_err *err)
{
	if (!request->resumed)
		return count && plan_read(&request->plan, operands[0], err) < 0
		               ? -1
		               : plan_complete(&request->plan, err);
	if (data_read(request->resumed, past, err) < 0 &&
	    (past->command.count || err->status == STOR_NOT_FOUND))
		return -1;
	if (!past->command.count)
		return err_fail(err, STOR_FAILED, 0, "%s does not begin with an experiment",
		                request->resumed);
	/* It ended in the middle of a line. */
	if (past->is_cut && truncate(request->resumed, (off_t)past->whole_bytes) < 0)
		return err_fail(err, STOR_FAILED, errno, "cut %s", request->resumed);
	return restore(request, past, err);
}

int cmd_bench_measure(int argc, char **argv, struct stor_err *err)
{
	struct request request = { .resumed = NULL };
	cleanup_data struct data past = { .seed = 0 };
	cleanup_strv struct strv words = STRV_INIT;
	bool goes_on;
	char **operands;
	int count, result;

	/* As they were given: opts_parse() moves them. */
	for (int i = 0; i < argc; i++)
		strv_add(&words, argv[i]);
	plan_init(&request.plan);
	result = opts_parse(&command, &request, argc, argv, &operands, &count, err);
	goes_on = request.resumed != NULL;
	if (!result && request.lists) {
		print_table(workloads_in_containers);
		print_table(workloads_of_volumes);
	} else if (!result) {
		result = prepare(&request, operands, count, &past, err);
		if (!result)
			result = run(&request, &words, goes_on ? &past : NULL, err);
	} else if (result > 0) {
		result = 0;
	}
	plan_free(&request.plan);
	free(request.resumed);
	return result;
}
