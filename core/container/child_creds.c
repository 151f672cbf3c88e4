/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits, user and capabilities of the command. What needs privileges comes before they go; the
 * seccomp profile is last, so that it need not allow what stor does here, unless without
 * no_new_privs, where installing it needs a capability.
 */
#include "core/container/child.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/container/caps.h"

static int creds_fail(struct child *child, const char *what)
{
	return child_fail(child, STEP_PRIVILEGES, errno, what);
}

static int set_limits(struct child *child)
{
	const struct container_config *config = child->plan->config;

	for (unsigned i = 0; i < config->ulimit_count; i++) {
		const struct config_ulimit *u = &config->ulimits[i];
		struct rlimit limit = { .rlim_cur = u->soft, .rlim_max = u->hard };

		child->report->index = i;
		if (setrlimit((__rlimit_resource_t)u->resource, &limit) < 0)
			return child_fail(child, STEP_ULIMIT, errno, NULL);
	}
	return 0;
}

static int drop_bounding(struct child *child)
{
	for (int cap = 0; cap < 64; cap++) {
		if (child->plan->config->caps & CAPS_BIT(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		/* The kernel's last one is behind us. */
		if (errno == EINVAL && cap > CAP_CHECKPOINT_RESTORE)
			break;
		return creds_fail(child, "drop a capability for good");
	}
	return 0;
}

/* Raw calls: the C library's would try to bring other threads along. */
static int become_user(struct child *child)
{
	const struct user_ids *ids = child->ids;

	if (syscall(SYS_setgroups, ids->group_count, ids->groups) < 0)
		return creds_fail(child, "set groups");
	if (syscall(SYS_setresgid, ids->gid, ids->gid, ids->gid) < 0)
		return creds_fail(child, "set the group");
	if (ids->uid && syscall(SYS_setresuid, ids->uid, ids->uid, ids->uid) < 0)
		return creds_fail(child, "set the user");
	return 0;
}

static int set_caps(struct child *child)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	uint64_t caps = child->ids->uid ? 0 : child->plan->config->caps;
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)caps, .permitted = (uint32_t)caps },
		{ .effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32) },
	};

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &header, data) < 0)
		return creds_fail(child, "set capabilities");
	return 0;
}

static int install_filter(struct child *child)
{
	if (child->plan->seccomp.len &&
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &child->plan->seccomp) < 0)
		return child_fail(child, STEP_SECCOMP, errno, NULL);
	return 0;
}

int child_drop_privileges(struct child *child)
{
	const struct container_config *config = child->plan->config;

	if (set_limits(child) < 0)
		return -1;
	/* Keys of whoever started stor stay outside. A kernel without keyrings has none. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return creds_fail(child, "make a session keyring");
	if (drop_bounding(child) < 0)
		return -1;
	if (config->new_privileges && install_filter(child) < 0)
		return -1;
	if (become_user(child) < 0 || set_caps(child) < 0)
		return -1;
	if (!config->new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return creds_fail(child, "set no_new_privs");
	return 0;
}

int child_seccomp(struct child *child)
{
	return child->plan->config->new_privileges ? 0 : install_filter(child);
}
