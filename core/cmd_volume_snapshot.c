/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor volume snapshot|snapshots|snapshot-rm|rollback|merge|compact|convert. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <stor/util.h>

#include "core/cmd_listing.h"
#include "core/cmd_volume.h"
#include "core/event.h"
#include "core/progress.h"

/* A command of a volume and the ids of snapshots. */
struct request {
	struct volume_options opts; /* first: what the shared options' setters are given */
	const char *until;
	bool is_all;
	struct volume volume;
	char **operands;
	int count;
};

static int set_until(void *target, const char *value, struct stor_err *err)
{
	struct request *request = target;

	(void)err;
	request->until = value;
	return 0;
}

static int set_all(void *target, const char *value, struct stor_err *err)
{
	struct request *request = target;

	(void)value;
	(void)err;
	request->is_all = true;
	return 0;
}

/* Parse, and find the volume that the first operand names: 0, 1 when there is nothing to do, or -1.
 */
static int begin(struct store *store, const struct opt_command *command, struct request *request,
                 int argc, char **argv, struct stor_err *err)
{
	int result =
		opts_parse(command, request, argc, argv, &request->operands, &request->count, err);

	if (result)
		return result < 0 ? -1 : 1;
	if (volume_find(store, request->operands[0], request->opts.backend, NULL, &request->volume,
	                err) < 0)
		return -1;
	if (!request->opts.params.count)
		return 0;
	params_free(&request->volume.params);
	return volume_set_params(&request->volume, &request->opts.params, STOR_PARAM_CHANGE, err);
}

static void request_free(struct request *request)
{
	strv_free(&request->opts.params);
	volume_free(&request->volume);
}
#define REQUEST_INIT                                                                               \
	{                                                                                          \
		.opts = { .params = STRV_INIT }, .volume = VOLUME_INIT                             \
	}
#define cleanup_request __attribute__((cleanup(request_free)))

typedef int (*snapshot_work)(const struct backend *b, const struct stor_volume *v,
                             struct stor_snapshot_req *req, struct stor_err *err);

static int work_on(struct store *store, struct request *request, const char *id, snapshot_work work,
                   struct stor_err *err)
{
	struct stor_snapshot_req req = { .id = id, .root_fd = -1, .control_fd = -1 };
	cleanup_close int lock_fd = volume_lock(store, &request->volume, false, err);

	return lock_fd < 0 ? -1 : work(request->volume.backend, &request->volume.ref, &req, err);
}

/* --- snapshots ---------------------------------------------------------------------------- */

static int take_snapshot(struct store *store, const struct request *request, const char *id,
                         struct stor_err *err)
{
	cleanup_free char *detail = xasprintf("snapshot=%s", id);

	if (volume_snapshot(store, &request->volume, id, err) < 0)
		return -1;
	event_thing(store, EVENT_VOLUME, "snapshot", request->operands[0], detail);
	return 0;
}

int cmd_volume_snapshot(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = { VOLUME_OPT_BACKEND, VOLUME_OPT_PARAM, { 0 } };
	static const struct opt_command command = {
		"volume snapshot",
		"[OPTIONS] NAME|PATH [ID]",
		"Keep the present state of a volume as a snapshot",
		"Without an ID the snapshot is called by the time of day (UTC), and its name is "
		"printed.",
		options,
		1,
		2,
		false,
	};
	cleanup_request struct request request = REQUEST_INIT;
	time_t now = time(NULL);
	char made_up[32];
	struct tm tm;
	int result = begin(store, &command, &request, argc, argv, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (request.count > 1)
		return take_snapshot(store, &request, request.operands[1], err);
	if (!gmtime_r(&now, &tm) || !strftime(made_up, sizeof(made_up), "%Y%m%d-%H%M%S", &tm))
		return err_fail(err, STOR_FAILED, 0, "volume snapshot: what time is it");
	if (take_snapshot(store, &request, made_up, err) < 0)
		return -1;
	puts(made_up);
	return 0;
}

/* Printed once the backend has told all of them. */
struct list {
	struct json json;
	struct table table;
	bool is_json;
};

static int list_one(void *ctx, const struct stor_snapshot *snapshot)
{
	struct list *list = ctx;
	char text[32];

	if (list->is_json) {
		json_open_object(&list->json, NULL);
		json_string(&list->json, "id", snapshot->id);
		json_string(&list->json, "parent", snapshot->parent);
		if (snapshot->created_seconds < 0)
			json_string(&list->json, "created", NULL);
		else
			json_i64(&list->json, "created", snapshot->created_seconds);
		json_bool(&list->json, "is_current", snapshot->is_current);
		json_close_object(&list->json);
		return 0;
	}
	table_cell(&list->table, snapshot->id);
	table_cell(&list->table, snapshot->parent ? snapshot->parent : "-");
	table_cell(&list->table, listing_time(snapshot->created_seconds, text, sizeof(text)));
	table_cell(&list->table, snapshot->is_current ? "yes" : "");
	return 0;
}

int cmd_volume_snapshots(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = { VOLUME_OPT_BACKEND, VOLUME_OPT_FORMAT, { 0 } };
	static const struct opt_command command = {
		"volume snapshots",
		"[OPTIONS] NAME|PATH",
		"List the snapshots of a volume",
		NULL,
		options,
		1,
		1,
		false,
	};
	static const char *const titles[] = { "ID", "PARENT", "CREATED", "CURRENT" };
	cleanup_request struct request request = REQUEST_INIT;
	struct list list = { .json = JSON_INIT, .table = TABLE_INIT(4) };
	int result = begin(store, &command, &request, argc, argv, err);

	if (result)
		return result < 0 ? -1 : 0;
	list.is_json = request.opts.is_json;
	json_open_array(&list.json, NULL);
	for (size_t i = 0; i < 4; i++)
		table_cell(&list.table, titles[i]);
	result = backend_snapshot_list(request.volume.backend, &request.volume.ref, list_one, &list,
	                               err);
	json_close_array(&list.json);
	if (!result && list.is_json)
		result = json_print(&list.json);
	else if (!result)
		table_print(&list.table); /* which frees it */
	strbuf_free(&list.json.out);
	strv_free(&list.table.cells);
	return result;
}

int cmd_volume_snapshot_rm(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = { VOLUME_OPT_BACKEND, VOLUME_OPT_PARAM, { 0 } };
	static const struct opt_command command = {
		"volume snapshot-rm",
		"[OPTIONS] NAME|PATH ID...",
		"Remove snapshots of a volume",
		NULL,
		options,
		2,
		-1,
		false,
	};
	cleanup_request struct request request = REQUEST_INIT;
	int result = begin(store, &command, &request, argc, argv, err);

	progress_catch_signals();
	for (int i = 1; i < request.count && !result; i++)
		result =
			work_on(store, &request, request.operands[i], backend_snapshot_delete, err);
	return result < 0 ? -1 : 0;
}

int cmd_volume_rollback(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = { VOLUME_OPT_BACKEND, VOLUME_OPT_PARAM, { 0 } };
	static const struct opt_command command = {
		"volume rollback",
		"[OPTIONS] NAME|PATH ID",
		"Give a volume the state of a snapshot; its present state is lost",
		NULL,
		options,
		2,
		2,
		false,
	};
	cleanup_request struct request request = REQUEST_INIT;
	int result = begin(store, &command, &request, argc, argv, err);

	if (result)
		return result < 0 ? -1 : 0;
	return work_on(store, &request, request.operands[1], backend_rollback, err);
}

/* Every snapshot with its parent, "" where it has none, and the one that the live state lies on. */
struct lineage {
	struct strv ids, parents;
	const char *newest;
};

static int add_to_lineage(void *ctx, const struct stor_snapshot *snapshot)
{
	struct lineage *lineage = ctx;

	strv_add(&lineage->ids, snapshot->id);
	strv_add(&lineage->parents, snapshot->parent ? snapshot->parent : "");
	if (snapshot->is_current)
		lineage->newest = lineage->ids.items[lineage->ids.count - 1];
	return 0;
}

static const char *parent_of(const struct lineage *lineage, const char *id)
{
	for (size_t i = 0; i < lineage->ids.count; i++)
		if (!strcmp(lineage->ids.items[i], id))
			return lineage->parents.items[i];
	return "";
}

/* All that the live state goes back to, as a range; nothing when there is none. */
static int merge_all(const struct request *request, struct stor_snapshot_req *req,
                     struct stor_err *err)
{
	struct lineage lineage = { .ids = STRV_INIT, .parents = STRV_INIT };
	const struct volume *volume = &request->volume;
	const char *parent;
	int result =
		backend_snapshot_list(volume->backend, &volume->ref, add_to_lineage, &lineage, err);

	req->id = req->until = lineage.newest;
	/* A circle would end too, as a list of ids does. */
	for (size_t i = 0; i < lineage.ids.count && req->id; i++) {
		parent = parent_of(&lineage, req->until);
		if (!strv_has(&lineage.ids, parent))
			break;
		req->until = parent;
	}
	if (!result && req->id)
		result = backend_merge(volume->backend, &volume->ref, req, err);
	strv_free(&lineage.ids);
	strv_free(&lineage.parents);
	return result;
}

int cmd_volume_merge(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		VOLUME_OPT_BACKEND,
		VOLUME_OPT_PARAM,
		{ 'a', "all", NULL, "All that the present state goes back to", set_all },
		{ 0, "until", "ID", "Also the snapshots below it, down to this one", set_until },
		{ 0 },
	};
	static const struct opt_command command = {
		"volume merge",
		"[OPTIONS] NAME|PATH [ID]",
		"Fold a snapshot into what was made of it",
		"The state of what was made of it stays; the snapshot is gone.",
		options,
		1,
		2,
		false,
	};
	cleanup_volume_change struct volume_change change = VOLUME_CHANGE_INIT;
	cleanup_request struct request request = REQUEST_INIT;
	struct stor_snapshot_req req = { .id = NULL };
	int result = begin(store, &command, &request, argc, argv, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (request.is_all == (request.count > 1) || (request.is_all && request.until))
		return err_fail(err, STOR_USAGE, 0,
		                "volume merge: one snapshot, a range with --until, or --all");
	progress_catch_signals();
	if (volume_change_begin(store, &request.volume, false, &change, err) < 0)
		return -1;
	req.root_fd = change.root_fd;
	req.control_fd = change.control_fd;
	if (request.is_all)
		return merge_all(&request, &req, err);
	req.id = request.operands[1];
	req.until = request.until;
	return backend_merge(request.volume.backend, &request.volume.ref, &req, err);
}

/* --- compact, convert --------------------------------------------------------------------- */

int cmd_volume_compact(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = { VOLUME_OPT_BACKEND, { 0 } };
	static const struct opt_command command = {
		"volume compact",
		"[OPTIONS] NAME|PATH",
		"Give space that a volume no longer uses back to the host",
		NULL,
		options,
		1,
		1,
		false,
	};
	cleanup_volume_change struct volume_change change = VOLUME_CHANGE_INIT;
	cleanup_request struct request request = REQUEST_INIT;
	struct stor_compact_req req = { .freed_bytes = 0 };
	char text[32];
	int result = begin(store, &command, &request, argc, argv, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (volume_change_begin(store, &request.volume, true, &change, err) < 0)
		return -1;
	req.root_fd = change.root_fd;
	req.control_fd = change.control_fd;
	/* What a server does goes on without this command. */
	if (change.root_fd < 0)
		progress_catch_signals();
	if (backend_compact(request.volume.backend, &request.volume.ref, &req, err) < 0)
		return -1;
	printf("%s: %s freed\n", request.volume.name,
	       str_from_size(req.freed_bytes, text, sizeof(text)));
	return 0;
}

/* The volume's record says what it was made with, and now is. */
static int record_params(struct store *store, struct volume *volume, struct stor_err *err)
{
	cleanup_free char *path = NULL;

	if (!volume->dir)
		return 0;
	path = xasprintf("%s/record", volume->dir);
	params_save(&volume->params, volume->backend, &volume->record);
	return record_save(&volume->record, store->fd, path, true, err);
}

static int set_to_backend(void *target, const char *value, struct stor_err *err)
{
	struct volume_options *options = target;

	(void)err;
	options->to_backend = value;
	return 0;
}

static int convert_params(struct store *store, struct volume *volume,
                          const struct volume_options *opts, struct stor_err *err)
{
	cleanup_close int lock_fd = -1;

	if (opts->create.size_bytes) {
		err_fail(err, STOR_USAGE, 0, "volume convert: --size goes with --to");
		err_hint(err, "stor volume resize changes the size of a volume");
		return -1;
	}
	if (!opts->params.count) {
		err_fail(err, STOR_USAGE, 0, "volume convert: nothing to change");
		err_hint(err, "give parameters with -o KEY=VALUE, or another backend with --to");
		return -1;
	}
	params_free(&volume->params);
	if (volume_set_params(volume, &opts->params, STOR_PARAM_CREATE | STOR_PARAM_CHANGE, err) <
	    0)
		return -1;
	lock_fd = volume_lock(store, volume, false, err);
	if (lock_fd < 0 || backend_convert(volume->backend, &volume->ref, err) < 0)
		return -1;
	return record_params(store, volume, err);
}

static int convert(struct store *store, const char *name, const struct volume_options *opts,
                   struct stor_err *err)
{
	const struct volume_convert_opts to = { .backend = opts->to_backend,
		                                .params = &opts->params,
		                                .size_bytes = opts->create.size_bytes };
	cleanup_volume struct volume volume = VOLUME_INIT;

	if (volume_find(store, name, opts->backend, NULL, &volume, err) < 0)
		return -1;
	return opts->to_backend ? volume_convert(store, &volume, &to, err)
	                        : convert_params(store, &volume, opts, err);
}

int cmd_volume_convert(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		VOLUME_OPT_BACKEND,
		VOLUME_OPT_PARAM,
		{ 0, "size", "SIZE", "With --to: size of the new filesystem (as it is)",
		  volume_set_size },
		{ 0, "to", "NAME", "Backend that it goes to, with its content", set_to_backend },
		{ 0 },
	};
	static const struct opt_command command = {
		"volume convert",
		"[OPTIONS] NAME|PATH",
		"Change parameters that a volume was made with, or its backend",
		NULL,
		options,
		1,
		1,
		false,
	};
	struct volume_options opts = { .params = STRV_INIT };
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	progress_catch_signals();
	if (!result)
		result = convert(store, operands[0], &opts, err);
	strv_free(&opts.params);
	return result < 0 ? -1 : 0;
}
