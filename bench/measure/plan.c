/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See plan.h. */
#include "bench/measure/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <stor/util.h>

#include "core/base/fs.h"

#define RUN_FILE_MAX (1u << 20)
#define ROUNDS_MAX 1000000
#define CPUS_MAX 100000

void plan_init(struct plan *plan)
{
	*plan = (struct plan){ .warmups = 1, .precision = 0.05, .confidence = 0.95 };
}

void plan_free(struct plan *plan)
{
	strv_free(&plan->backends);
	strv_free(&plan->peers);
	strv_free(&plan->workloads);
	strv_free(&plan->images);
	strv_free(&plan->sizes);
	strv_free(&plan->caches);
	strv_free(&plan->limits);
	free(plan->output);
	free(plan->folder);
}

void plan_add(struct strv *list, const char *value)
{
	while (*value) {
		size_t length = strcspn(value, ",");

		if (length)
			strv_take(list, xstrndup(value, length));
		value += length + (value[length] == ',');
	}
}

/* --- settings -------------------------------------------------------------------------------- */

static int set_number(uint64_t *number, const char *name, const char *value, struct stor_err *err)
{
	return str_to_u64(value, number) < 0 || *number > ROUNDS_MAX
	               ? err_fail(err, STOR_USAGE, 0, "%s: \"%s\" is no number up to %d", name,
	                          value, ROUNDS_MAX)
	               : 0;
}

static int set_seed(struct plan *plan, const char *value, struct stor_err *err)
{
	plan->has_seed = true;
	return str_to_u64(value, &plan->seed) < 0 || plan->seed > INT64_MAX
	               ? err_fail(err, STOR_USAGE, 0, "seed: \"%s\" is no number", value)
	               : 0;
}

/* "5%", or "0.05". */
static int set_share(double *share, const char *name, const char *value, struct stor_err *err)
{
	char *end;

	*share = strtod(value, &end);
	if (end != value && !strcmp(end, "%")) {
		*share /= 100;
		end++;
	}
	if (end == value || *end || !(*share > 0 && *share < 1)) {
		err_fail(err, STOR_USAGE, 0, "%s: \"%s\" is no share between 0 and 1", name, value);
		err_hint(err, "as 0.05, or 5%%");
		return -1;
	}
	return 0;
}

/* "10", or "10-100". */
static int set_repeat(struct plan *plan, const char *value, struct stor_err *err)
{
	cleanup_free char *least = xstrndup(value, strcspn(value, "-"));
	const char *most = strchr(value, '-');

	if (set_number(&plan->least, "repeat", least, err) < 0 ||
	    set_number(&plan->most, "repeat", most ? most + 1 : least, err) < 0)
		return -1;
	return plan->least && plan->most >= plan->least
	               ? 0
	               : err_fail(err, STOR_USAGE, 0,
	                          "repeat: \"%s\" is neither a number above 0 nor LEAST-MOST",
	                          value);
}

static int set_text(char **text, const char *value)
{
	free(*text);
	*text = xstrdup(value);
	return 0;
}

/* Is it the name of a list? Then its items are added. */
static bool set_list(struct plan *plan, const char *name, const char *value)
{
	const struct {
		const char *name;
		struct strv *list;
	} lists[] = {
		{ "backends", &plan->backends }, { "peers", &plan->peers },
		{ "images", &plan->images },     { "sizes", &plan->sizes },
		{ "caches", &plan->caches },
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		if (strcmp(lists[i].name, name) != 0)
			continue;
		plan_add(lists[i].list, value);
		return true;
	}
	return false;
}

static bool is_processors(const char *value)
{
	char *end;
	double number = strtod(value, &end);

	return end != value && !*end && number > 0 && number <= CPUS_MAX;
}

static bool is_memory(const char *value)
{
	uint64_t bytes;

	return !str_to_size(value, &bytes) && bytes;
}

/* "cpus=1". */
static int check_limit(const char *limit, struct stor_err *err)
{
	static const struct {
		const char *name, *wanted;
		bool (*is_right)(const char *value);
	} known[] = {
		{ "cpus", "a number above 0", is_processors },
		{ "memory", "a size above 0", is_memory },
	};
	size_t length = strcspn(limit, "=");

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strlen(known[i].name) != length || strncmp(known[i].name, limit, length) != 0)
			continue;
		return limit[length] && known[i].is_right(limit + length + 1)
		               ? 0
		               : err_fail(err, STOR_USAGE, 0, "limits: \"%s\": %s is %s", limit,
		                          known[i].name, known[i].wanted);
	}
	err_fail(err, STOR_USAGE, 0, "limits: there is no limit \"%.*s\"", (int)length, limit);
	err_hint(err, "cpus and memory are limits: cpus=1.5,memory=256M; none stands for no limit");
	return -1;
}

/* "cpus=1,memory=256M", or "none": one row. */
static int add_limits(struct plan *plan, const char *value, struct stor_err *err)
{
	cleanup_strv struct strv limits = STRV_INIT;

	if (!strcmp(value, "none")) {
		strv_add(&plan->limits, "");
		return 0;
	}
	plan_add(&limits, value);
	if (!limits.count)
		return check_limit("", err);
	for (size_t i = 0; i < limits.count; i++)
		if (check_limit(limits.items[i], err) < 0)
			return -1;
	strv_take(&plan->limits, strv_join(&limits, ","));
	return 0;
}

int plan_set(struct plan *plan, const char *name, const char *value, struct stor_err *err)
{
	if (set_list(plan, name, value))
		return 0;
	/* A command may have commas, and so have limits. */
	if (!strcmp(name, "workloads") && strchr(value, ' ')) {
		strv_add(&plan->workloads, value);
		return 0;
	}
	if (!strcmp(name, "workloads")) {
		plan_add(&plan->workloads, value);
		return 0;
	}
	if (!strcmp(name, "limits"))
		return add_limits(plan, value, err);
	if (!strcmp(name, "repeat"))
		return set_repeat(plan, value, err);
	if (!strcmp(name, "warm-up"))
		return set_number(&plan->warmups, name, value, err);
	if (!strcmp(name, "precision"))
		return set_share(&plan->precision, name, value, err);
	if (!strcmp(name, "confidence"))
		return set_share(&plan->confidence, name, value, err);
	if (!strcmp(name, "seed"))
		return set_seed(plan, value, err);
	if (!strcmp(name, "output"))
		return set_text(&plan->output, value);
	if (!strcmp(name, "folder"))
		return set_text(&plan->folder, value);
	err_fail(err, STOR_USAGE, 0, "there is no setting \"%s\"", name);
	err_hint(err, "backends, peers, workloads, images, sizes, caches, limits, repeat, warm-up, "
	              "precision, confidence, seed, output and folder are settings");
	return -1;
}

/* --- the run file ---------------------------------------------------------------------------- */

static int set_from_json(struct plan *plan, const char *path, const char *name,
                         struct json_object *value, struct stor_err *err)
{
	size_t count =
		json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 1;

	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_is_type(value, json_type_array)
		                                   ? json_object_array_get_idx(value, i)
		                                   : value;

		if (!json_object_is_type(item, json_type_string) &&
		    !json_object_is_type(item, json_type_int) &&
		    !json_object_is_type(item, json_type_double))
			return err_fail(err, STOR_USAGE, 0, "%s: \"%s\" is no text or number", path,
			                name);
		if (plan_set(plan, name, json_object_get_string(item), err) < 0)
			return err_context(err, "%s", path);
	}
	return 0;
}

int plan_read(struct plan *plan, const char *path, struct stor_err *err)
{
	cleanup_free char *text = fs_read_file(AT_FDCWD, path, RUN_FILE_MAX, NULL, err);
	enum json_tokener_error wrong = json_tokener_success;
	struct json_object *file;
	int result = 0;

	if (!text)
		return -1;
	file = json_tokener_parse_verbose(text, &wrong);
	if (!json_object_is_type(file, json_type_object)) {
		err_fail(err, STOR_USAGE, 0, "%s: no object of JSON%s%s", path, file ? "" : ": ",
		         file ? "" : json_tokener_error_desc(wrong));
		json_object_put(file);
		return -1;
	}
	json_object_object_foreach(file, name, value) if (!result) result =
		set_from_json(plan, path, name, value, err);
	json_object_put(file);
	return result;
}

/* --- what was not said ----------------------------------------------------------------------- */

static void add_default(struct strv *list, const char *value)
{
	if (!list->count)
		strv_add(list, value);
}

static int check_caches(const struct plan *plan, struct stor_err *err)
{
	for (size_t i = 0; i < plan->caches.count; i++) {
		const char *cache = plan->caches.items[i];

		if (strcmp(cache, "warm") != 0 && strcmp(cache, "cold") != 0)
			return err_fail(err, STOR_USAGE, 0,
			                "caches: \"%s\" is neither warm nor cold", cache);
	}
	return 0;
}

int plan_complete(struct plan *plan, struct stor_err *err)
{
	if (!plan->workloads.count) {
		err_fail(err, STOR_USAGE, 0, "no workload given");
		err_hint(err, "--workload start measures the start of containers; stor bench "
		              "--list-workloads lists what else there is");
		return -1;
	}
	add_default(&plan->backends, "dir");
	add_default(&plan->images, "busybox");
	add_default(&plan->sizes, "1G");
	add_default(&plan->caches, "warm");
	add_default(&plan->limits, "");
	if (!plan->least)
		plan->least = plan->most = 10;
	if (!plan->has_seed && getrandom(&plan->seed, 4, 0) != 4)
		return err_fail(err, STOR_FAILED, errno, "draw a seed");
	return check_caches(plan, err);
}
