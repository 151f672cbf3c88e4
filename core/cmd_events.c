/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor events: what happened to containers, images and volumes, and what happens. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/json.h"
#include "core/cmd_filter.h"
#include "core/cmd_options.h"
#include "core/cmd_store.h"
#include "core/cmd_template.h"
#include "core/cmd_time.h"
#include "core/event.h"

#define LOOK_AGAIN_MS 500

struct options {
	bool is_json, follows;
	const char *template;
	struct strv filters;
	char since[LOG_TIME_MAX], until[LOG_TIME_MAX]; /* "": not given */
};

enum field { TIME, TYPE, ACTION, ID, NAME, IMAGE, EXIT_CODE, DETAILS };

static const struct template_field fields[] = {
	{ "Time", TIME },       { "Type", TYPE }, { "Action", ACTION }, { "Status", ACTION },
	{ "ID", ID },           { "Name", NAME }, { "Image", IMAGE },   { "ExitCode", EXIT_CODE },
	{ "Details", DETAILS }, { NULL, 0 },
};

/* --- options ------------------------------------------------------------------------------ */

static int set_format(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	options->template = template_is(value) ? value : NULL;
	if (options->template)
		return template_check(value, fields, err);
	return option_format(&options->is_json, value, err);
}

static int set_follow(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct options *)target)->follows, "--follow", value, err);
}

static int set_since(void *target, const char *value, struct stor_err *err)
{
	return option_time("--since", value, ((struct options *)target)->since, err);
}

static int set_until(void *target, const char *value, struct stor_err *err)
{
	return option_time("--until", value, ((struct options *)target)->until, err);
}

/* --- filters ------------------------------------------------------------------------------ */

static bool is_action(const void *thing, const char *value)
{
	return filter_is_text(((const struct event *)thing)->action, value);
}

static bool is_type(const void *thing, const char *value)
{
	return filter_is_text(((const struct event *)thing)->type, value);
}

/* It is about the thing of this type and name. */
static bool is_of(const struct event *event, const char *type, const char *name)
{
	return is_type(event, type) && filter_is_text(event->id, name);
}

static bool is_of_image(const void *thing, const char *value)
{
	const struct event *event = thing;

	return filter_is_text(event_detail(event, "image"), value) ||
	       is_of(event, EVENT_IMAGE, value);
}

static bool is_of_volume(const void *thing, const char *value)
{
	return is_of(thing, EVENT_VOLUME, value);
}

static bool is_of_container(const void *thing, const char *value)
{
	const struct event *event = thing;

	return is_type(event, EVENT_CONTAINER) && *value &&
	       (str_starts(event->id, value) || filter_is_text(event_detail(event, "name"), value));
}

static const struct filter filters[] = {
	{ "container", is_of_container }, { "event", is_action },
	{ "image", is_of_image },         { "type", is_type },
	{ "volume", is_of_volume },       { NULL, NULL },
};

static int set_filter(void *target, const char *value, struct stor_err *err)
{
	if (filter_find(filters, value)) {
		strv_add(&((struct options *)target)->filters, value);
		return 0;
	}
	err_fail(err, STOR_USAGE, 0, "--filter: \"%s\" is no known KEY=VALUE", value);
	err_hint(err, "keys are container, event, image, type and volume");
	return -1;
}

/* --- printing ----------------------------------------------------------------------------- */

static char *details_text(const struct event *event)
{
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < event->detail_count; i++)
		strbuf_printf(&text, "%s%s", i ? ", " : "", event->details[i]);
	return strbuf_steal(&text);
}

static char *field_text(void *ctx, int number)
{
	const struct event *event = ctx;
	const char *value = NULL;

	switch ((enum field)number) {
	case TIME:
		value = event->time;
		break;
	case TYPE:
		value = event->type;
		break;
	case ACTION:
		value = event->action;
		break;
	case ID:
		value = event->id;
		break;
	case NAME:
		value = event_detail(event, "name");
		break;
	case IMAGE:
		value = event_detail(event, "image");
		break;
	case EXIT_CODE:
		value = event_detail(event, "exit_code");
		break;
	case DETAILS:
		return details_text(event);
	}
	return value ? xstrdup(value) : NULL;
}

static void print_json(const struct event *event)
{
	struct json json = JSON_INIT;

	json_open_object(&json, NULL);
	json_string(&json, "time", event->time);
	json_string(&json, "type", event->type);
	json_string(&json, "action", event->action);
	json_string(&json, "id", event->id);
	json_open_object(&json, "details");
	for (size_t i = 0; i < event->detail_count; i++) {
		size_t length = strcspn(event->details[i], "=");
		cleanup_free char *key = xstrndup(event->details[i], length);

		json_string(&json, key,
		            event->details[i] + length + (event->details[i][length] == '='));
	}
	json_close_object(&json);
	json_close_object(&json);
	json_flatten(&json);
	json_print(&json);
}

static void print(const struct options *options, struct event *event)
{
	if (options->template) {
		template_print(options->template, fields, field_text, event);
	} else if (options->is_json) {
		print_json(event);
	} else {
		cleanup_free char *details = details_text(event);

		printf("%s %s %s %s%s%s%s\n", event->time, event->type, event->action, event->id,
		       *details ? " (" : "", details, *details ? ")" : "");
	}
}

/* --- the stream --------------------------------------------------------------------------- */

static int print_present(const struct options *options, struct event_reader *reader,
                         struct stor_err *err)
{
	struct event event;

	while (event_reader_next(reader, &event))
		if (strcmp(event.time, options->since) >= 0 &&
		    (!*options->until || strcmp(event.time, options->until) <= 0) &&
		    filters_pass(filters, &options->filters, &event))
			print(options, &event);
	return fflush(stdout) < 0 ? err_fail(err, STOR_FAILED, errno, "write") : 0;
}

static bool is_over(const struct options *options)
{
	char time[LOG_TIME_MAX];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return *options->until && strcmp(container_log_time(&now, time), options->until) > 0;
}

static int follow(struct store *store, const struct options *options, struct event_reader *reader,
                  struct stor_err *err)
{
	cleanup_close int watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	/* Whoever reads no more is noticed, too. */
	struct pollfd fds[2] = { { .fd = watch_fd, .events = POLLIN }, { .fd = STDOUT_FILENO } };
	char changes[4096];

	if (watch_fd < 0 ||
	    inotify_add_watch(watch_fd, store->state_path, IN_MODIFY | IN_CREATE) < 0)
		return err_fail(err, STOR_FAILED, errno, "watch %s", store->state_path);
	for (;;) {
		bool was_over = is_over(options);

		if (print_present(options, reader, err) < 0)
			return -1;
		if (was_over || fds[1].revents & (POLLERR | POLLHUP))
			return 0;
		poll(fds, 2, *options->until ? LOOK_AGAIN_MS : -1);
		while (read(watch_fd, changes, sizeof(changes)) > 0)
			continue;
	}
}

static int show(struct store *store, const struct options *options, struct stor_err *err)
{
	bool only_new = options->follows && !*options->since;
	struct event_reader reader;
	int result;

	if (store_open(store, err) < 0 || event_reader_open(&reader, store, only_new, err) < 0)
		return -1;
	result = options->follows ? follow(store, options, &reader, err)
	                          : print_present(options, &reader, err);
	event_reader_close(&reader);
	return result;
}

int cmd_events(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt list[] = {
		{ 0, "filter", "KEY=VALUE", "Only those of this container, event, image, type, ...",
		  set_filter },
		{ 'f', "follow", NULL, "Wait for what happens; without --since only that",
		  set_follow },
		{ 0, "format", "FORMAT", "Print a table, json, or a template: {{.Action}}",
		  set_format },
		{ 0, "since", "TIME", "Only what happened since then", set_since },
		{ 0, "until", "TIME", "Only what happens until then", set_until },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "events",
		.synopsis = "[OPTIONS]",
		.summary = "Show what happened to containers, images and volumes",
		.options = list,
	};
	struct options options = { .is_json = false };
	char **operands;
	int count, result = opts_parse(&command, &options, argc, argv, &operands, &count, err);

	if (!result)
		result = show(store, &options, err);
	else if (result > 0)
		result = 0;
	strv_free(&options.filters);
	return result;
}
