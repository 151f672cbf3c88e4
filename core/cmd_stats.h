/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How readings are shown, for cmd_stats.c. */
#ifndef CORE_CMD_STATS_H
#define CORE_CMD_STATS_H

#include <sys/types.h>

#include "core/base/json.h"
#include "core/base/table.h"
#include "core/base/record.h"
#include "core/cgroup/cgroup.h"
#include "core/cgroup/module.h"
#include "core/disk_io.h"

/* Through all interfaces of a network namespace but lo. */
struct stats_net {
	uint64_t received_bytes, received_packets, sent_bytes, sent_packets;
};

/* Readings of one container. */
struct stats_reading {
	const char *id, *name;
	bool is_paused, has_server, has_net, has_volume;
	struct stats_net net;
	struct disk_io volume; /* the root's, since its start */
	struct cgroup_stats payload, server, sum;
	double cpu_percent; /* since the reading before; negative: there was none */
};

/* Add two leaves' readings; what only one has counts as it is. Peaks may not have been at the same
 * time, so their sum is the most that it can have been. Limits and pressure stay the payload's. */
void stats_sum(const struct cgroup_stats *payload, const struct cgroup_stats *server,
               struct cgroup_stats *sum);

/* What went through the network of a container, by its first process. False: it has none of its
 * own, or has ended. */
bool stats_read_net(pid_t pid, struct stats_net *net);

/* What the root volume of a running container was read from and written to. False: it has no block
 * device of its own. */
bool stats_read_volume(const struct record *record, struct disk_io *volume);

/* What processes that serve volumes read from and wrote to disks, where their cgroup does not count
 * all of it: by their own account, as long as they run. */
void stats_add_server_io(const struct cgroup *cgroup, struct cgroup_stats *server);

/* A table with its header; rows are added by stats_rows(): one, or with a server three. */
struct table stats_table(void);
void stats_rows(struct table *table, const struct stats_reading *reading);

/* One object; what this kernel does not tell is null. */
void stats_json(struct json *json, const struct stats_reading *reading);

#endif
