/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The internal module "seccomp": what core loads when no program made beforehand fits. */
#include "core/container/seccomp.h"
#include "modules/seccomp/compile.h"

extern const struct seccomp_module stor_internal_seccomp;

__attribute__((visibility("default"))) const struct seccomp_module stor_internal_seccomp = {
	.version = STOR_VERSION,
	.compile_default = compile_default,
	.compile_json = compile_json,
};
