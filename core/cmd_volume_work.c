/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor volume resize|check|mount|umount. */
#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/json.h"
#include "core/cmd_options.h"
#include "core/cmd_volume.h"
#include "core/event.h"
#include "core/progress.h"

/* --- resize ------------------------------------------------------------------------------- */

int cmd_volume_resize(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = { VOLUME_OPT_BACKEND, { 0 } };
	static const struct opt_command command = {
		"volume resize",
		"[OPTIONS] NAME|PATH SIZE",
		"Give a volume and its filesystem another size",
		"A volume in use grows under its users. Shrinking needs a volume that is not in "
		"use, "
		"and a\nbackend that can do it.",
		options,
		2,
		2,
		false,
	};
	struct volume_options opts = { .backend = NULL };
	cleanup_volume struct volume volume = VOLUME_INIT;
	uint64_t size_bytes;
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (str_to_size(operands[1], &size_bytes) < 0)
		return opts_fail_value("volume resize", operands[1], "a size such as 512M or 10G",
		                       err);
	if (volume_find(store, operands[0], opts.backend, NULL, &volume, err) < 0)
		return -1;
	progress_catch_signals();
	if (volume_resize(store, &volume, size_bytes, err) < 0)
		return -1;
	event_thing(store, EVENT_VOLUME, "resize", operands[0], NULL);
	return 0;
}

/* --- check -------------------------------------------------------------------------------- */

static int set_repair(void *target, const char *value, struct stor_err *err)
{
	struct volume_options *options = target;

	return option_switch(&options->repair, "--repair", value, err);
}

struct findings {
	bool is_json;
	struct json json;
};

static int take_finding(void *ctx, const char *key, const char *value)
{
	struct findings *findings = ctx;

	if (!findings->is_json)
		return printf("%s: %s\n", key, value) < 0 ? -1 : 0;
	json_open_object(&findings->json, NULL);
	json_string(&findings->json, "kind", key);
	json_string(&findings->json, "text", value);
	json_close_object(&findings->json);
	return 0;
}

static int check(struct store *store, const struct volume *volume,
                 const struct volume_options *opts, struct findings *findings,
                 enum stor_verdict *verdict, struct stor_err *err)
{
	struct stor_check_req req = { .flags = opts->repair ? STOR_CHECK_REPAIR : 0,
		                      .emit = take_finding,
		                      .emit_ctx = findings };
	cleanup_close int lock_fd = volume_lock(store, volume, !opts->repair, err);

	if (lock_fd < 0)
		return -1;
	return backend_check(volume->backend, &volume->ref, &req, verdict, err);
}

static int set_params(struct volume *volume, const struct volume_options *opts,
                      struct stor_err *err)
{
	if (!opts->params.count)
		return 0;
	params_free(&volume->params);
	return volume_set_params(volume, &opts->params, STOR_PARAM_CHANGE, err);
}

int cmd_volume_check(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		VOLUME_OPT_BACKEND,
		VOLUME_OPT_PARAM,
		VOLUME_OPT_FORMAT,
		{ 0, "repair", NULL, "Repair what is found", set_repair },
		{ 0 },
	};
	static const struct opt_command command = {
		"volume check",
		"[OPTIONS] NAME|PATH",
		"Look for damage in a volume that is not in use",
		"Exit status: 0 when it is clean or was repaired, 1 when it is damaged.",
		options,
		1,
		1,
		false,
	};
	static const char *const verdicts[] = { "clean", "repaired", "damaged" };
	struct volume_options opts = { .params = STRV_INIT };
	cleanup_volume struct volume volume = VOLUME_INIT;
	struct findings findings = { .json = JSON_INIT };
	enum stor_verdict verdict;
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (!result && (volume_find(store, operands[0], opts.backend, NULL, &volume, err) < 0 ||
	                set_params(&volume, &opts, err) < 0))
		result = -1;
	strv_free(&opts.params);
	if (result)
		return result < 0 ? -1 : 0;
	progress_catch_signals();
	findings.is_json = opts.is_json;
	json_open_object(&findings.json, NULL);
	json_string(&findings.json, "name", volume.name);
	json_open_array(&findings.json, "findings");
	if (check(store, &volume, &opts, &findings, &verdict, err) < 0) {
		strbuf_free(&findings.json.out);
		return -1;
	}
	json_close_array(&findings.json);
	json_string(&findings.json, "verdict", verdicts[verdict]);
	json_close_object(&findings.json);
	if (opts.is_json)
		result = json_print(&findings.json);
	else
		printf("%s: %s\n", volume.name, verdicts[verdict]);
	strbuf_free(&findings.json.out);
	if (result < 0)
		return -1;
	return verdict == STOR_VERDICT_DAMAGED ? STOR_FAILED : 0;
}

/* --- mount, umount ------------------------------------------------------------------------ */

static int set_snapshot(void *target, const char *value, struct stor_err *err)
{
	struct volume_options *options = target;

	(void)err;
	options->snapshot = value;
	return 0;
}

int cmd_volume_mount(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		VOLUME_OPT_BACKEND,
		VOLUME_OPT_PARAM,
		{ 'r', "read-only", NULL, "Mount it read-only", volume_set_read_only },
		{ 0, "snapshot", "ID", "Mount this snapshot of it, read-only", set_snapshot },
		{ 0 },
	};
	static const struct opt_command command = {
		"volume mount",
		"[OPTIONS] NAME|PATH DIR",
		"Mount a volume at a directory of the host, until stor volume umount",
		NULL,
		options,
		2,
		2,
		false,
	};
	struct volume_options opts = { .params = STRV_INIT };
	cleanup_volume struct volume volume = VOLUME_INIT;
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (!result &&
	    (volume_find(store, operands[0], opts.backend, &opts.params, &volume, err) < 0 ||
	     volume_mount(store, &volume, operands[1], opts.snapshot, opts.read_only, err) < 0))
		result = -1;
	else if (!result)
		event_thing(store, EVENT_VOLUME, "mount", operands[0], NULL);
	strv_free(&opts.params);
	return result < 0 ? -1 : 0;
}

int cmd_volume_umount(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = { { 0 } };
	static const struct opt_command command = {
		"volume umount",
		"NAME|PATH|DIR",
		"Unmount a volume from one directory of the host, or from all",
		NULL,
		options,
		1,
		1,
		false,
	};
	char **operands;
	int count, result = opts_parse(&command, NULL, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (volume_umount(store, operands[0], err) < 0)
		return -1;
	event_thing(store, EVENT_VOLUME, "unmount", operands[0], NULL);
	return 0;
}
