/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program: global options, dispatch to a command, and the only place that prints errors. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/cmd.h"
#include "core/cmd_adopt.h"
#include "core/cmd_backend.h"
#include "core/cmd_content.h"
#include "core/cmd_image.h"
#include "core/cmd_life.h"
#include "core/cmd_run.h"
#include "core/cmd_store.h"
#include "core/cmd_volume.h"

struct command {
	const char *name;
	const char *summary;
	cmd_fn run;
	int failure_status; /* 0: that of the error */
};

static const struct command commands[] = {
	{ "attach", "Follow a detached container with input and output", cmd_attach, 125 },
	{ "backend", "List, describe and check storage backends", cmd_backend, 0 },
	{ "bench", "Measure workloads on backends and beside other runtimes", cmd_bench, 0 },
	{ "commit", "Make an image of a container's files", cmd_commit, 0 },
	{ "cp", "Copy files out of a container, or into one", cmd_cp, 0 },
	{ "create", "Make a container that is started later", cmd_create, 125 },
	{ "diff", "Tell what a container has changed of its image", cmd_diff, 0 },
	{ "doctor", "Tell what this machine supports, and what to do about the rest", cmd_doctor,
	  0 },
	{ "events", "Show what happened to containers, images and volumes", cmd_events, 0 },
	{ "exec", "Run another command in a container", cmd_exec, 125 },
	{ "export", "Write the files of a container as a tar archive", cmd_export, 0 },
	{ "gc", "Remove what killed stor processes left behind", cmd_gc, 0 },
	{ "image", "Import, list, describe, export and remove images", cmd_image, 0 },
	{ "inspect", "Describe containers", cmd_inspect, 0 },
	{ "kill", "Send a signal to containers", cmd_kill, 0 },
	{ "logs", "Show what a container wrote", cmd_logs, 0 },
	{ "pause", "Stop the processes of containers", cmd_pause, 0 },
	{ "prune", "Remove containers and images that nobody uses", cmd_prune, 0 },
	{ "ps", "List the containers", cmd_ps, 0 },
	{ "rename", "Give a container another name", cmd_rename, 0 },
	{ "restart", "Stop containers and start them again", cmd_restart, 0 },
	{ "resume", "Let paused containers go on", cmd_resume, 0 },
	{ "rm", "Remove containers", cmd_rm, 0 },
	{ "run", "Run a command in a new container", cmd_run, 125 },
	{ "start", "Start containers that do not run", cmd_start, 0 },
	{ "stats", "Show what containers use", cmd_stats, 0 },
	{ "stop", "Stop containers", cmd_stop, 0 },
	{ "top", "List the processes of a container", cmd_top, 0 },
	{ "update", "Change the limits of containers", cmd_update, 0 },
	{ "volume", "Make, list, copy, resize, check, mount and remove volumes", cmd_volume, 0 },
	{ "wait", "Wait until containers have ended", cmd_wait, 0 },
	{ NULL, NULL, NULL, 0 },
};

static void print_usage(FILE *out)
{
	fputs("Usage: stor [--store DIR] [--state DIR] [--debug] COMMAND [ARG...]\n\n"
	      "Containers whose root filesystem lies on the storage backend of your choice.\n\n"
	      "Commands:\n",
	      out);
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "  %-10s  %s\n", c->name, c->summary);
	fputs("  version     Print the version\n\n"
	      "Options:\n"
	      "  --store DIR  Images, volumes and containers (STOR_STORE; /var/lib/stor)\n"
	      "  --state DIR  What is gone after a boot (STOR_STATE; /run/stor)\n"
	      "  --debug      Trace on standard error (STOR_DEBUG=1)\n"
	      "  --help       Show this text\n"
	      "  --version    Print the version\n\n"
	      "stor COMMAND --help explains a command; stor(1) is the manual.\n",
	      out);
}

/* Puts a path in place of the default; it must be absolute, for it is used from other folders. */
static int set_path(const char **path, const char *option, const char *value, struct stor_err *err)
{
	if (!value || *value != '/')
		return err_fail(err, STOR_USAGE, 0, "%s: needs an absolute path, not \"%s\"",
		                option, value ? value : "");
	*path = value;
	return 0;
}

static int paths_from_environment(struct store *store, struct stor_err *err)
{
	const char *store_path = secure_getenv("STOR_STORE");
	const char *state_path = secure_getenv("STOR_STATE");
	const char *debug = getenv("STOR_DEBUG");

	store->path = "/var/lib/stor";
	store->state_path = "/run/stor";
	if (debug && *debug && strcmp(debug, "0") != 0)
		log_set_level(STOR_LOG_DEBUG);
	if (store_path && set_path(&store->path, "STOR_STORE", store_path, err) < 0)
		return -1;
	if (state_path && set_path(&store->state_path, "STOR_STATE", state_path, err) < 0)
		return -1;
	return 0;
}

/* Takes the options before the command. Returns the index of the command's word, 0 when everything
 * that was asked for is done, or -1. */
static int global_options(struct store *store, int argc, char **argv, struct stor_err *err)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--debug")) {
			log_set_level(STOR_LOG_DEBUG);
		} else if (!strcmp(argv[i], "--store")) {
			if (set_path(&store->path, argv[i], argv[i + 1], err) < 0)
				return -1;
			i++;
		} else if (!strcmp(argv[i], "--state")) {
			if (set_path(&store->state_path, argv[i], argv[i + 1], err) < 0)
				return -1;
			i++;
		} else if (!strcmp(argv[i], "--version")) {
			puts("stor " STOR_VERSION);
			return 0;
		} else if (!strcmp(argv[i], "--help")) {
			print_usage(stdout);
			return 0;
		} else {
			err_fail(err, STOR_USAGE, 0, "unknown option %s", argv[i]);
			err_hint(err,
			         "stor --help lists the options; a command's own come after it");
			return -1;
		}
	}
	if (i == argc) {
		print_usage(stderr);
		return err_fail(err, STOR_USAGE, 0, "no command given");
	}
	return i;
}

static int unknown_command(const char *name, struct stor_err *err)
{
	const struct command *nearest = NULL;
	unsigned best = 3;

	for (const struct command *c = commands; *name && c->name; c++) {
		unsigned distance = opts_distance(name, c->name);

		if (distance < best) {
			best = distance;
			nearest = c;
		}
	}
	err_fail(err, STOR_USAGE, 0, "unknown command \"%s\"", name);
	if (nearest)
		err_hint(err, "did you mean stor %s?", nearest->name);
	else
		err_hint(err, "stor --help lists the commands");
	return -1;
}

static int run_command(struct store *store, int argc, char **argv, int *failure_status,
                       struct stor_err *err)
{
	if (!strcmp(argv[0], "version")) {
		puts("stor " STOR_VERSION);
		return 0;
	}
	if (!strcmp(argv[0], "help")) {
		print_usage(stdout);
		return 0;
	}
	for (const struct command *c = commands; c->name; c++) {
		if (!strcmp(argv[0], c->name)) {
			*failure_status = c->failure_status;
			return c->run(store, argc, argv, err);
		}
	}
	return unknown_command(argv[0], err);
}

/* What killed commands left goes with the next one, whatever it is. */
static void sweep(struct store *store)
{
	struct stor_err err = STOR_ERR_INIT;

	if (store_sweep(store, &err) < 0)
		log_info("%s", err.text);
}

/* Output that could not be written (a full disk, a closed pipe) is a failure. */
static int finish(int status)
{
	if (fflush(stdout) < 0 || ferror(stdout)) {
		perror("stor: write to standard output");
		return status ? status : STOR_FAILED;
	}
	return status;
}

/* A caller may have closed the standard descriptors; files opened next must not take their place.
 */
static int open_standard_fds(struct stor_err *err)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return err_fail(err, STOR_FAILED, errno, "open /dev/null");
	return 0;
}

int main(int argc, char **argv)
{
	struct stor_err err = STOR_ERR_INIT;
	struct store store = STORE_INIT;
	int failure_status = 0, status, at;

	store.adopt = adopt_containers;
	if (open_standard_fds(&err) < 0 || paths_from_environment(&store, &err) < 0)
		at = -1;
	else
		at = global_options(&store, argc, argv, &err);
	if (!at)
		return finish(0);
	status = at < 0 ? -1 : run_command(&store, argc - at, argv + at, &failure_status, &err);
	/* `run`, which has a failure status of its own, sweeps while its payload runs. */
	if (!failure_status && store.fd >= 0)
		sweep(&store);
	if (status < 0) {
		fflush(stdout);
		err_print(&err);
		status = failure_status ? failure_status : (int)err.status;
	}
	return finish(status);
}
