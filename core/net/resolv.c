/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The resolver's configuration inside: see files.h. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/net/files.h"

#define FILE_LIMIT_BYTES (1u << 20)
#define HOST_FILE "/etc/resolv.conf"

/* What a line begins with: its value, or NULL. */
static char *value_of(char *line, const char *key)
{
	size_t length = strlen(key);

	if (!str_starts(line, key) || !strchr(" \t", line[length]))
		return NULL;
	return line + length + strspn(line + length, " \t");
}

/* A resolver that a container reaches: not on the host's loopback, nor only on one link. */
static bool is_reachable(const char *text)
{
	struct net_address address;

	if (net_address_parse(text, &address) < 0)
		return false;
	return address.family == AF_INET ? address.bytes[0] != 127
	                                 : strcmp(text, "::1") != 0 && address.bytes[0] != 0xfe;
}

/* The lines of a resolv.conf; resolvers apart from the rest. False: there is no such file. */
struct resolv {
	struct strv servers, unreachable, search, other;
};

static void free_resolv(struct resolv *resolv)
{
	strv_free(&resolv->servers);
	strv_free(&resolv->unreachable);
	strv_free(&resolv->search);
	strv_free(&resolv->other);
}

static bool read_resolv(const char *path, bool shares_host, struct resolv *resolv)
{
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(AT_FDCWD, path, FILE_LIMIT_BYTES, NULL, &ignored);
	char *rest = text, *line, *value;

	while (text && (line = strsep(&rest, "\n"))) {
		line[strcspn(line, "\r")] = '\0';
		if ((value = value_of(line, "nameserver"))) {
			value[strcspn(value, " \t")] = '\0';
			strv_add(shares_host || is_reachable(value) ? &resolv->servers
			                                            : &resolv->unreachable,
			         value);
		} else if ((value = value_of(line, "search")) ||
		           (value = value_of(line, "domain"))) {
			strv_free(&resolv->search);
			strv_add(&resolv->search, value);
		} else if (value_of(line, "options")) {
			strv_add(&resolv->other, line);
		}
	}
	return text != NULL;
}

/* A resolver on the loopback hands questions on to others, which these files name. */
static void find_upstream(struct resolv *resolv)
{
	static const char *const files[] = { "/run/systemd/resolve/resolv.conf",
		                             "/run/NetworkManager/no-stub-resolv.conf",
		                             "/run/resolvconf/resolv.conf" };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files) && !resolv->servers.count; i++)
		read_resolv(files[i], false, resolv);
	if (resolv->servers.count)
		return;
	log_warn("names: the host's resolver %s is on its loopback, which the container does not "
	         "reach, and where that one asks is in no known file; --dns names one",
	         resolv->unreachable.items[0]);
}

static void add_lines(struct strbuf *text, const char *key, const struct strv *values)
{
	for (size_t i = 0; i < values->count; i++)
		strbuf_printf(text, "%s%s\n", key, values->items[i]);
}

static int write_resolv(struct net_state *state, const char *id, const struct resolv *resolv,
                        struct stor_err *err)
{
	cleanup_free char *path = xasprintf("files/%s.resolv", id);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	add_lines(&text, "nameserver ", &resolv->servers);
	for (size_t i = 0; i < resolv->search.count; i++)
		strbuf_printf(&text, "%s%s", i ? " " : "search ", resolv->search.items[i]);
	if (resolv->search.count)
		strbuf_putc(&text, '\n');
	add_lines(&text, "", &resolv->other);
	return fs_write_file(state->fd, path, text.text ? text.text : "", text.length, 0644, false,
	                     err);
}

static void replace(struct strv *list, const struct strv *by)
{
	if (!by->count)
		return;
	strv_free(list);
	strv_add_all(list, by);
}

int net_resolv_make(struct net_state *state, const char *id, bool shares_host,
                    const struct strv *dns, const struct strv *search, char **path,
                    struct stor_err *err)
{
	__attribute__((cleanup(free_resolv))) struct resolv resolv = { .servers = STRV_INIT };
	bool is_there = read_resolv(HOST_FILE, shares_host, &resolv);

	*path = NULL;
	if (!dns->count && !search->count && !resolv.unreachable.count) {
		*path = is_there ? xstrdup(HOST_FILE) : NULL;
		return 0;
	}
	replace(&resolv.servers, dns);
	replace(&resolv.search, search);
	if (!resolv.servers.count && resolv.unreachable.count)
		find_upstream(&resolv);
	if (write_resolv(state, id, &resolv, err) < 0)
		return -1;
	*path = net_files_path(state, id, ".resolv");
	return 0;
}
