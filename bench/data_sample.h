/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a sample's line holds: values, percentiles, series. Part of the reader, data_read.c. */
#ifndef BENCH_DATA_SAMPLE_H
#define BENCH_DATA_SAMPLE_H

#include "bench/data.h"
#include "bench/data_json.h"

/* Read "values", "percentiles" and "series" into the sample. It is to be freed also on failure. */
int data_read_values(struct json_object *line, const struct data *data, struct data_sample *sample,
                     struct stor_err *err);
void data_free_sample(struct data_sample *sample);

#endif
