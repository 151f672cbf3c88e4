/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What runs a workload: stor on one of its backends, the host, the floor, or another runtime. A new
 * peer is one more struct subject_kind. */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include "bench/data.h"
#include "bench/measure/bench.h"
#include "bench/measure/command.h"
#include "bench/measure/daemon.h"

struct subject;

struct subject_kind {
	const char *name;
	enum data_kind kind;
	const char *program;    /* that must be in PATH; NULL: none */
	const char *client;     /* another one */
	bool has_room;          /* its commands run in the bench's room */
	const char *no_network; /* why it has none to the host; NULL: it has */
	/* Why it cannot measure a row, malloc'ed; NULL: it can, as where there is no function. */
	char *(*cannot)(const struct subject *subject, const struct row *row);
	/* Once, before the first command; `end` is called after the last one, and also when this or
	 * anything else failed. NULL: nothing is to be done. */
	int (*begin)(struct bench *bench, struct subject *subject, struct stor_err *err);
	void (*end)(const struct bench *bench, struct subject *subject);
	/* Once for each image, after `begin`. NULL: nothing is to be done. */
	int (*prepare)(const struct bench *bench, const struct subject *subject, const char *image,
	               struct stor_err *err);
	/* The command that runs `payload` in a new container of the row's image and limits. */
	int (*wrap)(const struct bench *bench, const struct subject *subject, const struct row *row,
	            const struct strv *payload, struct command *command, struct stor_err *err);
};

struct subject {
	char *name;
	const struct subject_kind *does;
	char *backend;             /* of stor */
	struct strv params;        /* KEY=VALUE */
	struct strv create_params; /* those of them that mean something to a volume that is made */
	bool is_optional;          /* it was not named: it may fail to begin */
	char *absent;              /* why it did not begin; NULL: it did */
	struct daemon daemon;
};

struct subjects {
	struct subject *items;
	size_t count;
};

void subjects_free(struct subjects *subjects);
#define cleanup_subjects __attribute__((cleanup(subjects_free)))

/* Floor, host, the plan's backends, and its peers. A peer that was named and is not there is an
 * error; with "all" only those that are there are taken. */
int subjects_make(const struct bench *bench, struct subjects *subjects, struct stor_err *err);

/* Begin those that need it, with all images of the plan. One that was named and cannot is an error;
 * another is marked as absent. Ends early, with 0, after a signal. */
int subjects_begin(struct bench *bench, struct subjects *subjects, struct stor_err *err);
void subjects_end(const struct bench *bench, struct subjects *subjects);

/* Options of stor for a backend's volumes: --backend, --size, and -o with each of these parameters.
 */
void subject_add_storage(const struct subject *subject, const struct row *row,
                         const struct strv *params, struct strv *argv);

extern const struct subject_kind subject_stor, subject_floor, subject_host, subject_bwrap,
	subject_crun, subject_runc, subject_lxc, subject_nspawn, subject_docker, subject_podman;

/* In place of a command: what `floor` and `host` are. Do not return when they succeed. */
int bare_floor(const char *root, char **argv);
int bare_host(const char *root, char **argv);

#endif
