/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor itself, from outside: see subject.h. */
#include <string.h>

#include <stor/util.h>

#include "bench/measure/subject.h"

void subject_add_storage(const struct subject *subject, const struct row *row,
                         const struct strv *params, struct strv *argv)
{
	strv_add(argv, "--backend");
	strv_add(argv, subject->backend);
	/* A directory has no size. */
	if (strcmp(subject->backend, "dir") != 0 && row->size) {
		strv_add(argv, "--size");
		strv_add(argv, row->size);
	}
	for (size_t i = 0; i < params->count; i++) {
		strv_add(argv, "-o");
		strv_add(argv, params->items[i]);
	}
}

static void add_limit(const struct row *row, const char *name, const char *option,
                      struct strv *argv)
{
	cleanup_free char *value = row_limit(row, name);

	if (value) {
		strv_add(argv, option);
		strv_add(argv, value);
	}
}

static int wrap_stor(const struct bench *bench, const struct subject *subject,
                     const struct row *row, const struct strv *payload, struct command *command,
                     struct stor_err *err)
{
	cleanup_free char *image = bench_image_name(row->image);
	static const char *const words[] = { "run", "--rm", "-i", "--image" };

	(void)err;
	strv_add(&command->argv, bench->stor);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		strv_add(&command->argv, words[i]);
	strv_add(&command->argv, image);
	subject_add_storage(subject, row, &subject->params, &command->argv);
	add_limit(row, "cpus", "--cpus", &command->argv);
	add_limit(row, "memory", "--memory", &command->argv);
	if (row->has_network) {
		strv_add(&command->argv, "--net");
		strv_add(&command->argv, "veth");
	}
	strv_add(&command->argv, "--");
	strv_add_all(&command->argv, payload);
	return 0;
}

const struct subject_kind subject_stor = {
	.name = "stor",
	.kind = DATA_STOR,
	.wrap = wrap_stor,
};
