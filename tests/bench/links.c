/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel takes for a network namespace when a container has just ended, by bare system
 * calls: links ROUNDS prints one line each, as spawn does: name, median, 10th and 90th percentile
 * in milliseconds. It shows that a dying namespace holds up nobody, with a port of a bridge
 * neither; and that removing a bridge takes tens of milliseconds, for which making a namespace
 * waits, since both need the lock of all network configuration.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/raw_attach.h"
#include "tests/bench/raw_veth.h"

/* How long after the end of one the next namespace is asked for. */
#define GAP_US 3000
#define QUIET_US 150000

static double now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int open_namespace(void)
{
	return (int)check("namespace", open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
}

static int make_bridge(int fd)
{
	const struct ifinfomsg up = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct message m = message_begin(&up, sizeof(up));
	struct rtattr *info;

	attribute(&m, IFLA_IFNAME, "br0", 4);
	info = attribute_begin(&m, IFLA_LINKINFO);
	attribute(&m, IFLA_INFO_KIND, "bridge", 6);
	attribute_end(&m, info);
	request(fd, &m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "make a bridge");
	return (int)if_nametoindex("br0");
}

static void remove_link(int fd, int index)
{
	const struct ifinfomsg head = { .ifi_index = index };
	struct message m = message_begin(&head, sizeof(head));

	request(fd, &m, RTM_DELLINK, 0, "remove a link");
}

static void join_bridge(int fd, int index, int bridge)
{
	const struct ifinfomsg head = { .ifi_index = index };
	struct message m = message_begin(&head, sizeof(head));

	attribute(&m, IFLA_MASTER, &bridge, sizeof(bridge));
	request(fd, &m, RTM_NEWLINK, 0, "join the bridge");
}

/* How long a new namespace takes. This process stays in its own. */
static double time_namespace(int own)
{
	double begin = now_ms(), took;

	check("unshare", unshare(CLONE_NEWNET));
	took = now_ms() - begin;
	check("setns", setns(own, CLONE_NEWNET));
	return took;
}

/* A namespace with an interface on the bridge, which dies. */
static void end_port(int host, int own, int bridge)
{
	int ns;

	check("unshare", unshare(CLONE_NEWNET));
	ns = open_namespace();
	make_pair(host, "port", ns);
	check("setns", setns(own, CLONE_NEWNET));
	join_bridge(host, (int)if_nametoindex("port"), bridge);
	usleep(GAP_US);
	close(ns);
}

static double port_died(int host, int own)
{
	int bridge = make_bridge(host);
	double took;

	end_port(host, own, bridge);
	usleep(GAP_US);
	took = time_namespace(own);
	usleep(QUIET_US);
	remove_link(host, bridge);
	return took;
}

static double no_other(int host, int own)
{
	(void)host;
	return time_namespace(own);
}

static double removal(int host, int own)
{
	int bridge = make_bridge(host);
	double begin;

	(void)own;
	usleep(GAP_US);
	begin = now_ms();
	remove_link(host, bridge);
	return now_ms() - begin;
}

static double during_removal(int host, int own)
{
	int bridge = make_bridge(host), status;
	double took;
	pid_t pid = (pid_t)check("fork", fork());

	if (!pid) {
		remove_link(open_netlink(), bridge);
		_exit(0);
	}
	usleep(GAP_US);
	took = time_namespace(own);
	check("wait", waitpid(pid, &status, 0));
	return took;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		double (*measure)(int host, int own);
	} rows[] = {
		{ "a namespace", no_other },
		{ "after a port of a bridge", port_died },
		{ "removing a bridge", removal },
		{ "while one is removed", during_removal },
	};
	int rounds = argc == 2 ? atoi(argv[1]) : 0, host, own;
	double *took = calloc(rounds > 0 ? (size_t)rounds : 1, sizeof(*took));

	if (rounds < 1 || !took) {
		fprintf(stderr, "usage: links ROUNDS\n");
		return 2;
	}
	check("unshare", unshare(CLONE_NEWNET));
	host = open_netlink();
	own = open_namespace();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (int round = 0; round < rounds; round++) {
			took[round] = rows[i].measure(host, own);
			usleep(QUIET_US);
		}
		qsort(took, (size_t)rounds, sizeof(*took), compare);
		printf("%s\t%.3f\t%.3f\t%.3f\n", rows[i].name, took[rounds / 2], took[rounds / 10],
		       took[rounds * 9 / 10]);
	}
	free(took);
	return 0;
}
