/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The conformance suite: what a backend must do, tried on it through core's own loader and
 * wrappers. Each test runs in a process of its own, in an empty folder, and ends at its first
 * failure by leaving the process: the kernel then cleans up, and main.c sees whether it could.
 */
#ifndef CONFORMANCE_SUITE_H
#define CONFORMANCE_SUITE_H

#include <sys/types.h>

#include "core/backend.h"

/* The tests make volumes, attach and change them: all parameters have a meaning. */
#define SUITE_SCOPES (STOR_PARAM_CREATE | STOR_PARAM_ATTACH | STOR_PARAM_CHANGE)

struct suite {
	const struct backend *backend;
	char *dir;          /* of this test, empty at its start */
	struct strv params; /* KEY=VALUE texts of the command line */
	int report_fd;      /* where fail() writes */
	int output_fd;      /* what standard output and error are in a test */
};

struct test {
	const char *name;
	/* What the backend has to have: NULL when it does, else what it lacks. NULL: nothing. */
	const char *(*lacks)(const struct backend *b);
	void (*run)(struct suite *s);
};

/* The tests, by area; each ended by a null name. */
extern const struct test tests_basic[], tests_attach[], tests_kill[], tests_change[],
	tests_snapshot[];

/* Say why the test fails, and leave the process. */
_Noreturn void fail(struct suite *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As fail(), unless the condition holds. */
#define require(s, condition, ...)                                                                 \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail(s, __VA_ARGS__);                                                      \
	} while (0)

/* --- volumes ------------------------------------------------------------------------------ */

struct vol {
	struct stor_volume ref;
	struct params params;
	char *path;
};

/* A volume's empty directory and parameter values; extra: one more KEY=VALUE, or NULL. */
void vol_prepare(struct suite *s, const char *name, const char *extra, struct vol *vol);

/* vol_prepare() and create, which must succeed. source_path NULL: empty. */
void vol_create(struct suite *s, const char *name, const char *source_path, struct vol *vol);

/* A request that suits the backend: small, but large enough for any test here. */
struct stor_create_req create_request(struct suite *s, int source_fd, const char *source_path);

/* A volume that is attached and mounted. */
struct mounted {
	struct stor_attachment at;
	int mount_fd; /* detached mount: at.fd itself, or made of the block device */
	int root_fd;
};

struct attach_how {
	uint32_t flags; /* STOR_ATTACH_* */
	uint32_t wait_ms;
	const char *snapshot;
	int userns_fd; /* 0: none */
};

/* Attach and mount. Returns 0, or -1 with err filled; a mount that fails fails the test. */
int vol_attach(struct suite *s, const struct vol *vol, const struct attach_how *how,
               struct mounted *m, struct stor_err *err);
/* As vol_attach(), and it must succeed. how NULL: for writing. */
void vol_use(struct suite *s, const struct vol *vol, const struct attach_how *how,
             struct mounted *m);
/* Let go as core does; then wait until info says that it is not in use. */
void vol_release(struct suite *s, const struct vol *vol, struct mounted *m);
/* Bounded wait for in_use to become what is wanted. */
void vol_wait_in_use(struct suite *s, const struct vol *vol, bool wanted, const char *when);
/* info, which must succeed. */
struct stor_info vol_info(struct suite *s, const struct vol *vol);
/* destroy, which must succeed, and the directory is then empty and removed. */
void vol_destroy(struct suite *s, struct vol *vol);

/* Files in a mounted volume; both fail the test when they cannot. */
void put_file(struct suite *s, int root_fd, const char *name, const char *text);
void expect_file(struct suite *s, int root_fd, const char *name, const char *text);
/* Is there such a file? */
bool has_file(int root_fd, const char *name);

/* The error is one that the backend reported, not one that core made of a breach of contract. */
void expect_named(struct suite *s, const struct stor_err *err);

/* The error is of this status, and says something of its own. */
void expect_error(struct suite *s, int result, const struct stor_err *err, enum stor_status status,
                  const char *what);

/* --- what a callback must leave as it was --------------------------------------------------- */

struct guard {
	uint64_t fds[16]; /* a bit for each open descriptor below 1024 */
	int threads;
	unsigned umask;
	uint64_t handlers; /* a bit for each signal that is not as by default */
	char folder[4096];
	off_t output_bytes;
};

void guard_begin(struct suite *s, struct guard *guard);
/* new_fds: how many descriptors the call handed over. */
void guard_end(struct suite *s, const struct guard *before, const char *what, int new_fds);

/* Call something that hands over no descriptor, and look at what it left. */
#define guarded(s, what, call)                                                                     \
	(__extension__({                                                                           \
		struct guard guard_;                                                               \
		int result_;                                                                       \
		guard_begin(s, &guard_);                                                           \
		result_ = (call);                                                                  \
		guard_end(s, &guard_, what, 0);                                                    \
		result_;                                                                           \
	}))

/* --- trees ---------------------------------------------------------------------------------- */

/* Make a folder with every kind of file and attribute below s->dir. Returns its path; static. */
const char *source_make(struct suite *s);

/* Compare entry by entry; fails the test at the first difference, naming it. Only lost+found may
 * be in `to_fd` alone. */
void trees_compare(struct suite *s, int from_fd, int to_fd);

/* A number that changes when any file's name, size, times or content below the path does. */
uint64_t tree_fingerprint(const char *path);

/* --- other processes ------------------------------------------------------------------------ */

/* Run fn in a child that stands for another stor; it reports on its own and ends by returning or
 * failing. */
pid_t run_apart(struct suite *s, void (*fn)(struct suite *s, void *arg), void *arg);
/* It must end with status 0 within the time. */
void await_apart(struct suite *s, pid_t pid, unsigned wait_ms);

void sleep_ms(unsigned ms);

#endif
