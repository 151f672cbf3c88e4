/* SPDX-License-Identifier: GPL-2.0-or-later */
/* manifest.json of docker save: see manifest.h. */
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "modules/image/manifest.h"
#include "modules/image/manifest_json.h"
#include "modules/image/names.h"

void docker_image_free(struct docker_image *image)
{
	free(image->config);
	strv_free(&image->layers);
	memset(image, 0, sizeof(*image));
}

static bool is_image(struct json_object *object)
{
	return mjson_string(object, "Config") && mjson_get(object, "Layers", json_type_array);
}

bool docker_is_manifest(const char *text, size_t size)
{
	cleanup_json struct json_object *root = mjson_parse(text, size);

	return json_object_is_type(root, json_type_array) && json_object_array_length(root) &&
	       is_image(json_object_array_get_idx(root, 0));
}

/* Tags are names; the configuration's name holds the image's id. */
static bool has_ref(struct json_object *object, const char *ref)
{
	struct json_object *tags = mjson_get(object, "RepoTags", json_type_array);
	const char *config = mjson_string(object, "Config");
	const char *id = str_starts(ref, "sha256:") ? ref + strlen("sha256:") : ref;

	for (size_t i = 0; tags && i < json_object_array_length(tags); i++) {
		const char *tag = mjson_item(tags, i);

		if (tag && mjson_is_ref(tag, ref))
			return true;
	}
	return config && strlen(id) >= 12 && strspn(id, "0123456789abcdef") == strlen(id) &&
	       strstr(config, id);
}

static void hint_choice(struct json_object *root, struct stor_err *err)
{
	cleanup_strbuf struct strbuf list = STRBUF_INIT;

	for (size_t i = 0; i < json_object_array_length(root) && list.length < 300; i++) {
		struct json_object *object = json_object_array_get_idx(root, i);
		struct json_object *tags = mjson_get(object, "RepoTags", json_type_array);
		const char *name =
			tags && json_object_array_length(tags) ? mjson_item(tags, 0) : NULL;
		char shown[NAMES_SHOWN_MAX];

		if (!name)
			name = mjson_string(object, "Config");
		if (name)
			strbuf_printf(&list, "%s%s", list.length ? ", " : "",
			              names_shown(name, shown));
	}
	if (list.length)
		err_hint(err, "--ref chooses one of: %s", list.text);
}

static int read_image(struct json_object *object, struct docker_image *image, struct stor_err *err)
{
	struct json_object *layers;

	if (!is_image(object))
		return mjson_fail("manifest.json", "an image without \"Config\" and \"Layers\"",
		                  err);
	layers = mjson_get(object, "Layers", json_type_array);
	image->config = xstrdup(mjson_string(object, "Config"));
	for (size_t i = 0; i < json_object_array_length(layers); i++) {
		const char *layer = mjson_item(layers, i);

		if (!layer)
			return mjson_fail("manifest.json", "a layer that is no path", err);
		strv_add(&image->layers, layer);
	}
	return 0;
}

int docker_choose(const char *text, size_t size, const char *ref, struct docker_image *image,
                  struct stor_err *err)
{
	cleanup_json struct json_object *root = mjson_parse(text, size);
	struct json_object *chosen = NULL;
	char shown[NAMES_SHOWN_MAX];
	size_t count = 0;

	if (!json_object_is_type(root, json_type_array))
		return mjson_fail("manifest.json", "not a JSON array", err);
	for (size_t i = 0; i < json_object_array_length(root); i++) {
		struct json_object *object = json_object_array_get_idx(root, i);

		if (ref && !has_ref(object, ref))
			continue;
		chosen = object;
		count++;
	}
	if (count == 1)
		return read_image(chosen, image, err);
	if (!count && ref)
		err_fail(err, STOR_NOT_FOUND, 0, "manifest.json: no image \"%s\"",
		         names_shown(ref, shown));
	else
		err_fail(err, STOR_USAGE, 0, "manifest.json: %zu images", count);
	hint_choice(root, err);
	return -1;
}
