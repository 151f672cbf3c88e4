/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Choosing a container's system call filter: see seccomp.h. */
#include "core/container/seccomp.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/module.h"

#define PROFILE_LIMIT_BYTES (4u << 20)

static const struct sock_fprog *find_variant(uint64_t caps, struct sock_fprog *program)
{
	for (const struct seccomp_variant *v = seccomp_variants; v->length; v++) {
		if (v->caps != (caps & seccomp_relevant_caps))
			continue;
		program->len = v->length;
		program->filter = (struct sock_filter *)(uintptr_t)v->program;
		return program;
	}
	return NULL;
}

int seccomp_select(const char *profile, uint64_t caps, struct sock_fprog *program,
                   struct sock_filter **owned, struct stor_err *err)
{
	const struct seccomp_module *module;
	cleanup_free char *text = NULL;
	unsigned short length = 0;
	int result;

	*owned = NULL;
	memset(program, 0, sizeof(*program));
	if (profile && !strcmp(profile, "unconfined"))
		return 0;
	if (!profile && find_variant(caps, program))
		return 0;
	if (profile) {
		text = fs_read_file(AT_FDCWD, profile, PROFILE_LIMIT_BYTES, NULL, err);
		if (!text)
			return err_context(err, "--security-opt seccomp");
	}
	log_debug("seccomp: compiling %s", profile ? profile : "for these capabilities");
	module = module_load_internal("seccomp", err);
	if (!module)
		return -1;
	result = profile ? module->compile_json(text, profile, caps, owned, &length, err)
	                 : module->compile_default(caps, owned, &length, err);
	if (result < 0)
		return -1;
	program->len = length;
	program->filter = *owned;
	return 0;
}
