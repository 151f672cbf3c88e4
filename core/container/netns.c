/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See netns.h. */
#include "core/container/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <stor/util.h>

#define STACK_BYTES ((size_t)64 << 10)

/* Notes a failure, with errno. */
static void *fail(struct netns *netns, const char *what)
{
	netns->errnum = errno;
	netns->what = what;
	return NULL;
}

int netns_raise_loopback(void)
{
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	strcpy(request.ifr_name, "lo");
	request.ifr_flags = IFF_UP;
	return fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
}

/* The thread: namespaces are each thread's own. */
static void *make(void *arg)
{
	struct netns *netns = arg;

	if (atomic_exchange(&netns->is_taken, true))
		return NULL;
	if (unshare(CLONE_NEWNET) < 0)
		return fail(netns, "make a network namespace");
	if (netns_raise_loopback() < 0)
		return fail(netns, "bring lo up");
	netns->fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return netns->fd < 0 ? fail(netns, "open /proc/thread-self/ns/net") : NULL;
}

int netns_begin(struct netns *netns, struct stor_err *err)
{
	pthread_attr_t attr;
	int result;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	result = pthread_create(&netns->thread, &attr, make, netns);
	pthread_attr_destroy(&attr);
	netns->has_thread = !result;
	return result ? err_fail(err, STOR_FAILED, result, "make a thread") : 0;
}

static void wait_for_thread(struct netns *netns)
{
	if (netns->has_thread)
		pthread_join(netns->thread, NULL);
	netns->has_thread = false;
}

bool netns_take_over(struct netns *netns)
{
	return !atomic_exchange(&netns->is_taken, true);
}

int netns_finish(struct netns *netns, struct stor_err *err)
{
	wait_for_thread(netns);
	if (!netns->what)
		return netns->fd;
	err_fail(err, STOR_FAILED, netns->errnum, "%s", netns->what);
	if (netns->errnum == EPERM)
		err_hint(err, "stor needs root privileges");
	else if (netns->errnum == ENOSPC || netns->errnum == EUSERS)
		err_hint(err, "the limit /proc/sys/user/max_net_namespaces is reached");
	else if (netns->errnum == EINVAL)
		err_hint(err, "the kernel lacks network namespaces; --net host needs none");
	return -1;
}

void netns_free(struct netns *netns)
{
	wait_for_thread(netns);
	close_fd(&netns->fd);
}
