/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which network a container gets, and its files of names: see net.h. */
#include "core/container/net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/proc.h"
#include "core/container_store.h"
#include "core/net/clean.h"
#include "core/net/files.h"

#define HOST_RESOLV "/etc/resolv.conf"

static int become_user(struct container_net *net, const char *of, struct stor_err *err)
{
	if (net_state_open(&net->state, net->store, true, err) < 0)
		return -1;
	return net_user_add(&net->state, net->id, of, net->user, err);
}

/* --- the network of others ---------------------------------------------------------------- */

/* The namespace of a running container, held open. */
static int open_namespace_of(struct container_net *net, const struct record *record,
                             struct stor_err *err)
{
	pid_t pid = (pid_t)record_get_u64(record, "pid", 0);
	cleanup_free char *path = xasprintf("/proc/%ld/ns/net", (long)pid);

	if (pid)
		net->ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	/* Looked at afterwards, the number was not another process's. */
	if (net->ns_fd >= 0 && container_first_process(net->store, record))
		return 0;
	close_fd(&net->ns_fd);
	err_fail(err, STOR_NOT_FOUND, 0, "--net container:%s: it is not running",
	         net->config->source);
	err_hint(err, "stor ps lists the containers that run");
	return -1;
}

/* The network stays in use when that container ends: so this one counts as a user of it. */
static int join_container(struct container_net *net, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL;
	const char *value;

	if (container_find(net->store, net->config->source, &id, &record, err) < 0)
		return err_context(err, "--net container:%s", net->config->source);
	value = record_get(&record, "net.owner");
	net->owner = value ? xstrdup(value) : steal_ptr(&id);
	if (become_user(net, net->owner, err) < 0 || open_namespace_of(net, &record, err) < 0)
		return -1;
	value = record_get(&record, "net.hosts");
	net->hosts = value ? xstrdup(value) : NULL;
	value = record_get(&record, "net.resolv");
	net->resolv = value ? xstrdup(value) : NULL;
	return 0;
}

static int join_path(struct container_net *net, struct stor_err *err)
{
	const char *path = net->config->source;

	net->ns_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (net->ns_fd < 0)
		return err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                "--net ns:%s", path);
	if (ioctl(net->ns_fd, NS_GET_NSTYPE) == CLONE_NEWNET)
		return 0;
	err_fail(err, STOR_USAGE, 0, "--net ns:%s: it is no network namespace", path);
	err_hint(err, "ip netns add NAME makes one at /run/netns/NAME");
	return -1;
}

/* --- names -------------------------------------------------------------------------------- */

/* Lines for the container's own hosts file: --add-host, and addresses on no bridge. */
static char *own_lines(const struct container_net *net)
{
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < net->config->hosts.count; i++) {
		const char *host = net->config->hosts.items[i], *colon = strchr(host, ':');

		strbuf_printf(&text, "%s\t%.*s\n", colon + 1, (int)(colon - host), host);
	}
	strbuf_puts(&text, net->pair_lines.text ? net->pair_lines.text : "");
	return strbuf_steal(&text);
}

/* A container on one bridge and no more has the hosts file of the bridge. */
static int make_hosts(struct container_net *net, struct stor_err *err)
{
	const struct config_net *config = net->config;
	cleanup_close int lock_fd = -1;
	cleanup_free char *own = NULL;

	if (config->network_count == 1 && net->bridges.count && !config->hosts.count) {
		net->hosts = net_hosts_path(&net->state, net->bridges.items[0]);
		return 0;
	}
	if (!config->network_count && !config->hosts.count)
		return 0;
	own = own_lines(net);
	if (net->bridges.count) {
		lock_fd = net_state_lock(&net->state, err);
		if (lock_fd < 0)
			return -1;
	}
	if (net_hosts_make(&net->state, net->id, own, &net->bridges, err) < 0)
		return -1;
	net->hosts = net_files_path(&net->state, net->id, ".hosts");
	return 0;
}

static int make_names(struct container_net *net, struct stor_err *err)
{
	const struct config_net *config = net->config;
	bool is_asked = config->dns.count || config->dns_search.count || config->hosts.count;

	if (config->mode == CONFIG_NET_CONTAINER)
		return 0;
	if (config->mode == CONFIG_NET_HOST && !is_asked) {
		net->resolv = access(HOST_RESOLV, F_OK) == 0 ? xstrdup(HOST_RESOLV) : NULL;
		return 0;
	}
	if (config->mode == CONFIG_NET_NONE && !is_asked)
		return 0;
	if (net->state.fd < 0 && become_user(net, NULL, err) < 0)
		return -1;
	if (make_hosts(net, err) < 0)
		return -1;
	return net_resolv_make(&net->state, net->id, config->mode == CONFIG_NET_HOST, &config->dns,
	                       &config->dns_search, &net->resolv, err);
}

/* --- all of it ---------------------------------------------------------------------------- */

int container_net_begin(struct container_net *net, struct store *store,
                        const struct config_net *config, const char *id, const char *names,
                        struct netns *made, struct stor_err *err)
{
	int result = 0;

	net->config = config;
	net->store = store;
	net->id = id;
	net->names = names;
	if (config->mode == CONFIG_NET_OWN)
		result = become_user(net, NULL, err) < 0 ? -1
		                                         : container_net_make_own(net, made, err);
	else if (config->mode == CONFIG_NET_CONTAINER)
		result = join_container(net, err);
	else if (config->mode == CONFIG_NET_PATH)
		result = join_path(net, err);
	return result < 0 ? -1 : make_names(net, err);
}

void container_net_started(struct container_net *net)
{
	close_fd(&net->ns_fd);
}

void container_net_describe(const struct container_net *net, struct record *record)
{
	cleanup_free char *addresses = strv_join(&net->addresses, ",");

	/* What is noted of a container has one value of each key. */
	if (net->addresses.count)
		record_set(record, "net.address", addresses);
	if (net->hosts)
		record_set(record, "net.hosts", net->hosts);
	if (net->resolv)
		record_set(record, "net.resolv", net->resolv);
	if (net->owner)
		record_set(record, "net.owner", net->owner);
}

int container_net_end(struct container_net *net, struct stor_err *err)
{
	int result = 0;

	close_fd(&net->ns_fd);
	for (size_t i = 0; i < net->port_count; i++)
		close_fd(&net->port_fds[i]);
	if (net->state.fd >= 0 && *net->user)
		result = net_release(&net->state, net->user, net->bridges.count || net->port_count,
		                     err);
	net_state_close(&net->state);
	free(net->port_fds);
	free(net->hosts);
	free(net->resolv);
	free(net->owner);
	strv_free(&net->addresses);
	strv_free(&net->bridges);
	strbuf_free(&net->pair_lines);
	*net = (struct container_net)CONTAINER_NET_INIT;
	return result;
}
