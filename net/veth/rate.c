/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bound on what leaves an interface, by a token bucket. */
#include <netlink/errno.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/tbf.h>
#include <netlink/route/tc.h>

#include "net/veth/session.h"

/* What may go at once: a hundredth of a second's share, and at least one large packet of 64 KiB, as
 * a sender without a network card makes them. */
#define BURST_SHARE 100
#define BURST_MIN_BYTES (80 << 10)
/* How long a packet may wait before others are dropped. */
#define LATENCY_US 50000

int rate_limit(struct nl_sock *sock, int index, uint64_t rate_bytes, const char *what,
               struct stor_err *err)
{
	struct rtnl_qdisc *qdisc = rtnl_qdisc_alloc();
	int burst = (int)(rate_bytes / BURST_SHARE), code = -NLE_NOMEM;

	if (burst < BURST_MIN_BYTES)
		burst = BURST_MIN_BYTES;
	if (qdisc) {
		rtnl_tc_set_ifindex(TC_CAST(qdisc), index);
		rtnl_tc_set_parent(TC_CAST(qdisc), TC_H_ROOT);
		code = rtnl_tc_set_kind(TC_CAST(qdisc), "tbf");
		if (!code) {
			rtnl_qdisc_tbf_set_rate(qdisc, (int)rate_bytes, burst, 0);
			code = rtnl_qdisc_tbf_set_limit_by_latency(qdisc, LATENCY_US);
		}
		if (!code)
			code = rtnl_qdisc_add(sock, qdisc, NLM_F_CREATE | NLM_F_EXCL);
		rtnl_qdisc_put(qdisc);
	}
	if (!code)
		return 0;
	session_fail(err, code, "limit the rate of %s", what);
	if (code == -NLE_OBJ_NOTFOUND || code == -NLE_OPNOTSUPP)
		err_hint(err, "the kernel needs the queueing discipline tbf: modprobe sch_tbf");
	return -1;
}
