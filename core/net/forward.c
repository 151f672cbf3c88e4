/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host's kernel is told in /proc/sys/net: see bridge.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "core/net/bridge.h"

/* The first character of a setting; 0: there is none. */
static char read_sysctl(const char *name)
{
	cleanup_free char *path = xasprintf("/proc/sys/net/%s", name);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char value = 0;

	return fd >= 0 && read(fd, &value, 1) == 1 ? value : 0;
}

int net_sysctl_write(const char *name, const char *value)
{
	cleanup_free char *path = xasprintf("/proc/sys/net/%s", name);
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, value, strlen(value)) < 0 ? -1 : 0;
}

bool net_has_ip6(void)
{
	return read_sysctl("ipv6/conf/all/disable_ipv6") == '0';
}

bool net_forward_is_on(enum net_family family)
{
	return read_sysctl(family == NET_IP4 ? "ipv4/ip_forward" : "ipv6/conf/all/forwarding") ==
	       '1';
}

/* A host that forwards forgets the routes that its routers announce, unless it is told otherwise:
 * so it is told, before forwarding is on. */
static void keep_announced_routes(void)
{
	DIR *dir = opendir("/proc/sys/net/ipv6/conf");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		cleanup_free char *name = xasprintf("ipv6/conf/%s/accept_ra", entry->d_name);

		if (*entry->d_name != '.' && read_sysctl(name) == '1')
			net_sysctl_write(name, "2");
	}
	if (dir)
		closedir(dir);
}

static int enable(struct stor_err *err)
{
	if (!net_forward_is_on(NET_IP4) && net_sysctl_write("ipv4/ip_forward", "1") < 0)
		return err_fail(err, STOR_FAILED, errno, "switch on net.ipv4.ip_forward");
	if (!net_has_ip6() || net_forward_is_on(NET_IP6))
		return 0;
	keep_announced_routes();
	if (net_sysctl_write("ipv6/conf/all/forwarding", "1") < 0)
		return err_fail(err, STOR_FAILED, errno, "switch on net.ipv6.conf.all.forwarding");
	return 0;
}

int net_forward_check(bool may_enable, struct stor_err *err)
{
	if (may_enable)
		return enable(err);
	if (net_forward_is_on(NET_IP4))
		return 0;
	err_fail(err, STOR_FAILED, 0,
	         "the host does not forward packets: net.ipv4.ip_forward is off");
	err_hint(err, "sysctl -w net.ipv4.ip_forward=1, or --net bridge,forward=enable; a bridge "
	              "with nat=no needs no forwarding");
	return -1;
}
