/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records that stor finds on disk. */
#include "tests/fuzz/fuzz.h"

#include "core/base/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct record record = RECORD_INIT;
	struct stor_err err = STOR_ERR_INIT;
	int result = record_parse(&record, text, "input", &err);

	FUZZ_PROMISE(result == 0 || (result == -1 && err.status != STOR_OK && *err.text));
	if (!result)
		FUZZ_PROMISE(record.keys.count == record.values.count);
	for (size_t i = 0; !result && i < record.keys.count; i++) {
		FUZZ_PROMISE(record_get(&record, record.keys.items[i]) != NULL);
		record_get_u64(&record, record.keys.items[i], 0);
	}
	record_free(&record);
	free(text);
	return 0;
}
