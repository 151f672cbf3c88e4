/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/container/netns: a network namespace made by a thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/container/netns.h"

static void begin(struct netns *netns)
{
	struct stor_err err = STOR_ERR_INIT;

	*netns = (struct netns)NETNS_INIT;
	assert_int_equal(netns_begin(netns, &err), 0);
}

static bool is_loopback_up(void)
{
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo" };

	return ioctl(fd, SIOCGIFFLAGS, &request) == 0 && request.ifr_flags & IFF_UP;
}

static void it_is_another_one_with_its_loopback_up(void **state)
{
	struct stor_err err = STOR_ERR_INIT;
	struct stat own, made;
	struct netns netns;
	int status;
	pid_t pid;

	(void)state;
	begin(&netns);
	while (!atomic_load(&netns.is_taken))
		sched_yield();
	assert_false(netns_take_over(&netns));
	assert_true(netns_finish(&netns, &err) >= 0);
	assert_int_equal(stat("/proc/self/ns/net", &own), 0);
	assert_int_equal(fstat(netns.fd, &made), 0);
	assert_int_not_equal(own.st_ino, made.st_ino);
	pid = fork();
	if (!pid)
		_exit(setns(netns.fd, CLONE_NEWNET) == 0 && is_loopback_up() ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	netns_free(&netns);
	assert_int_equal(netns.fd, -1);
}

static void one_that_is_taken_over_is_not_made(void **state)
{
	struct stor_err err = STOR_ERR_INIT;
	struct netns netns = NETNS_INIT;

	(void)state;
	assert_true(netns_take_over(&netns));
	assert_int_equal(netns_begin(&netns, &err), 0);
	netns_free(&netns);
	assert_int_equal(netns.fd, -1);
	assert_null(netns.what);
}

/* In a process of its own, which has no privileges. */
static void a_failure_is_told(void **state)
{
	struct stor_err err = STOR_ERR_INIT;
	struct netns netns;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid) {
		if (setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		begin(&netns);
		while (!atomic_load(&netns.is_taken))
			sched_yield();
		if (netns_finish(&netns, &err) != -1 ||
		    strcmp(err.text, "make a network namespace: Operation not permitted") != 0)
			_exit(2);
		netns_free(&netns);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_another_one_with_its_loopback_up),
		cmocka_unit_test(one_that_is_taken_over_is_not_made),
		cmocka_unit_test(a_failure_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
