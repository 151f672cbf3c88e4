/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding, checking and loading shared objects. Modules lie in one folder, MODULES: beside the
 * executable when it runs from the build tree (build/modules), else ../lib/stor from it (as `make
 * install` lays it, wherever it was moved), and STOR_MODULES overrides both unless stor runs with
 * raised privileges. Below it: backends/stor-NAME.so, net/, cgroup/, and internal/NAME.so for the
 * parts of core that need a library. Nothing is ever unloaded.
 *
 * A file is refused, with the reason, when somebody other than root (or stor's own user) owns it or
 * could write it or a folder on its path.
 */
#ifndef CORE_MODULE_H
#define CORE_MODULE_H

#include "core/base/err.h"

/* Absolute path of the MODULES folder; borrowed, valid for ever. NULL with err filled. */
const char *module_dir(struct stor_err *err);

/* dlopen() one file, named as realpath() does, after the ownership checks. Returns the handle, or
 * NULL with err filled. */
void *module_open(const char *file, struct stor_err *err);

/*
 * Load KIND/NAME.so and return the address of its symbol "stor_KIND_NAME": a table of functions
 * whose type the caller knows, in a struct that starts with the stor version as a string (an exact
 * match is required). NULL with err filled (STOR_UNSUPPORTED, naming the missing library and the
 * package's remedy, when dlopen fails for that). Kinds: "internal", parts of core that need a
 * library; "cgroup" (core/cgroup/module.h); "net" (core/net/module.h).
 */
const void *module_load(const char *kind, const char *name, struct stor_err *err);

/* module_load() of kind "internal". */
const void *module_load_internal(const char *name, struct stor_err *err);

#endif
