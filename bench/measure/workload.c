/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking up workloads and taking samples of them: see workload.h. */
#include "bench/measure/workload.h"

#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

const struct metric workload_metrics[] = {
	{ "seconds", "s", false },
	{ "cpu_seconds", "s", false },
	{ "server_cpu_seconds", "s", false },
	{ "iops", "1/s", true },
	{ "bandwidth", "bytes/s", true },
	{ "events", "1/s", true },
	{ NULL, NULL, false },
};

const struct metric *workload_metric(const char *name)
{
	const struct metric *metric = workload_metrics;

	while (metric->name && strcmp(metric->name, name) != 0)
		metric++;
	return metric->name ? metric : NULL;
}

void reading_add(struct reading *reading, const char *metric, double value)
{
	const struct metric *found = workload_metric(metric);

	if (!found || reading->count == sizeof(reading->values) / sizeof(*reading->values))
		return;
	reading->values[reading->count].metric = found;
	reading->values[reading->count++].value = value;
}

void reading_room_for_series(struct reading *reading, size_t count)
{
	free(reading->series);
	reading->series_count = 0;
	reading->series = xcalloc((count < READING_MAX_POINTS ? count : READING_MAX_POINTS) + 1,
	                          sizeof(*reading->series));
}

void reading_free(struct reading *reading)
{
	free(reading->series);
	*reading = (struct reading){ .count = 0 };
}

/* --- looking up ------------------------------------------------------------------------------ */

static void payload_command(const struct workload *workload, struct strv *payload)
{
	strv_add(payload, "sh");
	strv_add(payload, "-c");
	strv_add(payload, workload->name);
}

/* Anything that has a space in it. */
static const struct workload_kind own_command = {
	.name = "command",
	.metric = "seconds",
	.payload = payload_command,
};

static const struct workload_kind *find_in(const struct workload_kind *table, const char *name,
                                           size_t length)
{
	for (; table->name; table++)
		if (strlen(table->name) == length && !strncmp(table->name, name, length))
			return table;
	return NULL;
}

int workload_find(const char *name, struct workload *workload, struct stor_err *err)
{
	size_t length = strcspn(name, ":");

	*workload = (struct workload){ .name = name };
	if (strchr(name, ' ')) {
		workload->does = &own_command;
		return 0;
	}
	workload->does = find_in(workloads_in_containers, name, length);
	if (!workload->does)
		workload->does = find_in(workloads_of_volumes, name, length);
	if (name[length])
		workload->argument = name + length + 1;
	if (workload->does && !workload->argument == !strcmp(workload->does->name, "fio"))
		workload->does = NULL;
	if (workload->does)
		return 0;
	err_fail(err, STOR_USAGE, 0, "there is no workload \"%s\"", name);
	err_hint(err,
	         "stor bench --list-workloads lists them; fio:JOBFILE is another, and a command "
	         "with its words in one argument");
	return -1;
}

void workload_free(struct workload *workload)
{
	free(workload->input);
	workload->input = NULL;
}

char *workload_cannot(const struct workload *workload, const struct subject *subject)
{
	return workload->does->sample && subject->does != &subject_stor
	               ? xasprintf("%s of %s is not measured", workload->does->name, subject->name)
	               : NULL;
}

/* --- samples --------------------------------------------------------------------------------- */

int workload_check(const struct bench *bench, const struct workload *workload,
                   const struct subject *subject, const struct row *row, char **version,
                   struct stor_err *err)
{
	cleanup_command struct command command = COMMAND_INIT;
	cleanup_strv struct strv payload = STRV_INIT;
	cleanup_outcome struct outcome outcome = { .status = 0 };
	const char *program = workload->does->program;

	*version = NULL;
	if (!program)
		return 0;
	strv_add(&payload, "sh");
	strv_add(&payload, "-c");
	strv_take(&payload, xasprintf("command -v %s >/dev/null || exit; %s --version; exit 0",
	                              program, program));
	if (subject->does->wrap(bench, subject, row, &payload, &command, err) < 0 ||
	    command_run(&command, &outcome, err) < 0)
		return -1;
	if (!outcome.status) {
		*version = xstrndup(outcome.output, strcspn(outcome.output, "\n"));
		return 0;
	}
	err_fail(err, STOR_UNSUPPORTED, 0, "workload %s: image %s has no program %s",
	         workload->name, row->image, program);
	err_hint(err, "install %s in it, or take another one with --image", program);
	return -1;
}

static int sample_in_container(const struct bench *bench, const struct workload *workload,
                               const struct subject *subject, const struct row *row,
                               struct outcome *outcome, struct stor_err *err)
{
	cleanup_command struct command command = COMMAND_INIT;
	cleanup_strv struct strv payload = STRV_INIT;

	workload->does->payload(workload, &payload);
	if (subject->does->wrap(bench, subject, row, &payload, &command, err) < 0)
		return -1;
	if (workload->input)
		command.input = xstrdup(workload->input);
	return command_run(&command, outcome, err);
}

int workload_sample(const struct bench *bench, const struct workload *workload,
                    const struct subject *subject, const struct row *row, struct outcome *outcome,
                    struct reading *reading, struct stor_err *err)
{
	int result = workload->does->sample
	                     ? workload->does->sample(bench, workload, subject, row, outcome, err)
	                     : sample_in_container(bench, workload, subject, row, outcome, err);

	*reading = (struct reading){ .count = 0 };
	if (result < 0 || outcome->status)
		return result;
	reading_add(reading, "seconds", outcome->seconds);
	reading_add(reading, "cpu_seconds", outcome->cpu_seconds);
	reading_add(reading, "server_cpu_seconds", outcome->server_cpu_seconds);
	return workload->does->read ? workload->does->read(outcome->output, reading, err) : 0;
}
