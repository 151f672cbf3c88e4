/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON form: what the tables show, unrounded. */
#include "bench/report/forms.h"

#include <math.h>

#include <stor/util.h>

#include "core/base/json.h"

#include "bench/report/wording.h"

static void put_summary(struct json *json, const char *key, const struct stats_summary *summary)
{
	bool has_interval = summary->count && summary->interval.exists;

	json_open_object(json, key);
	json_u64(json, "count", summary->count);
	json_u64(json, "left_out", summary->left_out);
	json_number(json, "median", summary->count ? summary->median : NAN);
	json_number(json, "low", has_interval ? summary->interval.low : NAN);
	json_number(json, "high", has_interval ? summary->interval.high : NAN);
	json_number(json, "coverage", has_interval ? summary->interval.coverage : NAN);
	json_number(json, "min", summary->count ? summary->min : NAN);
	json_number(json, "max", summary->count ? summary->max : NAN);
	json_u64(json, "outliers", summary->outliers);
	json_close_object(json);
}

static const char *verdict_name(const struct stats_summary *ratio)
{
	switch (stats_verdict(ratio)) {
	case STATS_MORE:
		return "more";
	case STATS_LESS:
		return "less";
	case STATS_NO_DIFFERENCE:
		return "no difference shown";
	case STATS_TOO_FEW:
		break;
	}
	return "too few rounds";
}

static void put_metrics(struct json *json, const struct report *report,
                        const struct report_cell *cell, bool is_base)
{
	json_open_object(json, "metrics");
	for (size_t m = 0; m < report->metric_count; m++) {
		const struct report_figure *figure = &cell->figures[m];

		if (!figure->summary.count)
			continue;
		json_open_object(json, report->metrics[m].name);
		put_summary(json, "value", &figure->summary);
		if (!is_base && figure->ratio.count) {
			put_summary(json, "ratio", &figure->ratio);
			json_string(json, "verdict", verdict_name(&figure->ratio));
		}
		json_close_object(json);
	}
	json_close_object(json);
}

static void put_cell(struct json *json, const struct report *report, const struct report_row *row,
                     size_t subject)
{
	const struct report_cell *cell = &row->cells[subject];

	json_open_object(json, NULL);
	json_string(json, "subject", report->subjects[subject].name);
	if (!cell->figures[row->metric].summary.count) {
		cleanup_free char *reason = wording_blank(cell);

		json_string(json, "blank", reason);
	}
	json_string(json, "command", cell->command);
	json_u64(json, "warmups", cell->warmups);
	json_u64(json, "failures", cell->failures);
	put_metrics(json, report, cell, subject == report->base);
	json_close_object(json);
}

static void put_row(struct json *json, const struct report *report, const struct report_row *row)
{
	cleanup_strv struct strv sentences = STRV_INIT;

	json_open_object(json, NULL);
	json_string(json, "workload", row->workload);
	json_string(json, "conditions", row->conditions);
	json_string(json, "metric", report->metrics[row->metric].name);
	json_open_array(json, "cells");
	for (size_t i = 0; i < report->subject_count; i++)
		put_cell(json, report, row, i);
	json_close_array(json);
	json_open_array(json, "verdicts");
	wording_verdicts(report, row, &sentences);
	for (size_t i = 0; i < sentences.count; i++)
		json_string(json, NULL, sentences.items[i]);
	json_close_array(json);
	json_close_object(json);
}

static void put_strings(struct json *json, const char *key, const struct strv *list)
{
	json_open_array(json, key);
	for (size_t i = 0; i < list->count; i++)
		json_string(json, NULL, list->items[i]);
	json_close_array(json);
}

static void put_experiment(struct json *json, const struct report *report)
{
	const struct data *data = report->data;
	cleanup_free char *command = strv_join(&data->command, " ");

	json_string(json, "started", data->started);
	json_string(json, "command", data->command.count ? command : NULL);
	if (data->has_seed)
		json_i64(json, "seed", data->seed);
	json_number(json, "confidence", report->confidence);
	json_bool(json, "complete", data->has_end && !data->is_interrupted);
	json_string(json, "base",
	            report->base == REPORT_NO_BASE ? NULL : report->subjects[report->base].name);
	json_open_object(json, "environment");
	for (size_t i = 0; i + 1 < data->environment.count; i += 2)
		json_string(json, data->environment.items[i], data->environment.items[i + 1]);
	json_close_object(json);
	json_open_array(json, "metrics");
	for (size_t i = 0; i < report->metric_count; i++) {
		json_open_object(json, NULL);
		json_string(json, "name", report->metrics[i].name);
		json_string(json, "unit", report->metrics[i].unit);
		json_string(json, "better", report->metrics[i].is_more_better ? "more" : "less");
		json_close_object(json);
	}
	json_close_array(json);
}

void form_json(const struct report *report, struct strbuf *out)
{
	struct json json = JSON_INIT;

	json_open_object(&json, NULL);
	put_experiment(&json, report);
	json_open_array(&json, "rows");
	for (size_t i = 0; i < report->row_count; i++)
		put_row(&json, report, &report->rows[i]);
	json_close_array(&json);
	put_strings(&json, "failures", &report->failures);
	put_strings(&json, "notes", &report->notes);
	json_close_object(&json);
	strbuf_add(out, json.out.text, json.out.length);
	strbuf_putc(out, '\n');
	strbuf_free(&json.out);
}
