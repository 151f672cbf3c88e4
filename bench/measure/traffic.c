/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See traffic.h. */
#include "bench/measure/traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "bench/measure/stage.h"

#define PORT 5201 /* iperf3's */
#define BEGIN_WAIT_MS 10000

/* --- interfaces ------------------------------------------------------------------------------ */

static void set_ip(struct sockaddr *where, const char *address)
{
	struct sockaddr_in ip = { .sin_family = AF_INET };

	inet_pton(AF_INET, address, &ip.sin_addr);
	memcpy(where, &ip, sizeof(ip));
}

/* Up, and with an address in a network of 24 bits unless it is NULL. 0, or -1 with errno. */
static int set_up(const char *interface, const char *address)
{
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_flags = 0 };

	if (fd < 0)
		return -1;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (address) {
		set_ip(&request.ifr_addr, address);
		if (ioctl(fd, SIOCSIFADDR, &request) < 0)
			return -1;
		set_ip(&request.ifr_netmask, "255.255.255.0");
		if (ioctl(fd, SIOCSIFNETMASK, &request) < 0)
			return -1;
	}
	request.ifr_flags = IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request);
}

int traffic_set_address(int argc, char **argv)
{
	const char *interface = argv[argc - 1];

	if (set_up(interface, TRAFFIC_HOST) == 0)
		return 0;
	fprintf(stderr, "stor-bench: give %s the address " TRAFFIC_HOST ": %s\n", interface,
	        strerror(errno));
	return 1;
}

/* --- the server ------------------------------------------------------------------------------ */

static bool answers(void)
{
	cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static int wait_for_server(struct bench *bench, const char *log, struct stor_err *err)
{
	const struct timespec moment = { .tv_nsec = 5000000 };
	const int64_t end = monotonic_ms() + BEGIN_WAIT_MS;

	while (!answers()) {
		if (daemon_has_ended(&bench->traffic) || monotonic_ms() > end) {
			cleanup_free char *words = daemon_last_words(log);

			return err_fail(err, STOR_FAILED, 0, "iperf3 does not serve: %s", words);
		}
		nanosleep(&moment, NULL);
	}
	return 0;
}

int traffic_begin(struct bench *bench, struct stor_err *err)
{
	cleanup_free char *log = xasprintf("%s/iperf3.log", bench->folder);
	cleanup_strv struct strv argv = STRV_INIT;

	if (!bench_is_in_path("iperf3")) {
		err_fail(err, STOR_UNSUPPORTED, 0,
		         "workload iperf3: there is no iperf3 in PATH to serve");
		err_hint(err, "install it on this machine, too, or leave the workload out");
		return -1;
	}
	if (stage_add_room(bench, err) < 0)
		return -1;
	if (unshare(CLONE_NEWNET) < 0 || set_up("lo", NULL) < 0)
		return err_fail(err, STOR_FAILED, errno, "make a network namespace");
	bench->has_network = true;
	strv_add(&argv, "iperf3");
	strv_add(&argv, "--server");
	if (daemon_start(&bench->traffic, &argv, &bench->room, DAEMON_IN_NETWORK, log, err) < 0)
		return -1;
	return wait_for_server(bench, log, err);
}

void traffic_end(struct bench *bench)
{
	daemon_stop(&bench->traffic);
}
