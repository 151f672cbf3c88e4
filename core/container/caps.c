/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capabilities by name: see caps.h. */
#include "core/container/caps.h"

#include <linux/capability.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>

static const char *const names[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};

#define NAME_COUNT ((int)(sizeof(names) / sizeof(*names)))

uint64_t caps_default(void)
{
	return CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) | CAPS_BIT(CAP_FOWNER) |
	       CAPS_BIT(CAP_FSETID) | CAPS_BIT(CAP_KILL) | CAPS_BIT(CAP_SETGID) |
	       CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_SETPCAP) | CAPS_BIT(CAP_NET_BIND_SERVICE) |
	       CAPS_BIT(CAP_NET_RAW) | CAPS_BIT(CAP_SYS_CHROOT) | CAPS_BIT(CAP_SETFCAP);
}

int caps_from_name(const char *name)
{
	if (!strncasecmp(name, "CAP_", 4))
		name += 4;
	for (int cap = 0; cap < NAME_COUNT; cap++)
		if (!strcasecmp(name, names[cap]))
			return cap;
	return -1;
}

const char *caps_name(int cap)
{
	return cap >= 0 && cap < NAME_COUNT ? names[cap] : NULL;
}

/* The single names of a list, and whether it says ALL. */
static int parse_list(const char *option, const struct strv *list, uint64_t *single, bool *all,
                      struct stor_err *err)
{
	*single = 0;
	*all = false;
	for (size_t i = 0; i < list->count; i++) {
		int cap;

		if (!strcasecmp(list->items[i], "ALL")) {
			*all = true;
			continue;
		}
		cap = caps_from_name(list->items[i]);
		if (cap < 0)
			return err_fail(err, STOR_USAGE, 0, "%s: unknown capability \"%s\"", option,
			                list->items[i]);
		*single |= CAPS_BIT(cap);
	}
	return 0;
}

/* What of `asked` stor can give. A host, or a container around stor, may keep some back. */
static uint64_t own_bounding(uint64_t asked)
{
	uint64_t set = 0;

	for (int cap = 0; cap < NAME_COUNT; cap++)
		if (asked & CAPS_BIT(cap) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			set |= CAPS_BIT(cap);
	return set;
}

/* Those that are asked for by name must be there; ALL is all that are. */
static int check_available(uint64_t added, uint64_t available, struct stor_err *err)
{
	for (int cap = 0; cap < NAME_COUNT; cap++)
		if (added & ~available & CAPS_BIT(cap))
			return err_fail(err, STOR_UNSUPPORTED, 0,
			                "--cap-add %s: stor itself cannot have it here",
			                names[cap]);
	return 0;
}

int caps_resolve(const struct strv *add, const struct strv *drop, uint64_t *caps,
                 struct stor_err *err)
{
	uint64_t added, dropped, set = caps_default(), available;
	bool add_all, drop_all;

	if (parse_list("--cap-add", add, &added, &add_all, err) < 0 ||
	    parse_list("--cap-drop", drop, &dropped, &drop_all, err) < 0)
		return -1;
	available = own_bounding(add_all ? ~0ull : added);
	if (check_available(added, available, err) < 0)
		return -1;
	if (add_all)
		set = available;
	if (drop_all)
		set = 0;
	if (add_all && drop_all)
		return err_fail(err, STOR_USAGE, 0,
		                "--cap-add ALL and --cap-drop ALL contradict each other");
	*caps = (set | added) & ~dropped;
	return 0;
}
