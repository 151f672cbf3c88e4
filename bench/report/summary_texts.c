/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told about an experiment in words: environment, failures, notes. */
#include "bench/report/summary_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

static void add_fact(struct report *report, const char *name, const char *text)
{
	if (!text)
		return;
	strv_add(&report->facts, name);
	strv_add(&report->facts, text);
}

/* A size in bytes as people read it. */
static char *bytes_text(const char *digits)
{
	struct figure_scale scale;
	char text[FIGURE_SIZE];
	uint64_t bytes;

	if (str_to_u64(digits, &bytes) < 0)
		return xstrdup(digits);
	scale = figure_scale("bytes", (double)bytes);
	return xstrdup(figure_text((double)bytes, &scale, text));
}

static void add_environment(struct report *report)
{
	const struct strv *all = &report->data->environment;

	for (size_t i = 0; i + 1 < all->count; i += 2) {
		const char *name = all->items[i];
		size_t length = strlen(name);

		if (str_ends(name, "_bytes")) {
			cleanup_free char *text = bytes_text(all->items[i + 1]);
			cleanup_free char *short_name = xstrndup(name, length - strlen("_bytes"));

			add_fact(report, short_name, text);
		} else {
			add_fact(report, str_starts(name, "versions.") ? name + 9 : name,
			         all->items[i + 1]);
		}
	}
}

static const char *environment_of(const struct data *data, const char *name)
{
	for (size_t i = 0; i + 1 < data->environment.count; i += 2)
		if (!strcmp(data->environment.items[i], name))
			return data->environment.items[i + 1];
	return NULL;
}

/* "2026-11-29T06:00:00Z · some CPU, 2 cores · Linux 6.1" */
static char *headline_of(const struct data *data)
{
	const char *cpu = environment_of(data, "cpu"), *cores = environment_of(data, "cores");
	const char *kernel = environment_of(data, "kernel");
	struct strbuf out = STRBUF_INIT;

	strbuf_puts(&out, data->started ? data->started : "date unknown");
	if (cpu)
		strbuf_printf(&out, " · %s", cpu);
	if (cores)
		strbuf_printf(&out, " · %s cores", cores);
	if (kernel)
		strbuf_printf(&out, " · %s%s", strncmp(kernel, "Linux", 5) != 0 ? "Linux " : "",
		              kernel);
	return strbuf_steal(&out);
}

static void add_failures(struct report *report)
{
	const struct data *data = report->data;

	for (size_t i = 0; i < data->failure_count; i++) {
		const struct data_failure *failure = &data->failures[i];
		const struct data_case *of = &data->cases[failure->of];

		strv_take(&report->failures,
		          xasprintf("%s, %s, %s %lld: status %lld%s%s", of->workload,
		                    data->subjects[of->subject].name,
		                    failure->is_warmup ? "warm-up" : "round",
		                    (long long)failure->round, (long long)failure->status,
		                    failure->text ? ": " : "", failure->text ? failure->text : ""));
	}
}

static void add_notes(struct report *report)
{
	const struct data *data = report->data;

	if (!data->has_end)
		strv_add(&report->notes,
		         "The experiment has not ended, or did so without a word: these are the "
		         "samples until then.");
	else if (data->is_interrupted)
		strv_add(&report->notes, "The experiment was interrupted: these are the samples "
		                         "until then.");
	if (data->is_cut)
		strv_add(&report->notes, "The last line of the data file is cut; it is left out.");
}

void summary_add_texts(struct report *report)
{
	const struct data *data = report->data;
	cleanup_free char *command = strv_join(&data->command, " ");
	char seed[24];

	snprintf(seed, sizeof(seed), "%lld", (long long)data->seed);
	report->headline = headline_of(data);
	add_fact(report, "started", data->started);
	add_fact(report, "command", data->command.count ? command : NULL);
	add_fact(report, "seed", data->has_seed ? seed : NULL);
	if (!environment_of(data, "versions.stor"))
		add_fact(report, "stor", data->stor);
	add_environment(report);
	add_fact(report, "ended", data->end_reason);
	add_failures(report);
	add_notes(report);
}
