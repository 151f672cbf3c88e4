/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Workloads about volumes and images, which other runtimes have under other names or not at all:
 * only the command itself is timed, not what it needs and leaves. */
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "bench/measure/workload.h"

#define VOLUME "bench"
#define OTHER "bench-other"

static void add_words(struct command *command, const char *const *words)
{
	for (; *words; words++)
		strv_add(&command->argv, *words);
}

static void command_of(const struct bench *bench, struct command *command, const char *const *words)
{
	strv_add(&command->argv, bench->stor);
	add_words(command, words);
}

static int must(const struct bench *bench, const char *const *words, struct stor_err *err)
{
	cleanup_command struct command command = COMMAND_INIT;
	cleanup_outcome struct outcome outcome = { .status = 0 };

	command_of(bench, &command, words);
	return command_must(&command, &outcome, err);
}

static int remove_volume(const struct bench *bench, const char *name, struct stor_err *err)
{
	const char *const words[] = { "volume", "rm", name, NULL };

	return must(bench, words, err);
}

/* stor volume create … NAME, of the row's image. */
static void create_command(const struct bench *bench, const struct subject *subject,
                           const struct row *row, struct command *command)
{
	static const char *const words[] = { "volume", "create", "--image", NULL };

	command_of(bench, command, words);
	strv_take(&command->argv, bench_image_name(row->image));
	subject_add_storage(subject, row, &subject->create_params, &command->argv);
	strv_add(&command->argv, VOLUME);
}

static int make_volume(const struct bench *bench, const struct subject *subject,
                       const struct row *row, struct stor_err *err)
{
	cleanup_command struct command command = COMMAND_INIT;
	cleanup_outcome struct outcome outcome = { .status = 0 };

	create_command(bench, subject, row, &command);
	return command_must(&command, &outcome, err);
}

static int sample_create(const struct bench *bench, const struct workload *workload,
                         const struct subject *subject, const struct row *row,
                         struct outcome *outcome, struct stor_err *err)
{
	cleanup_command struct command command = COMMAND_INIT;

	(void)workload;
	create_command(bench, subject, row, &command);
	if (command_run(&command, outcome, err) < 0)
		return -1;
	return outcome->status ? 0 : remove_volume(bench, VOLUME, err);
}

static int sample_delete(const struct bench *bench, const struct workload *workload,
                         const struct subject *subject, const struct row *row,
                         struct outcome *outcome, struct stor_err *err)
{
	static const char *const words[] = { "volume", "rm", VOLUME, NULL };
	cleanup_command struct command command = COMMAND_INIT;

	(void)workload;
	if (make_volume(bench, subject, row, err) < 0)
		return -1;
	command_of(bench, &command, words);
	return command_run(&command, outcome, err);
}

/* A command about a volume, and `made`, which it makes if it ends well; NULL: nothing. */
static int sample_on_volume(const struct bench *bench, const struct subject *subject,
                            const struct row *row, const char *const *words, const char *made,
                            struct outcome *outcome, struct stor_err *err)
{
	cleanup_command struct command command = COMMAND_INIT;
	int result;

	if (make_volume(bench, subject, row, err) < 0)
		return -1;
	command_of(bench, &command, words);
	result = command_run(&command, outcome, err);
	if (!result && !outcome->status && made)
		result = remove_volume(bench, made, err);
	return remove_volume(bench, VOLUME, err) < 0 ? -1 : result;
}

static int sample_clone(const struct bench *bench, const struct workload *workload,
                        const struct subject *subject, const struct row *row,
                        struct outcome *outcome, struct stor_err *err)
{
	static const char *const words[] = { "volume", "clone", VOLUME, OTHER, NULL };

	(void)workload;
	return sample_on_volume(bench, subject, row, words, OTHER, outcome, err);
}

static int sample_snapshot(const struct bench *bench, const struct workload *workload,
                           const struct subject *subject, const struct row *row,
                           struct outcome *outcome, struct stor_err *err)
{
	static const char *const words[] = { "volume", "snapshot", VOLUME, "one", NULL };

	(void)workload;
	return sample_on_volume(bench, subject, row, words, NULL, outcome, err);
}

static int sample_import(const struct bench *bench, const struct workload *workload,
                         const struct subject *subject, const struct row *row,
                         struct outcome *outcome, struct stor_err *err)
{
	static const char *const words[] = { "image", "import", NULL };
	static const char *const remove[] = { "image", "rm", "bench-import", NULL };
	cleanup_command struct command command = COMMAND_INIT;

	(void)workload;
	(void)subject;
	command_of(bench, &command, words);
	strv_take(&command.argv, bench_root(bench, row->image));
	strv_add(&command.argv, "bench-import");
	if (command_run(&command, outcome, err) < 0)
		return -1;
	return outcome->status ? 0 : must(bench, remove, err);
}

const struct workload_kind workloads_of_volumes[] = {
	{ .name = "create",
	  .summary = "a volume with the files of the image",
	  .metric = "seconds",
	  .sample = sample_create },
	{ .name = "clone",
	  .summary = "a copy of such a volume",
	  .metric = "seconds",
	  .sample = sample_clone },
	{ .name = "snapshot",
	  .summary = "a snapshot of such a volume",
	  .metric = "seconds",
	  .sample = sample_snapshot },
	{ .name = "delete",
	  .summary = "removal of such a volume",
	  .metric = "seconds",
	  .sample = sample_delete },
	{ .name = "import",
	  .summary = "an image from a folder with its files",
	  .metric = "seconds",
	  .sample = sample_import },
	{ .name = NULL },
};
