/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Backend parameters, sizes and numbers, one a line, as users write them. */
#include "tests/fuzz/fuzz.h"

#include "core/backend.h"

static const struct stor_param table[] = {
	{ "size", STOR_PARAM_SIZE, STOR_PARAM_CREATE, "1G", NULL, "How large" },
	{ "mode", STOR_PARAM_ENUM, STOR_PARAM_CREATE, "fast", "slow|fast|fastest", "How" },
	{ "sync", STOR_PARAM_BOOL, STOR_PARAM_ATTACH, "no", NULL, "Wait" },
	{ "count", STOR_PARAM_UINT, STOR_PARAM_CREATE | STOR_PARAM_ATTACH, NULL, NULL, "How many" },
	{ "note", STOR_PARAM_STRING, STOR_PARAM_CREATE, NULL, NULL, "Any text" },
	{ .key = NULL },
};

static const struct backend backend = { .ops = { .name = "sample", .params = table } };

static void read_numbers(const char *line)
{
	uint64_t number = 77, bytes = 77, again;
	char text[16];
	bool truth;

	if (str_to_size(line, &bytes) < 0)
		FUZZ_PROMISE(bytes == 77);
	else
		FUZZ_PROMISE(bytes <= INT64_MAX);
	/* What stor prints it reads; rounding up may lead just beyond what it can hold. */
	str_from_size(bytes, text, sizeof(text));
	FUZZ_PROMISE(!str_to_size(text, &again) || bytes > UINT64_C(7) << 60);
	if (str_to_u64(line, &number) < 0)
		FUZZ_PROMISE(number == 77);
	str_to_bool(line, &truth);
	if (str_is_name(line))
		FUZZ_PROMISE(*line != '.' && !strchr(line, '/') && strlen(line) <= 128);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *rest = text, *line;
	struct strv given = STRV_INIT;
	struct params params = { 0 };
	struct stor_err err = STOR_ERR_INIT;
	struct record record = RECORD_INIT;
	int result;

	while ((line = strsep(&rest, "\n"))) {
		read_numbers(line);
		strv_add(&given, line);
	}
	result = params_parse(&params, &backend, &given, NULL,
	                      STOR_PARAM_CREATE | STOR_PARAM_ATTACH, &err);
	FUZZ_PROMISE(result == 0 || (err.status != STOR_OK && *err.text));
	if (!result)
		params_save(&params, &backend, &record);
	record_free(&record);
	params_free(&params);
	strv_free(&given);
	free(text);
	return 0;
}
