/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The CSV form: a line for each sample and failure, a column for each metric. */
#include "bench/report/forms.h"

#include <string.h>

#include <stor/util.h>

#include "bench/report/escape.h"

static void put_text(struct strbuf *out, const char *text)
{
	if (text)
		escape_csv(out, text);
	strbuf_putc(out, ',');
}

static void put_value(struct strbuf *out, const double *value)
{
	if (value)
		strbuf_printf(out, "%.17g", *value);
}

/* "latency_p99.9" */
static char *percentile_name(const char *name, double percent)
{
	return xasprintf("%s_p%g", name, percent);
}

/* The columns of percentiles: all that any sample has. */
static void list_percentiles(const struct data *data, struct strv *names)
{
	for (size_t i = 0; i < data->sample_count; i++)
		for (size_t j = 0; j < data->samples[i].curve_count; j++) {
			const struct data_curve *curve = &data->samples[i].curves[j];

			for (size_t k = 0; !curve->is_series && k < curve->count; k++) {
				cleanup_free char *name =
					percentile_name(curve->name, curve->points[k].x);

				if (names->count < DATA_MAX_FACTS && !strv_has(names, name))
					strv_add(names, name);
			}
		}
}

static void put_case(struct strbuf *out, const struct data *data, const struct data_case *of)
{
	cleanup_free char *limits = strv_join(&of->limits, " ");

	strbuf_printf(out, "%lld,", (long long)of->id);
	put_text(out, of->workload);
	put_text(out, data->subjects[of->subject].name);
	put_text(out, data_kind_name(data->subjects[of->subject].kind));
	put_text(out, of->image);
	if (of->size_bytes)
		strbuf_printf(out, "%llu", (unsigned long long)of->size_bytes);
	strbuf_putc(out, ',');
	put_text(out, of->cache);
	put_text(out, limits);
	put_text(out, data->metrics[of->metric].name);
}

static const double *percentile_of(const struct data_sample *sample, const char *name)
{
	for (size_t j = 0; j < sample->curve_count; j++) {
		const struct data_curve *curve = &sample->curves[j];

		if (curve->is_series || strncmp(name, curve->name, strlen(curve->name)) != 0)
			continue;
		for (size_t k = 0; k < curve->count; k++) {
			cleanup_free char *own = percentile_name(curve->name, curve->points[k].x);

			if (!strcmp(own, name))
				return &curve->points[k].y;
		}
	}
	return NULL;
}

static void put_sample(struct strbuf *out, const struct data *data,
                       const struct data_sample *sample, const struct strv *percentiles)
{
	put_case(out, data, &data->cases[sample->of]);
	strbuf_printf(out, "%lld,%s,%.17g,0,", (long long)sample->round,
	              sample->is_warmup ? "true" : "false", sample->at);
	for (size_t i = 0; i < data->metric_count; i++) {
		strbuf_putc(out, ',');
		put_value(out, data_value_of(sample, i));
	}
	for (size_t i = 0; i < percentiles->count; i++) {
		strbuf_putc(out, ',');
		put_value(out, percentile_of(sample, percentiles->items[i]));
	}
	strbuf_puts(out, "\r\n");
}

static void put_failure(struct strbuf *out, const struct data *data,
                        const struct data_failure *failure, size_t columns)
{
	put_case(out, data, &data->cases[failure->of]);
	strbuf_printf(out, "%lld,,,%lld,", (long long)failure->round, (long long)failure->status);
	if (failure->text)
		escape_csv(out, failure->text);
	for (size_t i = 0; i < columns; i++)
		strbuf_putc(out, ',');
	strbuf_puts(out, "\r\n");
}

void form_csv(const struct report *report, struct strbuf *out)
{
	const struct data *data = report->data;
	cleanup_strv struct strv percentiles = STRV_INIT;

	list_percentiles(data, &percentiles);
	strbuf_puts(out, "case,workload,subject,kind,image,size_bytes,cache,limits,metric,round,"
	                 "warmup,at,status,failure");
	for (size_t i = 0; i < data->metric_count; i++) {
		strbuf_putc(out, ',');
		escape_csv(out, data->metrics[i].name);
	}
	for (size_t i = 0; i < percentiles.count; i++) {
		strbuf_putc(out, ',');
		escape_csv(out, percentiles.items[i]);
	}
	strbuf_puts(out, "\r\n");
	for (size_t i = 0; i < data->sample_count; i++)
		put_sample(out, data, &data->samples[i], &percentiles);
	for (size_t i = 0; i < data->failure_count; i++)
		put_failure(out, data, &data->failures[i], data->metric_count + percentiles.count);
}
