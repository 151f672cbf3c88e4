/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DiskDescriptor.xml: what is accepted is written again and reads the same. */
#include "tests/fuzz/fuzz.h"

#include "core/base/err.h"
#include "ploop/descriptor.h"
#include "ploop/format.h"
#include "tests/ploop/testhost.h"

static void use(const struct ploop_descriptor *descriptor)
{
	const struct ploop_image *chain[PLOOP_CHAIN_MAX + 1];
	struct ploop_descriptor again = { 0 };
	struct stor_err err = STOR_ERR_INIT;
	char *text = ploop_descriptor_format(descriptor), *second;

	FUZZ_PROMISE(text != NULL);
	FUZZ_PROMISE(!ploop_descriptor_parse(text, strlen(text), &again, &err));
	second = ploop_descriptor_format(&again);
	FUZZ_PROMISE(second && !strcmp(text, second));
	for (unsigned i = 0; i < descriptor->shot_count; i++) {
		struct stor_err chain_err = STOR_ERR_INIT;

		if (!ploop_descriptor_chain(descriptor, descriptor->shots[i].guid, chain,
		                            &chain_err))
			FUZZ_PROMISE(chain_err.status != STOR_OK);
		ploop_descriptor_children(descriptor, descriptor->shots[i].guid);
	}
	ploop_descriptor_free(&again);
	free(second);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct ploop_descriptor descriptor = { 0 };
	struct stor_err err = STOR_ERR_INIT;

	testhost_load();
	if (ploop_descriptor_parse(text, size, &descriptor, &err) < 0) {
		FUZZ_PROMISE(err.status != STOR_OK && *err.text);
	} else {
		use(&descriptor);
		ploop_descriptor_free(&descriptor);
	}
	free(text);
	return 0;
}
