/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OCI indexes and manifests, and their Docker forerunners: see manifest.h. */
#include "modules/image/manifest.h"

#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "modules/image/digest.h"
#include "modules/image/manifest_json.h"
#include "modules/image/names.h"

#define ANNOTATION_TAG "org.opencontainers.image.ref.name"
#define ANNOTATION_NAME "io.containerd.image.name"
/* BuildKit puts provenance beside images, as manifests that are none. */
#define ANNOTATION_KIND "vnd.docker.reference.type"

void descriptor_free(struct descriptor *descriptor)
{
	free(descriptor->media_type);
	free(descriptor->digest);
	memset(descriptor, 0, sizeof(*descriptor));
}

void manifest_free(struct manifest *manifest)
{
	descriptor_free(&manifest->config);
	for (size_t i = 0; i < manifest->layer_count; i++)
		descriptor_free(&manifest->layers[i]);
	free(manifest->layers);
	memset(manifest, 0, sizeof(*manifest));
}

static int read_descriptor(struct json_object *object, const char *document,
                           struct descriptor *descriptor, struct stor_err *err)
{
	const char *digest = mjson_string(object, "digest");
	const char *media_type = mjson_string(object, "mediaType");
	struct json_object *size = mjson_get(object, "size", json_type_int);
	char shown[NAMES_SHOWN_MAX];

	if (!digest || !size || json_object_get_int64(size) < 0)
		return mjson_fail(document, "a descriptor without digest or size", err);
	if (!digest_is_valid(digest))
		return err_fail(err, STOR_UNSUPPORTED, 0, "%s: \"%s\" is no sha256 digest",
		                document, names_shown(digest, shown));
	descriptor->digest = xstrdup(digest);
	descriptor->media_type = xstrdup(media_type ? media_type : "");
	descriptor->size_bytes = (uint64_t)json_object_get_int64(size);
	return 0;
}

bool manifest_is_index(const char *text, size_t size)
{
	cleanup_json struct json_object *root = mjson_parse(text, size);

	return mjson_get(root, "manifests", json_type_array) != NULL;
}

/* --- choosing ----------------------------------------------------------------------------- */

struct candidate {
	struct json_object *object;
	const char *digest, *tag, *name, *os, *arch, *variant;
};

static const char *string_or_empty(struct json_object *object, const char *key)
{
	const char *text = object ? mjson_string(object, key) : NULL;

	return text ? text : "";
}

static struct candidate read_candidate(struct json_object *object)
{
	struct json_object *platform = mjson_get(object, "platform", json_type_object);
	struct json_object *notes = mjson_get(object, "annotations", json_type_object);

	return (struct candidate){
		.object = object,
		.digest = string_or_empty(object, "digest"),
		.tag = string_or_empty(notes, ANNOTATION_TAG),
		.name = string_or_empty(notes, ANNOTATION_NAME),
		.os = string_or_empty(platform, "os"),
		.arch = string_or_empty(platform, "architecture"),
		.variant = string_or_empty(platform, "variant"),
	};
}

static bool is_image(struct json_object *object)
{
	struct json_object *notes = mjson_get(object, "annotations", json_type_object);

	return json_object_is_type(object, json_type_object) &&
	       !*string_or_empty(notes, ANNOTATION_KIND);
}

static bool has_ref(const struct candidate *c, const char *ref)
{
	return !ref || !strcmp(c->digest, ref) || (*c->tag && mjson_is_ref(c->tag, ref)) ||
	       (*c->name && mjson_is_ref(c->name, ref));
}

/* What an index offers, for a hint. */
static void hint_choice(struct json_object *manifests, const char *option, struct stor_err *err)
{
	cleanup_strbuf struct strbuf list = STRBUF_INIT;
	bool by_platform = !strcmp(option, "--platform");

	for (size_t i = 0; i < json_object_array_length(manifests) && list.length < 300; i++) {
		struct candidate c = read_candidate(json_object_array_get_idx(manifests, i));
		const char *what = *c.name ? c.name : *c.tag ? c.tag : c.digest;
		char shown[NAMES_SHOWN_MAX];
		cleanup_free char *platform =
			xasprintf("%s/%s%s%s", c.os, c.arch, *c.variant ? "/" : "", c.variant);

		if (!is_image(c.object) || (by_platform && !*c.arch))
			continue;
		strbuf_printf(&list, "%s%s", list.length ? ", " : "",
		              names_shown(by_platform ? platform : what, shown));
	}
	if (list.length)
		err_hint(err, "%s chooses one of: %s", option, list.text);
}

int manifest_choose(const char *text, size_t size, const char *platform, const char *ref,
                    struct descriptor *chosen, struct stor_err *err)
{
	cleanup_json struct json_object *root = mjson_parse(text, size);
	struct json_object *manifests = mjson_get(root, "manifests", json_type_array);
	struct candidate best = { NULL };
	size_t with_ref = 0, suitable = 0;
	char shown[NAMES_SHOWN_MAX];

	if (!manifests)
		return mjson_fail("index", "not JSON, or without \"manifests\"", err);
	for (size_t i = 0; i < json_object_array_length(manifests); i++) {
		struct candidate c = read_candidate(json_object_array_get_idx(manifests, i));

		if (!is_image(c.object) || !has_ref(&c, ref))
			continue;
		with_ref++;
		if (*c.arch && !mjson_suits(platform, c.os, c.arch, c.variant))
			continue;
		/* One image under two tags is still one. */
		if (!suitable || strcmp(best.digest, c.digest) != 0)
			suitable++;
		best = c;
	}
	if (suitable == 1)
		return read_descriptor(best.object, "index", chosen, err);
	if (!with_ref && ref) {
		err_fail(err, STOR_NOT_FOUND, 0, "index: no image \"%s\"", names_shown(ref, shown));
		hint_choice(manifests, "--ref", err);
	} else if (!suitable) {
		err_fail(err, STOR_NOT_FOUND, 0, "index: no image for %s", platform);
		hint_choice(manifests, "--platform", err);
	} else {
		err_fail(err, STOR_USAGE, 0, "index: %zu images", suitable);
		hint_choice(manifests, "--ref", err);
	}
	return -1;
}

/* --- manifests ---------------------------------------------------------------------------- */

static bool is_tar_layer(const char *media_type)
{
	return !strstr(media_type, "encrypted") &&
	       (!*media_type || str_starts(media_type, "application/vnd.oci.image.layer.") ||
	        str_starts(media_type, "application/vnd.docker.image.rootfs."));
}

int manifest_parse(const char *text, size_t size, struct manifest *manifest, struct stor_err *err)
{
	cleanup_json struct json_object *root = mjson_parse(text, size);
	struct json_object *config = mjson_get(root, "config", json_type_object);
	struct json_object *layers = mjson_get(root, "layers", json_type_array);
	size_t count;

	if (!config || !layers)
		return mjson_fail("manifest", "not JSON, or without \"config\" and \"layers\"",
		                  err);
	if (read_descriptor(config, "manifest", &manifest->config, err) < 0)
		return -1;
	count = json_object_array_length(layers);
	manifest->layers = xcalloc(count + 1, sizeof(*manifest->layers));
	for (size_t i = 0; i < count; i++) {
		struct descriptor *layer = &manifest->layers[i];
		char shown[NAMES_SHOWN_MAX];

		if (read_descriptor(json_object_array_get_idx(layers, i), "manifest", layer, err) <
		    0)
			return -1;
		manifest->layer_count++;
		if (!is_tar_layer(layer->media_type))
			return err_fail(err, STOR_UNSUPPORTED, 0,
			                "manifest: layer %zu is of the kind \"%s\"", i + 1,
			                names_shown(layer->media_type, shown));
	}
	return 0;
}
