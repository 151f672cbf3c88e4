/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What workloads with a network need: a network namespace that stands for the host, which the bench
 * lives in from then on, and a server of iperf3 in it. */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include "bench/measure/bench.h"

/* 0, or -1 with err filled: STOR_UNSUPPORTED, there is no iperf3. */
int traffic_begin(struct bench *bench, struct stor_err *err);
/* Nothing to do where it did not begin. */
void traffic_end(struct bench *bench);

/* The host's end of a pair of interfaces, in place of a command: LXC calls it with its own words
 * behind, of which the last is the interface. Returns an exit status. */
int traffic_set_address(int argc, char **argv);

/* Addresses for those who do not choose them. The host's end is also the gateway. */
#define TRAFFIC_HOST "10.213.77.1"
#define TRAFFIC_GUEST "10.213.77.2"
#define TRAFFIC_DOCKER "10.213.78.1/24"

#endif
