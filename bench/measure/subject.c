/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which subjects an experiment has: see subject.h. */
#include "bench/measure/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "bench/measure/stage.h"
#include "bench/measure/watch.h"

static const struct subject_kind *const peers[] = {
	&subject_bwrap,  &subject_crun,   &subject_runc,   &subject_lxc,
	&subject_nspawn, &subject_docker, &subject_podman, NULL,
};

void subjects_free(struct subjects *subjects)
{
	for (size_t i = 0; i < subjects->count; i++) {
		free(subjects->items[i].name);
		free(subjects->items[i].backend);
		free(subjects->items[i].absent);
		strv_free(&subjects->items[i].params);
		strv_free(&subjects->items[i].create_params);
	}
	free(subjects->items);
	*subjects = (struct subjects){ .count = 0 };
}

static struct subject *add(struct subjects *subjects, const char *name,
                           const struct subject_kind *kind)
{
	struct subject *subject;

	subjects->items =
		xrealloc(subjects->items, (subjects->count + 1) * sizeof(*subjects->items));
	subject = &subjects->items[subjects->count++];
	*subject = (struct subject){ .name = xstrdup(name), .does = kind };
	return subject;
}

/* Which parameters a volume is made with: stor refuses the others there. */
static int sort_params(const struct bench *bench, struct subject *subject, struct stor_err *err)
{
	cleanup_free char *info = NULL;

	if (command_call(&info, err, bench->stor, "backend", "info", subject->backend, NULL) < 0)
		return -1;
	for (size_t i = 0; i < subject->params.count; i++) {
		const char *param = subject->params.items[i];
		cleanup_free char *key = xstrndup(param, strcspn(param, "="));
		cleanup_free char *line = xasprintf("\nparam.%s.scope=", key);
		const char *scope = strstr(info, line);

		/* Of a run, and no backend's own. */
		if (!strcmp(key, "clone"))
			continue;
		if (!scope)
			return err_fail(err, STOR_USAGE, 0,
			                "%s: backend %s has no parameter \"%s\"", subject->name,
			                subject->backend, key);
		if (!str_starts(scope + strlen(line), "attach"))
			strv_add(&subject->create_params, param);
	}
	return 0;
}

/* "ploop:attach=engine:layout=preallocated". */
static int add_backend(const struct bench *bench, struct subjects *subjects, const char *text,
                       struct stor_err *err)
{
	struct subject *subject;
	cleanup_free char *words = xstrdup(text);
	char *save = NULL, *word = strtok_r(words, ":", &save);

	for (size_t i = 0; i < subjects->count; i++)
		if (!strcmp(subjects->items[i].name, text))
			return err_fail(err, STOR_USAGE, 0, "%s is named twice", text);
	if (!word || !str_is_name(word))
		return err_fail(err, STOR_USAGE, 0, "backends: \"%s\" names none", text);
	subject = add(subjects, text, &subject_stor);
	subject->backend = xstrdup(word);
	while ((word = strtok_r(NULL, ":", &save))) {
		if (!strchr(word, '='))
			return err_fail(err, STOR_USAGE, 0,
			                "backends: \"%s\": \"%s\" is no KEY=VALUE", text, word);
		strv_add(&subject->params, word);
	}
	return sort_params(bench, subject, err);
}

/* The program that a peer lacks; NULL: none. */
static const char *missing_program(const struct subject_kind *peer)
{
	if (!bench_is_in_path(peer->program))
		return peer->program;
	return peer->client && !bench_is_in_path(peer->client) ? peer->client : NULL;
}

static int add_peer(struct subjects *subjects, const char *name, struct stor_err *err)
{
	bool is_all = !strcmp(name, "all"), is_found = is_all;

	for (size_t i = 0; peers[i]; i++) {
		const char *missing = missing_program(peers[i]);

		if (!is_all && strcmp(name, peers[i]->name) != 0)
			continue;
		is_found = true;
		if (!missing) {
			add(subjects, peers[i]->name, peers[i])->is_optional = is_all;
		} else if (!is_all) {
			err_fail(err, STOR_UNSUPPORTED, 0, "peer %s: there is no %s in PATH", name,
			         missing);
			err_hint(err,
			         "install it, or leave it out; all takes those that are there");
			return -1;
		}
	}
	if (is_found)
		return 0;
	err_fail(err, STOR_USAGE, 0, "there is no peer \"%s\"", name);
	err_hint(err,
	         "bwrap, crun, runc, lxc, nspawn, docker and podman are peers; all takes those "
	         "that are there");
	return -1;
}

int subjects_make(const struct bench *bench, struct subjects *subjects, struct stor_err *err)
{
	const struct plan *plan = bench->plan;

	add(subjects, subject_floor.name, &subject_floor);
	add(subjects, subject_host.name, &subject_host);
	for (size_t i = 0; i < plan->backends.count; i++)
		if (add_backend(bench, subjects, plan->backends.items[i], err) < 0)
			return -1;
	for (size_t i = 0; i < plan->peers.count; i++)
		if (add_peer(subjects, plan->peers.items[i], err) < 0)
			return -1;
	return 0;
}

/* --- begin and end --------------------------------------------------------------------------- */

static int begin(struct bench *bench, struct subject *subject, struct stor_err *err)
{
	const struct strv *images = &bench->plan->images;

	if (subject->does->has_room && stage_add_room(bench, err) < 0)
		return -1;
	if (subject->does->begin && subject->does->begin(bench, subject, err) < 0)
		return -1;
	for (size_t i = 0; subject->does->prepare && i < images->count && !watch_signal(); i++)
		if (subject->does->prepare(bench, subject, images->items[i], err) < 0)
			return -1;
	return 0;
}

int subjects_begin(struct bench *bench, struct subjects *subjects, struct stor_err *err)
{
	for (size_t i = 0; i < subjects->count && !watch_signal(); i++) {
		struct subject *subject = &subjects->items[i];
		struct stor_err reason = STOR_ERR_INIT;

		if (begin(bench, subject, &reason) == 0)
			continue;
		if (watch_signal()) {
			err_clear(&reason);
		} else if (subject->is_optional) {
			subject->absent =
				xasprintf("%s does not run here: %s", subject->name, reason.text);
			err_clear(&reason);
		} else {
			*err = reason;
			return err_context(err, "peer %s", subject->name);
		}
	}
	return 0;
}

void subjects_end(const struct bench *bench, struct subjects *subjects)
{
	for (size_t i = 0; i < subjects->count; i++)
		if (subjects->items[i].does->end)
			subjects->items[i].does->end(bench, &subjects->items[i]);
}
