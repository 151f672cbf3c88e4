/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mounts as users write them: --volume, --tmpfs and --mount. */
#include "core/container/config.h"

#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

struct config_mount *config_new_mount(struct container_config *config, enum config_mount_type type)
{
	struct config_mount *m;

	config->mounts =
		xrealloc(config->mounts, (config->mount_count + 1) * sizeof(*config->mounts));
	m = &config->mounts[config->mount_count++];
	memset(m, 0, sizeof(*m));
	m->type = type;
	return m;
}

static int check_target(const char *option, const char *text, const char *target,
                        struct stor_err *err)
{
	if (!target || *target != '/')
		return err_fail(err, STOR_USAGE, 0,
		                "%s %s: the path inside the container must be absolute", option,
		                text);
	if (!target[strspn(target, "/")])
		return err_fail(err, STOR_USAGE, 0, "%s %s: cannot mount over the root", option,
		                text);
	for (const char *at = target; (at = strstr(at, "..")); at += 2)
		if (at[-1] == '/' && (at[2] == '/' || !at[2]))
			return err_fail(err, STOR_USAGE, 0, "%s %s: \"..\" in the target", option,
			                text);
	return 0;
}

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = xstrdup(text);
}

int config_add_volume(struct container_config *config, const char *text, struct stor_err *err)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy, *source = strsep(&rest, ":"), *target = strsep(&rest, ":"), *word;
	bool is_path = *source == '/', read_only = false;
	struct config_mount *m;

	if (!target) {
		err_fail(err, STOR_USAGE, 0, "--volume: \"%s\" is not SOURCE:TARGET[:ro]", text);
		return -1;
	}
	if (check_target("--volume", text, target, err) < 0)
		return -1;
	if (!is_path && !str_is_name(source)) {
		err_fail(err, STOR_USAGE, 0,
		         "--volume %s: the source is neither an absolute path nor a volume's name",
		         text);
		return -1;
	}
	while ((word = strsep(&rest, ",:"))) {
		if (!strcmp(word, "ro")) {
			read_only = true;
		} else if (strcmp(word, "rw") != 0) {
			err_fail(err, STOR_USAGE, 0, "--volume %s: unknown option \"%s\"", text,
			         word);
			err_hint(err, "ro and rw are known");
			return -1;
		}
	}
	m = config_new_mount(config, is_path ? CONFIG_MOUNT_BIND : CONFIG_MOUNT_VOLUME);
	m->source = xstrdup(source);
	m->target = xstrdup(target);
	m->read_only = read_only;
	return 0;
}

static int tmpfs_size(struct config_mount *m, const char *key, const char *value)
{
	uint64_t bytes;

	if (!value || str_to_size(value, &bytes) < 0)
		return -1;
	strv_take(&m->tmpfs_options, xasprintf("%s=%llu", key, (unsigned long long)bytes));
	return 0;
}

static int tmpfs_number(struct config_mount *m, const char *key, const char *value, int base)
{
	char *end;

	if (!value || !*value || value[strspn(value, base == 8 ? "01234567" : "0123456789")])
		return -1;
	if (strtoul(value, &end, base) > (base == 8 ? 07777ul : 0xfffffffeul))
		return -1;
	strv_take(&m->tmpfs_options, xasprintf("%s=%s", key, value));
	return 0;
}

/* One option of a tmpfs. 0, or -1: unknown or wrong. */
static int tmpfs_option(struct config_mount *m, const char *key, const char *value)
{
	if (!strcmp(key, "size"))
		return tmpfs_size(m, key, value);
	if (!strcmp(key, "nr_inodes") || !strcmp(key, "uid") || !strcmp(key, "gid"))
		return tmpfs_number(m, key, value, 10);
	if (!strcmp(key, "mode"))
		return tmpfs_number(m, key, value, 8);
	if (value)
		return -1;
	if (!strcmp(key, "ro") || !strcmp(key, "rw"))
		m->read_only = key[1] == 'o';
	else if (!strcmp(key, "exec") || !strcmp(key, "noexec"))
		m->may_exec = *key == 'e';
	else if (!strcmp(key, "suid") || !strcmp(key, "nosuid"))
		m->may_suid = *key == 's';
	else if (strcmp(key, "nodev") != 0)
		return -1;
	return 0;
}

int config_add_tmpfs(struct container_config *config, const char *text, struct stor_err *err)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy, *target = strsep(&rest, ":"), *key;
	struct config_mount *m;

	if (check_target("--tmpfs", text, target, err) < 0)
		return -1;
	m = config_new_mount(config, CONFIG_MOUNT_TMPFS);
	m->target = xstrdup(target);
	while ((key = strsep(&rest, ","))) {
		char *value = strchr(key, '=');

		if (!*key)
			continue;
		if (value)
			*value++ = '\0';
		if (tmpfs_option(m, key, value) < 0) {
			err_fail(err, STOR_USAGE, 0, "--tmpfs %s: option \"%s\"%s", text, key,
			         value ? " has a wrong value" : " is not known");
			err_hint(err, "known are size= nr_inodes= mode= uid= gid= ro rw exec "
			              "noexec suid nosuid nodev");
			return -1;
		}
	}
	return 0;
}

/* --- --mount ------------------------------------------------------------------------------ */

static bool is_one_of(const char *key, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(key, *names))
			return true;
	return false;
}

/* Keys that every type has. 1: taken, 0: another key, -1: wrong value. */
static int mount_common_key(struct config_mount *m, const char *key, const char *value)
{
	static const char *const source[] = { "src", "source", NULL };
	static const char *const target[] = { "dst", "destination", "target", NULL };
	static const char *const read_only[] = { "readonly", "ro", NULL };

	if (is_one_of(key, read_only))
		return str_to_bool(value ? value : "yes", &m->read_only) == 0 ? 1 : -1;
	if (is_one_of(key, source) || is_one_of(key, target)) {
		if (!value || !*value)
			return -1;
		set_text(is_one_of(key, source) ? &m->source : &m->target, value);
		return 1;
	}
	return 0;
}

static int mount_key(struct config_mount *m, const char *key, const char *value)
{
	int taken = mount_common_key(m, key, value);

	if (taken)
		return taken < 0 ? -1 : 0;
	if (m->type == CONFIG_MOUNT_TMPFS)
		return tmpfs_option(m, str_starts(key, "tmpfs-") ? key + 6 : key, value);
	if (m->type != CONFIG_MOUNT_VOLUME || !value || !*value)
		return -1;
	if (!strcmp(key, "backend"))
		set_text(&m->backend, value);
	else if (!strcmp(key, "fs"))
		set_text(&m->fs_type, value);
	else if (!strcmp(key, "size"))
		return str_to_size(value, &m->size_bytes);
	else
		return -1;
	return 0;
}

static int mount_type(const char *text, const char *value, enum config_mount_type *type,
                      struct stor_err *err)
{
	if (!value || !strcmp(value, "volume"))
		*type = CONFIG_MOUNT_VOLUME;
	else if (!strcmp(value, "bind"))
		*type = CONFIG_MOUNT_BIND;
	else if (!strcmp(value, "tmpfs"))
		*type = CONFIG_MOUNT_TMPFS;
	else
		return err_fail(err, STOR_USAGE, 0,
		                "--mount %s: type \"%s\" is none of bind, tmpfs, volume", text,
		                value);
	return 0;
}

static int check_mount(const struct config_mount *m, const char *text, struct stor_err *err)
{
	if (check_target("--mount", text, m->target, err) < 0)
		return -1;
	if (m->type == CONFIG_MOUNT_TMPFS)
		return m->source ? err_fail(err, STOR_USAGE, 0, "--mount %s: a tmpfs has no source",
		                            text)
		                 : 0;
	if (!m->source)
		return err_fail(err, STOR_USAGE, 0, "--mount %s: src= is missing", text);
	if (m->type == CONFIG_MOUNT_BIND && *m->source != '/')
		return err_fail(err, STOR_USAGE, 0,
		                "--mount %s: the source of a bind must be an absolute path", text);
	if (m->type == CONFIG_MOUNT_VOLUME && !strchr(m->source, '/') && !str_is_name(m->source))
		return err_fail(err, STOR_USAGE, 0, "--mount %s: \"%s\" is not a volume's name",
		                text, m->source);
	return 0;
}

int config_add_mount(struct container_config *config, const char *text, struct stor_err *err)
{
	cleanup_free char *copy = xstrdup(text);
	cleanup_strv struct strv words = STRV_INIT;
	enum config_mount_type type = CONFIG_MOUNT_VOLUME;
	const char *type_text = NULL;
	struct config_mount *m;
	char *rest = copy, *word;

	while ((word = strsep(&rest, ","))) {
		if (str_starts(word, "type="))
			type_text = word + 5;
		else if (*word)
			strv_add(&words, word);
	}
	if (mount_type(text, type_text, &type, err) < 0)
		return -1;
	m = config_new_mount(config, type);
	for (size_t i = 0; i < words.count; i++) {
		char *key = words.items[i], *value = strchr(key, '=');

		if (value)
			*value++ = '\0';
		if (mount_key(m, key, value) < 0) {
			err_fail(err, STOR_USAGE, 0, "--mount %s: key \"%s\" %s", text, key,
			         value ? "is not known here or has a wrong value"
			               : "is not known here or lacks its value");
			err_hint(err, "type= src= dst= readonly; volume: backend= size= fs=; "
			              "tmpfs: tmpfs-size= tmpfs-mode=");
			return -1;
		}
	}
	return check_mount(m, text, err);
}
