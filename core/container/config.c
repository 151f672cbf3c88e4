/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The description of a container: its life, environment, limits, and what an image adds to it. */
#include "core/container/config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/opts.h"
#include "core/container_log.h"
#include "core/signals.h"

#include <fcntl.h>

#define SHM_SIZE_BYTES (UINT64_C(64) << 20)
#define ENV_FILE_LIMIT_BYTES (1u << 20)

void config_init(struct container_config *config)
{
	memset(config, 0, sizeof(*config));
	config->shm_size_bytes = SHM_SIZE_BYTES;
	config->stop_s = CONFIG_STOP_S;
	config->log_max_bytes = LOG_MAX_BYTES;
	config->log_max_files = LOG_MAX_FILES;
}

void config_free(struct container_config *config)
{
	for (size_t i = 0; i < config->mount_count; i++) {
		struct config_mount *m = &config->mounts[i];

		free(m->source);
		free(m->target);
		free(m->backend);
		free(m->fs_type);
		strv_free(&m->tmpfs_options);
	}
	free(config->mounts);
	free(config->ulimits);
	free(config->name);
	free(config->image);
	free(config->root);
	free(config->backend);
	free(config->fs_type);
	free(config->entrypoint);
	free(config->user);
	free(config->workdir);
	free(config->hostname);
	free(config->seccomp);
	free(config->stop_signal);
	strv_free(&config->given);
	cgroup_asked_free(&config->cgroup);
	config_net_free(&config->net);
	strv_free(&config->labels);
	strv_free(&config->params);
	strv_free(&config->args);
	strv_free(&config->env);
	strv_free(&config->group_add);
	strv_free(&config->cap_add);
	strv_free(&config->cap_drop);
	memset(config, 0, sizeof(*config));
}

/* --- environment -------------------------------------------------------------------------- */

/* Position of KEY=… in the list, or its count. The key ends at '=' or at its own end. */
static size_t find_env(const struct strv *env, const char *key)
{
	size_t length = strcspn(key, "="), i;

	for (i = 0; i < env->count; i++)
		if (!strncmp(env->items[i], key, length) && env->items[i][length] == '=')
			break;
	return i;
}

static void put_env(struct strv *env, const char *text)
{
	size_t at = find_env(env, text);

	if (at == env->count) {
		strv_add(env, text);
		return;
	}
	free(env->items[at]);
	env->items[at] = xstrdup(text);
}

const char *config_get_env(const struct container_config *config, const char *key)
{
	size_t at = find_env(&config->env, key);

	return at < config->env.count ? config->env.items[at] + strlen(key) + 1 : NULL;
}

int config_add_env(struct container_config *config, const char *text, struct stor_err *err)
{
	cleanup_free char *whole = NULL;
	const char *value;

	if (!*text || *text == '=')
		return err_fail(err, STOR_USAGE, 0, "--env: \"%s\" has no variable name", text);
	if (strchr(text, '=')) {
		put_env(&config->env, text);
		return 0;
	}
	value = getenv(text);
	if (value) {
		whole = xasprintf("%s=%s", text, value);
		put_env(&config->env, whole);
	}
	return 0;
}

int config_add_env_file(struct container_config *config, const char *path, struct stor_err *err)
{
	size_t size;
	cleanup_free char *text = fs_read_file(AT_FDCWD, path, ENV_FILE_LIMIT_BYTES, &size, err);
	char *line, *rest = text;

	if (!text)
		return err_context(err, "--env-file");
	if (strlen(text) != size)
		return err_fail(err, STOR_USAGE, 0, "--env-file %s: holds a zero byte", path);
	while ((line = strsep(&rest, "\n"))) {
		line += strspn(line, " \t");
		line[strcspn(line, "\r")] = '\0';
		if (!*line || *line == '#')
			continue;
		if (config_add_env(config, line, err) < 0)
			return err_context(err, "--env-file %s", path);
	}
	return 0;
}

/* --- limits ------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int resource;
} ulimit_names[] = {
	{ "as", RLIMIT_AS },
	{ "core", RLIMIT_CORE },
	{ "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE },
	{ "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK },
	{ "msgqueue", RLIMIT_MSGQUEUE },
	{ "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE },
	{ "nproc", RLIMIT_NPROC },
	{ "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO },
	{ "rttime", RLIMIT_RTTIME },
	{ "sigpending", RLIMIT_SIGPENDING },
	{ "stack", RLIMIT_STACK },
};

static int parse_limit(const char *text, uint64_t *value)
{
	if (!strcmp(text, "unlimited") || !strcmp(text, "-1")) {
		*value = RLIM_INFINITY;
		return 0;
	}
	return str_to_u64(text, value);
}

int config_add_ulimit(struct container_config *config, const char *text, struct stor_err *err)
{
	cleanup_free char *copy = xstrdup(text);
	struct config_ulimit limit = { .resource = -1 };
	char *value = strchr(copy, '='), *hard;

	if (value)
		*value++ = '\0';
	hard = value ? strchr(value, ':') : NULL;
	if (hard)
		*hard++ = '\0';
	for (size_t i = 0; i < sizeof(ulimit_names) / sizeof(*ulimit_names); i++)
		if (!strcmp(copy, ulimit_names[i].name))
			limit.resource = ulimit_names[i].resource;
	if (!value || parse_limit(value, &limit.soft) < 0 ||
	    parse_limit(hard ? hard : value, &limit.hard) < 0)
		return err_fail(err, STOR_USAGE, 0, "--ulimit: \"%s\" is not NAME=SOFT[:HARD]",
		                text);
	if (limit.resource < 0) {
		err_fail(err, STOR_USAGE, 0, "--ulimit: unknown limit \"%s\"", copy);
		err_hint(err, "one of: as core cpu data fsize locks memlock msgqueue nice nofile "
		              "nproc rss rtprio rttime sigpending stack");
		return -1;
	}
	if (limit.soft > limit.hard)
		return err_fail(err, STOR_USAGE, 0,
		                "--ulimit %s: the soft limit is above the hard one", text);
	config->ulimits =
		xrealloc(config->ulimits, (config->ulimit_count + 1) * sizeof(*config->ulimits));
	config->ulimits[config->ulimit_count++] = limit;
	return 0;
}

/* --- restarts ----------------------------------------------------------------------------- */

int config_set_restart(struct container_config *config, const char *text, struct stor_err *err)
{
	static const char *const names[] = { "no", "on-failure", "always", "unless-stopped" };
	uint64_t number = 0;

	if (str_starts(text, "on-failure:") &&
	    (str_to_u64(strchr(text, ':') + 1, &number) < 0 || number > UINT32_MAX))
		return opts_fail_value("--restart", text, "on-failure:NUMBER", err);
	config->restart_max = (unsigned)number;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(text, names[i]) != 0 && !(i == 1 && str_starts(text, "on-failure:")))
			continue;
		config->restart = (enum config_restart)i;
		return 0;
	}
	return opts_fail_value("--restart", text,
	                       "no, on-failure[:NUMBER], always or unless-stopped", err);
}

/* --- the log ------------------------------------------------------------------------------ */

int config_add_log_opt(struct container_config *config, const char *text, struct stor_err *err)
{
	const char *value = strchr(text, '=');
	uint64_t number;

	if (str_starts(text, "max-size=")) {
		if (str_to_size(value + 1, &config->log_max_bytes) == 0)
			return 0;
	} else if (str_starts(text, "max-file=")) {
		if (str_to_u64(value + 1, &number) == 0 && number && number < 1000) {
			config->log_max_files = (unsigned)number;
			return 0;
		}
	}
	err_fail(err, STOR_USAGE, 0, "--log-opt: \"%s\" is not known", text);
	err_hint(err, "known are max-size=SIZE (0: no limit) and max-file=NUMBER (1 to 999)");
	return -1;
}

/* --- security options --------------------------------------------------------------------- */

static int security_not_yet(const char *text, struct stor_err *err)
{
	return err_fail(err, STOR_UNSUPPORTED, 0,
	                "--security-opt %s: security labels are not supported yet", text);
}

int config_add_security(struct container_config *config, const char *text, struct stor_err *err)
{
	const char *value = strpbrk(text, "=:");
	size_t length = value ? (size_t)(value - text) : strlen(text);
	bool on = true;

	if (value)
		value++;
	if (length == strlen("no-new-privileges") && str_starts(text, "no-new-privileges")) {
		if (value && str_to_bool(value, &on) < 0)
			return err_fail(err, STOR_USAGE, 0,
			                "--security-opt %s: no-new-privileges is true or false",
			                text);
		config->new_privileges = !on;
		return 0;
	}
	if (str_starts(text, "label") || str_starts(text, "apparmor"))
		return security_not_yet(text, err);
	if (length == strlen("seccomp") && str_starts(text, "seccomp") && value && *value) {
		free(config->seccomp);
		config->seccomp = strcmp(value, "default") != 0 ? xstrdup(value) : NULL;
		return 0;
	}
	err_fail(err, STOR_USAGE, 0, "--security-opt: unknown \"%s\"", text);
	err_hint(err, "known are no-new-privileges[=BOOL] and seccomp=default|unconfined|FILE");
	return -1;
}

/* --- the image's part --------------------------------------------------------------------- */

static void copy_values(struct strv *to, const struct record *record, const char *key)
{
	const char *value;

	for (size_t at = 0; (value = record_next(record, key, &at));)
		strv_add(to, value);
}

static void move_values(struct strv *to, struct strv *from)
{
	strv_add_all(to, from);
	strv_free(from);
}

static void apply_command(struct container_config *config, const struct record *image)
{
	struct strv args = STRV_INIT;
	bool own_entrypoint = config->entrypoint != NULL;

	/* What an image runs otherwise is not what boots. */
	if (config->init_system)
		image = NULL;
	if (own_entrypoint && *config->entrypoint)
		strv_add(&args, config->entrypoint);
	else if (!own_entrypoint && image)
		copy_values(&args, image, "config.entrypoint");
	if (config->args.count)
		move_values(&args, &config->args);
	else if (!own_entrypoint && image)
		copy_values(&args, image, "config.cmd");
	if (!args.count)
		strv_add(&args, config->init_system ? "/sbin/init" : "sh");
	config->args = args;
}

static void apply_env(struct container_config *config, const struct record *image)
{
	struct strv own = config->env;
	const char *value;

	memset(&config->env, 0, sizeof(config->env));
	strv_add(&config->env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	if (config->tty)
		strv_add(&config->env, "TERM=xterm");
	/* By this systemd knows where it is. */
	if (config->init_system)
		strv_add(&config->env, "container=stor");
	for (size_t at = 0; image && (value = record_next(image, "config.env", &at));)
		if (*value != '=' && strchr(value, '='))
			put_env(&config->env, value);
	for (size_t i = 0; i < own.count; i++)
		put_env(&config->env, own.items[i]);
	strv_free(&own);
}

void config_apply_image(struct container_config *config, const struct record *image)
{
	const char *user = image ? record_get(image, "config.user") : NULL;
	const char *signal = image ? record_get(image, "config.stop-signal") : NULL;
	const char *workdir = image ? record_get(image, "config.workdir") : NULL;

	apply_command(config, image);
	apply_env(config, image);
	if (!config->user && user && *user && !config->init_system)
		config->user = xstrdup(user);
	if (!config->stop_signal && signal && signal_parse(signal) > 0 && !config->init_system)
		config->stop_signal = xstrdup(signal);
	if (!config->workdir && workdir && *workdir == '/')
		config->workdir = xstrdup(workdir);
}
