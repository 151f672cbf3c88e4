/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration of an image, and what of it stor remembers: see manifest.h. */
#include <string.h>

#include <stor/util.h>

#include "modules/image/digest.h"
#include "modules/image/manifest.h"
#include "modules/image/manifest_json.h"
#include "modules/image/names.h"

static void add_list(struct record *record, const char *key, struct json_object *config,
                     const char *member)
{
	struct json_object *list = mjson_get(config, member, json_type_array);

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		const char *item = mjson_item(list, i);

		if (item)
			record_add(record, key, item);
	}
}

/* Variables and labels need a name to be found by. */
static void add_pairs(struct record *record, struct json_object *config)
{
	struct json_object *env = mjson_get(config, "Env", json_type_array);
	struct json_object *labels = mjson_get(config, "Labels", json_type_object);

	for (size_t i = 0; env && i < json_object_array_length(env); i++) {
		const char *item = mjson_item(env, i);

		if (item && *item != '=' && strchr(item, '='))
			record_add(record, "config.env", item);
	}
	if (!labels)
		return;
	json_object_object_foreach(labels, key, value)
	{
		const char *text = mjson_string(labels, key);
		cleanup_free char *line = NULL;

		(void)value;
		if (!text || !*key || strchr(key, '='))
			continue;
		line = xasprintf("%s=%s", key, text);
		record_add(record, "config.label", line);
	}
}

static void add_text(struct record *record, const char *key, struct json_object *object,
                     const char *member)
{
	const char *text = object ? mjson_string(object, member) : NULL;

	if (text && *text)
		record_add(record, key, text);
}

static int check_platform(struct json_object *root, const char *platform, struct stor_err *err)
{
	const char *os = mjson_string(root, "os"), *arch = mjson_string(root, "architecture");
	const char *variant = mjson_string(root, "variant");
	char shown[NAMES_SHOWN_MAX];
	cleanup_free char *found = NULL;

	if (!os || !arch)
		return mjson_fail("configuration", "without \"os\" and \"architecture\"", err);
	if (mjson_suits(platform, os, arch, variant ? variant : ""))
		return 0;
	found = xasprintf("%s/%s", os, arch);
	err_fail(err, STOR_UNSUPPORTED, 0, "the image is for %s, not for %s",
	         names_shown(found, shown), platform);
	err_hint(err, "--platform %s imports it nevertheless", shown);
	return -1;
}

int manifest_parse_config(const char *text, size_t size, const char *platform,
                          struct record *record, struct strv *diff_ids, struct stor_err *err)
{
	cleanup_json struct json_object *root = mjson_parse(text, size);
	struct json_object *config = mjson_get(root, "config", json_type_object);
	struct json_object *rootfs = mjson_get(root, "rootfs", json_type_object);
	struct json_object *ids = rootfs ? mjson_get(rootfs, "diff_ids", json_type_array) : NULL;

	if (!ids)
		return mjson_fail("configuration", "not that of a container image", err);
	if (check_platform(root, platform, err) < 0)
		return -1;
	for (size_t i = 0; i < json_object_array_length(ids); i++) {
		const char *id = mjson_item(ids, i);

		if (!id || !digest_is_valid(id))
			return mjson_fail("configuration", "a diff_id that is no sha256 digest",
			                  err);
		strv_add(diff_ids, id);
	}
	if (config) {
		add_pairs(record, config);
		add_list(record, "config.entrypoint", config, "Entrypoint");
		add_list(record, "config.cmd", config, "Cmd");
	}
	add_text(record, "config.workdir", config, "WorkingDir");
	add_text(record, "config.user", config, "User");
	add_text(record, "config.stop-signal", config, "StopSignal");
	add_text(record, "config.arch", root, "architecture");
	return 0;
}
