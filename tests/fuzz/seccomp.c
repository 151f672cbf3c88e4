/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System call profiles in Docker's JSON form. */
#include "tests/fuzz/fuzz.h"

#include "modules/seccomp/compile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct stor_err err = STOR_ERR_INIT;
	struct sock_filter *program = NULL;
	unsigned short length = 0;

	if (compile_json(text, "input", UINT64_C(1) << 21, &program, &length, &err) < 0)
		FUZZ_PROMISE(err.status != STOR_OK && *err.text);
	else
		FUZZ_PROMISE(length > 0);
	free(program);
	free(text);
	return 0;
}
