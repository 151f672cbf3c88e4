/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON documents of OCI and Docker images: each input is read as every kind of them. */
#include "tests/fuzz/fuzz.h"

#include "modules/image/digest.h"
#include "modules/image/manifest.h"

static const char *const refs[] = { NULL, "2.0", "example/thing:2.0" };

static void read_index(const char *text, size_t size, const char *ref)
{
	struct stor_err err = STOR_ERR_INIT;
	struct descriptor chosen = { NULL };

	if (manifest_choose(text, size, "linux/amd64", ref, &chosen, &err) < 0)
		FUZZ_PROMISE(err.status != STOR_OK && *err.text);
	else
		FUZZ_PROMISE(digest_is_valid(chosen.digest));
	descriptor_free(&chosen);
}

static void read_manifest(const char *text, size_t size)
{
	struct stor_err err = STOR_ERR_INIT;
	struct manifest manifest = { .layers = NULL };

	if (manifest_parse(text, size, &manifest, &err) < 0)
		FUZZ_PROMISE(err.status != STOR_OK && *err.text);
	else
		for (size_t i = 0; i < manifest.layer_count; i++)
			FUZZ_PROMISE(digest_is_valid(manifest.layers[i].digest));
	manifest_free(&manifest);
}

static void read_docker(const char *text, size_t size, const char *ref)
{
	struct stor_err err = STOR_ERR_INIT;
	struct docker_image image = { NULL };

	if (docker_choose(text, size, ref, &image, &err) < 0)
		FUZZ_PROMISE(err.status != STOR_OK && *err.text);
	else
		FUZZ_PROMISE(image.config != NULL);
	docker_image_free(&image);
}

static void read_config(const char *text, size_t size)
{
	struct stor_err err = STOR_ERR_INIT;
	struct record record = RECORD_INIT;
	struct strv diff_ids = STRV_INIT;

	if (manifest_parse_config(text, size, "linux/amd64", &record, &diff_ids, &err) < 0)
		FUZZ_PROMISE(err.status != STOR_OK && *err.text);
	else
		for (size_t i = 0; i < diff_ids.count; i++)
			FUZZ_PROMISE(digest_is_valid(diff_ids.items[i]));
	record_free(&record);
	strv_free(&diff_ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	manifest_is_index(text, size);
	docker_is_manifest(text, size);
	for (size_t i = 0; i < sizeof(refs) / sizeof(*refs); i++) {
		read_index(text, size, refs[i]);
		read_docker(text, size, refs[i]);
	}
	read_manifest(text, size);
	read_config(text, size);
	free(text);
	return 0;
}
