/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What went through a container's network: see cmd_stats.h. */
#include "core/cmd_stats.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <stor/util.h>

#include "core/base/fs.h"

#define TEXT_LIMIT_BYTES (1u << 20)

/* The number of a process's network namespace; 0: it has ended. */
static ino_t namespace_of(const char *process)
{
	cleanup_free char *path = xasprintf("/proc/%s/ns/net", process);
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* "  eth0: BYTES PACKETS errs drop fifo frame compressed multicast BYTES PACKETS …" */
static void add_interface(struct stats_net *net, const char *line)
{
	uint64_t received, received_packets, sent, sent_packets;
	char name[32];

	if (sscanf(line,
	           " %31[^:]: %" SCNu64 " %" SCNu64 " %*u %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
	           name, &received, &received_packets, &sent, &sent_packets) != 5 ||
	    !strcmp(name, "lo"))
		return;
	net->received_bytes += received;
	net->received_packets += received_packets;
	net->sent_bytes += sent;
	net->sent_packets += sent_packets;
}

bool stats_read_net(pid_t pid, struct stats_net *net)
{
	cleanup_free char *process = xasprintf("%ld", (long)pid);
	cleanup_free char *path = xasprintf("/proc/%s/net/dev", process);
	struct stor_err ended = STOR_ERR_INIT;
	ino_t own = namespace_of(process);
	cleanup_free char *text = NULL;

	memset(net, 0, sizeof(*net));
	if (!pid || !own || own == namespace_of("self"))
		return false;
	text = fs_read_file(AT_FDCWD, path, TEXT_LIMIT_BYTES, NULL, &ended);
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		add_interface(net, line);
	}
	return text != NULL;
}
