/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The module net/nft: packet filter rules by libnftables, in nft(8)'s own language. */
#include <errno.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "core/net/module.h"

#define NEEDS_NAT                                                                                  \
	"the kernel needs nf_tables with address translation: modprobe -a nft_chain_nat nft_nat "  \
	"nft_masq nft_ct nft_fib_inet"

/* The first line of what nft says; the others quote the command. */
static int nft_failed(struct nft_ctx *ctx, struct stor_err *err)
{
	const char *said = nft_ctx_get_error_buffer(ctx);
	size_t length = said ? strcspn(said, "\n") : 0;

	err_fail(err, STOR_FAILED, 0, "packet filter: %.*s", (int)length,
	         length ? said : "it failed without a word");
	if (length && (strstr(said, "not supported") || strstr(said, "No such file")))
		err_hint(err, NEEDS_NAT);
	else if (length && strstr(said, "not permitted"))
		err_hint(err, "rules need the capability CAP_NET_ADMIN");
	return -1;
}

/* Without its socket the library ends the program. */
static int check_kernel(struct stor_err *err)
{
	cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd >= 0)
		return 0;
	err_fail(err, STOR_FAILED, errno, "packet filter: make a socket");
	err_hint(err, NEEDS_NAT);
	return -1;
}

/* Returns what the commands print, malloc'ed, or NULL. */
static char *run(const char *commands, unsigned flags, struct stor_err *err)
{
	struct nft_ctx *ctx;
	char *printed = NULL;

	if (check_kernel(err) < 0)
		return NULL;
	ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!ctx) {
		err_fail(err, STOR_FAILED, ENOMEM, "packet filter");
		return NULL;
	}
	nft_ctx_output_set_flags(ctx, flags);
	if (nft_ctx_buffer_output(ctx) || nft_ctx_buffer_error(ctx))
		err_fail(err, STOR_FAILED, ENOMEM, "packet filter");
	else if (nft_run_cmd_from_buffer(ctx, commands) < 0)
		nft_failed(ctx, err);
	else
		printed = xstrdup(nft_ctx_get_output_buffer(ctx));
	nft_ctx_free(ctx);
	return printed;
}

static int apply(const char *commands, struct stor_err *err)
{
	char *printed = run(commands, 0, err);

	if (!printed)
		return -1;
	free(printed);
	return 0;
}

static char *list(const char *command, bool with_handles, struct stor_err *err)
{
	return run(command, with_handles ? NFT_CTX_OUTPUT_HANDLE : 0, err);
}

extern const struct net_nft_module stor_net_nft;
__attribute__((visibility("default"))) const struct net_nft_module stor_net_nft = {
	.version = STOR_VERSION,
	.apply = apply,
	.list = list,
};
