/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiles to programs: see compile.h. */
#include "modules/seccomp/compile.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "modules/seccomp/profile.h"
#include "modules/seccomp/shrink.h"

static int compile_fail(struct stor_err *err, int result, const char *what)
{
	return err_fail(err, STOR_FAILED, -result, "seccomp: %s", what);
}

static int add_arch(struct compiler *c, uint32_t arch, struct stor_err *err)
{
	int result = seccomp_arch_add(c->ctx, arch);

	if (result < 0 && result != -EEXIST)
		return compile_fail(err, result, "add an architecture");
	c->newest[c->arch_count] = -1;
	c->arches[c->arch_count++] = arch;
	return 0;
}

uint32_t compiler_narrow_arch(void)
{
	switch (seccomp_arch_native()) {
	case SCMP_ARCH_X86_64:
		return SCMP_ARCH_X86;
	case SCMP_ARCH_AARCH64:
		return SCMP_ARCH_ARM;
	default:
		return 0;
	}
}

int compiler_begin(struct compiler *c, uint32_t default_action, bool with_32_bit,
                   struct stor_err *err)
{
	uint32_t native = seccomp_arch_native(), narrow = compiler_narrow_arch();

	memset(c, 0, sizeof(*c));
	c->default_action = default_action;
	c->ctx = seccomp_init(default_action);
	if (!c->ctx)
		return compile_fail(err, -ENOMEM, "begin a filter");
	/* Calls of another kind (x32) look like those of a kernel without them. */
	if (seccomp_attr_set(c->ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)) < 0 ||
	    seccomp_attr_set(c->ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0) {
		compiler_end(c);
		return compile_fail(err, -EINVAL, "set up a filter");
	}
	if (add_arch(c, native, err) < 0 ||
	    (narrow && with_32_bit && add_arch(c, narrow, err) < 0)) {
		compiler_end(c);
		return -1;
	}
	return 0;
}

void compiler_end(struct compiler *c)
{
	if (c->ctx)
		seccomp_release(c->ctx);
	c->ctx = NULL;
}

int compiler_add(struct compiler *c, uint32_t action, const char *name,
                 const struct scmp_arg_cmp *args, unsigned arg_count, struct stor_err *err)
{
	int number = seccomp_syscall_resolve_name(name), result;

	if (number == __NR_SCMP_ERROR)
		return 0;
	for (unsigned i = 0; i < c->arch_count; i++) {
		int own = seccomp_syscall_resolve_name_arch(c->arches[i], name);

		if (own > c->newest[i])
			c->newest[i] = own;
	}
	/* libseccomp refuses a rule that says what the default says. */
	if (action == c->default_action)
		return 0;
	result = seccomp_rule_add_array(c->ctx, action, number, arg_count, args);
	/* A call of other machines, or the same rule again. */
	if (result == -EDOM || result == -EEXIST)
		return 0;
	if (result < 0)
		return err_fail(err, STOR_FAILED, -result, "seccomp: rule for %s", name);
	return 0;
}

/* --- the finished program ----------------------------------------------------------------- */

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define MAX_PROLOGUE 12

/* For each architecture: calls newer than all that were named answer ENOSYS. Before libseccomp's
 * program, to which everything else falls through. */
static unsigned make_prologue(const struct compiler *c, struct sock_filter *out)
{
	unsigned n = 0;

	out[n++] = (struct sock_filter)LOAD(arch);
	for (unsigned i = 0; i < c->arch_count; i++) {
		const struct sock_filter check[] = {
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, c->arches[i], 0, 4),
			LOAD(nr),
			BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)c->newest[i], 0, 1),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
			/* The next check needs the architecture again. */
			LOAD(arch),
		};

		memcpy(out + n, check, sizeof(check));
		n += sizeof(check) / sizeof(*check);
	}
	return n;
}

/* libseccomp writes to a descriptor only. Returns the bytes, or -1 with err filled. */
static ssize_t export_program(struct compiler *c, struct sock_filter *out, size_t room,
                              struct stor_err *err)
{
	cleanup_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct stat st;
	int result;

	if (fd < 0)
		return err_fail(err, STOR_FAILED, errno, "seccomp: memfd");
	result = seccomp_export_bpf(c->ctx, fd);
	if (result < 0)
		return compile_fail(err, result, "compile");
	if (fstat(fd, &st) < 0 || (size_t)st.st_size > room ||
	    pread_all(fd, out, room, 0) != st.st_size)
		return err_fail(err, STOR_FAILED, 0, "seccomp: the filter is too long");
	return st.st_size;
}

int compiler_finish(struct compiler *c, bool newer_enosys, struct sock_filter **program,
                    unsigned short *length, struct stor_err *err)
{
	cleanup_free struct sock_filter *all = xcalloc(BPF_MAXINSNS, sizeof(*all));
	unsigned prologue = newer_enosys ? make_prologue(c, all) : 0;
	ssize_t bytes = export_program(c, all + prologue,
	                               (BPF_MAXINSNS - MAX_PROLOGUE) * sizeof(*all), err);

	if (bytes < 0)
		return -1;
	*length = (unsigned short)(prologue + (size_t)bytes / sizeof(*all));
	*program = steal_ptr(&all);
	return 0;
}

/* --- the default profile ------------------------------------------------------------------ */

static bool rule_applies(const struct profile_rule *rule, uint64_t caps)
{
	return (!rule->needs_caps || (rule->needs_caps & caps)) && !(rule->unless_caps & caps);
}

/* All names of a rule; without `add` they only count as known. */
static int add_rule(struct compiler *c, const struct profile_rule *rule, bool add,
                    struct stor_err *err)
{
	cleanup_free char *names = xstrdup(rule->names);
	char *rest = names, *name;

	while ((name = strsep(&rest, " ")))
		if (*name && compiler_add(c, add ? rule->action : c->default_action, name,
		                          rule->args, rule->arg_count, err) < 0)
			return -1;
	return 0;
}

int compile_default(uint64_t caps, struct sock_filter **program, unsigned short *length,
                    struct stor_err *err)
{
	struct compiler c;
	int result = 0;

	if (compiler_begin(&c, SCMP_ACT_ERRNO(EPERM), true, err) < 0)
		return -1;
	for (const struct profile_rule *r = profile_rules; result == 0 && r->names; r++)
		result = add_rule(&c, r, rule_applies(r, caps), err);
	if (result == 0)
		result = compiler_finish(&c, true, program, length, err);
	if (result == 0)
		shrink_filter(*program, length, c.arches, c.arch_count);
	compiler_end(&c);
	return result;
}
