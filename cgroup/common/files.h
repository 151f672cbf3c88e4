/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of a cgroup directory, as both modules read and write them. */
#ifndef CGROUP_COMMON_FILES_H
#define CGROUP_COMMON_FILES_H

#include "core/cgroup/module.h"

/* Scales of weights: the kernel's own default, 1024 shares or 100 parts of weight, need not map on
 * each other; the ends do. */
uint64_t cgroup_shares_to_weight(uint64_t shares);
uint64_t cgroup_weight_to_shares(uint64_t weight);

/* Write a text. 0, or -1 with errno. */
int cgroup_write(const struct cgroup_dir *dir, const char *name, const char *text);

/* The error of a limit that is below what cannot be taken from the processes. Returns -1. */
int cgroup_fail_in_use(uint64_t bytes, uint64_t used_bytes, struct stor_err *err);

/* Write a limit, and note what it was in dir->undo; a failure is reported as that of `option`, with
 * a remedy where the file does not exist (`missing`; may be NULL). STOR_UNSUPPORTED then,
 * STOR_FAILED for a value that the kernel refuses. */
int cgroup_set(const struct cgroup_dir *dir, const char *name, const char *option,
               const char *missing, struct stor_err *err, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* The file as text, at most size - 1 bytes. False: it cannot be read. */
bool cgroup_read(const struct cgroup_dir *dir, const char *name, char *buf, size_t size);

/* A file that is one number; "max" is CGROUP_UNLIMITED. CGROUP_UNKNOWN: it cannot be read. */
uint64_t cgroup_read_u64(const struct cgroup_dir *dir, const char *name);

/* The number behind `key` and a space at the start of a line of text; CGROUP_UNKNOWN: no such line.
 */
uint64_t cgroup_key(const char *text, const char *key);

/* Reads a file of pressure. */
void cgroup_read_pressure(const struct cgroup_dir *dir, const char *name,
                          struct cgroup_pressure *pressure);

/* The limits of these controllers, where they are set; `file` is the last part of the file's name.
 */
int cgroup_limit_cpuset(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                        struct stor_err *err);
int cgroup_limit_hugetlb(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                         const char *file, struct stor_err *err);

/* Reads the files of the pids controller. */
void cgroup_read_pids(const struct cgroup_dir *dir, struct cgroup_stats *stats);

/* Waits until is_done(dir) is true, at most 10 s. False: it never was. */
bool cgroup_wait(const struct cgroup_dir *dir, bool (*is_done)(const struct cgroup_dir *dir));

/* No process is in the cgroup. */
bool cgroup_is_empty(const struct cgroup_dir *dir);

/* Send SIGKILL to every process that is in the cgroup now. */
void cgroup_signal_all(const struct cgroup_dir *dir);

#endif
