/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts files: see files.h. */
#include "core/net/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/fs.h"

#define FILE_LIMIT_BYTES (4u << 20)
#define SECTION "# bridge "

static const char head[] = "127.0.0.1\tlocalhost\n"
			   "::1\tlocalhost ip6-localhost ip6-loopback\n";

static char *absolute(struct net_state *state, const char *folder, const char *name,
                      const char *kind)
{
	return xasprintf("%s/net/%llu/%s/%s%s", state->store->state_path,
	                 (unsigned long long)state->inode, folder, name, kind);
}

char *net_hosts_path(struct net_state *state, const char *bridge)
{
	return absolute(state, "hosts", bridge, "");
}

char *net_files_path(struct net_state *state, const char *id, const char *kind)
{
	return absolute(state, "files", id, kind);
}

/* Whole text of a file; "" when there is none. malloc'ed. */
static char *read_text(struct net_state *state, const char *path)
{
	struct stor_err ignored = STOR_ERR_INIT;
	char *text = fs_read_file(state->fd, path, FILE_LIMIT_BYTES, NULL, &ignored);

	return text ? text : xstrdup("");
}

/* Replaces the text in place; before: what it holds now. */
static int write_text(struct net_state *state, const char *path, size_t before, struct strbuf *text,
                      struct stor_err *err)
{
	cleanup_close int fd = openat(state->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	size_t length = text->length;

	while (text->length < before)
		strbuf_putc(text, '\n');
	/* Readable for every user inside, whatever stor's own mask. */
	if (fd < 0 || fchmod(fd, 0644) < 0 || pwrite_all(fd, text->text, text->length, 0) < 0 ||
	    ftruncate(fd, (off_t)length) < 0)
		return err_fail(err, STOR_FAILED, errno, "write %s/net/…/%s",
		                state->store->state_path, path);
	return 0;
}

/* --- files of single containers ----------------------------------------------------------- */

/* The lines of containers in a bridge's file. */
static const char *lines_of(const char *text)
{
	return str_starts(text, head) ? text + strlen(head) : text;
}

static void add_section(struct strbuf *text, const char *bridge, const char *lines)
{
	strbuf_printf(text, SECTION "%s\n%s", bridge, lines);
}

/* Puts the new lines of a bridge into one container's file, where it has a section for them. */
static void update_own(struct net_state *state, const char *name, const char *bridge,
                       const char *lines)
{
	cleanup_free char *path = xasprintf("files/%s", name), *old = read_text(state, path);
	cleanup_free char *title = xasprintf(SECTION "%s\n", bridge);
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	const char *at = strstr(old, title), *rest = at ? strstr(at + 1, SECTION) : NULL;

	if (!at)
		return;
	strbuf_add(&text, old, (size_t)(at - old));
	add_section(&text, bridge, lines);
	if (rest)
		strbuf_puts(&text, rest);
	write_text(state, path, strlen(old), &text, &ignored);
}

static int update_bridge(struct net_state *state, const char *bridge, size_t before,
                         struct strbuf *text, struct stor_err *err)
{
	cleanup_free char *path = xasprintf("hosts/%s", bridge);
	cleanup_strv struct strv names = STRV_INIT;
	size_t length = text->length;

	if (write_text(state, path, before, text, err) < 0)
		return -1;
	text->text[length] = '\0';
	if (store_list(state->fd, "files", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (str_ends(names.items[i], ".hosts"))
			update_own(state, names.items[i], bridge, lines_of(text->text));
	return 0;
}

int net_hosts_make(struct net_state *state, const char *id, const char *own,
                   const struct strv *bridges, struct stor_err *err)
{
	cleanup_free char *path = xasprintf("files/%s.hosts", id);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	strbuf_puts(&text, head);
	strbuf_puts(&text, own);
	for (size_t i = 0; i < bridges->count; i++) {
		cleanup_free char *source = xasprintf("hosts/%s", bridges->items[i]);
		cleanup_free char *lines = read_text(state, source);

		add_section(&text, bridges->items[i], lines_of(lines));
	}
	return write_text(state, path, 0, &text, err);
}

void net_files_remove(struct net_state *state, const char *id)
{
	static const char *const kinds[] = { ".hosts", ".resolv" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		cleanup_free char *path = xasprintf("files/%s%s", id, kinds[i]);

		unlinkat(state->fd, path, 0);
	}
}

/* --- files of bridges --------------------------------------------------------------------- */

int net_hosts_add(struct net_state *state, const char *bridge, const struct net_address *addresses,
                  const char *names, struct stor_err *err)
{
	cleanup_free char *path = xasprintf("hosts/%s", bridge), *old = read_text(state, path);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	char address[NET_ADDRESS_TEXT];

	strbuf_puts(&text, *old ? old : head);
	for (int i = 0; i < NET_FAMILIES; i++)
		if (addresses[i].family)
			strbuf_printf(&text, "%s\t%s\n",
			              net_address_format(&addresses[i], false, address), names);
	if (update_bridge(state, bridge, strlen(old), &text, err) < 0)
		return -1;
	kill_point("net-hosts");
	return 0;
}

/* Is the line that of the container: its first name? */
static bool is_line_of(const char *line, const char *id)
{
	const char *names = line + strcspn(line, "\t\n");

	return *names == '\t' && str_starts(names + 1, id);
}

void net_hosts_remove(struct net_state *state, const char *bridge, const char *id)
{
	cleanup_free char *path = xasprintf("hosts/%s", bridge), *old = read_text(state, path);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	bool found = false;

	for (const char *line = old, *next; *line; line = next) {
		size_t length = strcspn(line, "\n");

		next = line + length + (line[length] == '\n');
		if (is_line_of(line, id))
			found = true;
		else
			strbuf_add(&text, line, (size_t)(next - line));
	}
	/* The file of a bridge that nobody uses is only its head. */
	if (found && !strcmp(text.text, head))
		unlinkat(state->fd, path, 0);
	else if (found)
		update_bridge(state, bridge, strlen(old), &text, &ignored);
}

void net_hosts_remove_all(struct net_state *state, const char *id)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	store_list(state->fd, "hosts", &names, &ignored);
	for (size_t i = 0; i < names.count; i++)
		net_hosts_remove(state, names.items[i], id);
}
