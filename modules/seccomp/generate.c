/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs when stor is built: prints the default profile's variants as C, for core/container. */
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/container/caps.h"
#include "modules/seccomp/compile.h"
#include "modules/seccomp/profile.h"

static uint64_t relevant_caps(void)
{
	uint64_t caps = 0;

	for (const struct profile_rule *r = profile_rules; r->names; r++)
		caps |= r->needs_caps | r->unless_caps;
	return caps;
}

static int print_program(unsigned index, uint64_t caps, unsigned short *length)
{
	struct stor_err err = STOR_ERR_INIT;
	struct sock_filter *program;

	if (compile_default(caps, &program, length, &err) < 0) {
		err_print(&err);
		return -1;
	}
	printf("static const struct sock_filter program_%u[] = {\n", index);
	for (unsigned i = 0; i < *length; i++)
		printf("\t{ 0x%x, %u, %u, 0x%x },\n", program[i].code, program[i].jt, program[i].jf,
		       program[i].k);
	printf("};\n\n");
	free(program);
	return 0;
}

int main(void)
{
	const uint64_t all = CAPS_ALL & ~CAPS_BIT(CAP_MKNOD), usual = caps_default();
	const uint64_t variants[] = {
		usual,
		0,
		usual | CAPS_BIT(CAP_SYS_PTRACE),
		usual | CAPS_BIT(CAP_SYS_ADMIN),
		usual | CAPS_BIT(CAP_SYS_NICE),
		usual | CAPS_BIT(CAP_SYS_TIME),
		all,
	};
	const unsigned count = sizeof(variants) / sizeof(*variants);
	const uint64_t relevant = relevant_caps();
	unsigned short lengths[sizeof(variants) / sizeof(*variants)];

	printf("/* SPDX-License-Identifier: GPL-2.0-or-later */\n"
	       "/* Made by modules/seccomp/generate.c. */\n"
	       "#include \"core/container/seccomp.h\"\n\n");
	for (unsigned i = 0; i < count; i++)
		if (print_program(i, variants[i], &lengths[i]) < 0)
			return 1;
	printf("const uint64_t seccomp_relevant_caps = UINT64_C(0x%" PRIx64 ");\n\n"
	       "const struct seccomp_variant seccomp_variants[] = {\n",
	       relevant);
	for (unsigned i = 0; i < count; i++)
		printf("\t{ UINT64_C(0x%" PRIx64 "), %u, program_%u },\n", variants[i] & relevant,
		       (unsigned)lengths[i], i);
	printf("\t{ 0, 0, NULL },\n};\n");
	return fflush(stdout) < 0 || ferror(stdout);
}
