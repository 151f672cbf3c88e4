/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netlink sockets and words for libnl's errors: see session.h. */
#include "net/veth/session.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <netlink/errno.h>
#include <stor/util.h>

#include "core/base/str.h"

struct nl_sock *session_open(struct stor_err *err)
{
	struct nl_sock *sock = nl_socket_alloc();
	int code = sock ? nl_connect(sock, NETLINK_ROUTE) : -NLE_NOMEM;

	if (code == 0) {
		/* Answers fit the room that there is then, and need not be looked at twice. */
		nl_socket_disable_msg_peek(sock);
		return sock;
	}
	session_fail(err, code, "open a netlink socket");
	session_close(&sock);
	return NULL;
}

struct nl_sock *session_open_in(int ns_fd, const char *name, int *index, struct stor_err *err)
{
	cleanup_close int own_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	struct nl_sock *sock;

	if (own_fd < 0 || setns(ns_fd, CLONE_NEWNET) < 0) {
		err_fail(err, STOR_FAILED, errno, "enter the container's network namespace");
		return NULL;
	}
	sock = session_open(err);
	*index = (int)if_nametoindex(name);
	/* A process that is lost in another namespace must do nothing more. */
	if (setns(own_fd, CLONE_NEWNET) < 0)
		abort();
	if (sock && !*index) {
		err_fail(err, STOR_FAILED, 0, "the interface %s is gone", name);
		session_close(&sock);
	}
	return sock;
}

void session_close(struct nl_sock **sock)
{
	if (*sock)
		nl_socket_free(*sock);
	*sock = NULL;
}

void session_put_link(struct rtnl_link **link)
{
	if (*link)
		rtnl_link_put(*link);
}

void session_put_address(struct nl_addr **address)
{
	if (*address)
		nl_addr_put(*address);
}

int session_fail(struct stor_err *err, int code, const char *format, ...)
{
	cleanup_free char *what = NULL;
	struct strbuf text = STRBUF_INIT;
	va_list args;

	va_start(args, format);
	strbuf_vprintf(&text, format, args);
	va_end(args);
	what = strbuf_steal(&text);
	err_fail(err, code == -NLE_EXIST || code == -NLE_BUSY ? STOR_BUSY : STOR_FAILED, 0,
	         "%s: %s", what, nl_geterror(code));
	if (code == -NLE_PERM)
		err_hint(err, "networks need the capability CAP_NET_ADMIN");
	else if (code == -NLE_NOMEM)
		err_hint(err, "the kernel has no memory for it");
	return -1;
}

struct nl_addr *session_address(const struct net_address *address)
{
	struct nl_addr *built =
		nl_addr_build(address->family, address->bytes, net_address_size(address));

	if (built)
		nl_addr_set_prefixlen(built, (int)address->prefix);
	return built;
}
