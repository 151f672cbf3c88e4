/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Docker, with a server of the bench's own, and Podman: images that are imported from the same
 * files, in folders of the bench. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <stor/util.h>

#include "bench/measure/subject.h"
#include "bench/measure/traffic.h"
#include "bench/measure/watch.h"
#include "core/base/fs.h"

#define BEGIN_WAIT_MS 60000

/* --- both ------------------------------------------------------------------------------------ */

static char *own_folder(const struct bench *bench, const struct subject *subject)
{
	return xasprintf("%s/%s", bench->folder, subject->name);
}

/* Names of images are of the bench's own; the plan's may be none for Docker. malloc'ed. */
static char *tag_of(const struct bench *bench, const char *image)
{
	size_t number = 0;

	while (strcmp(bench->plan->images.items[number], image) != 0)
		number++;
	return xasprintf("localhost/stor-bench:%zu", number);
}

/* run … IMAGE PAYLOAD…, which both have in common; options: of one of them. */
static void add_run(const struct bench *bench, const struct row *row, const struct strv *payload,
                    const struct strv *options, struct command *command)
{
	static const char *const words[] = { "run", "--rm", "-i" };
	uint64_t memory = row_memory(row);

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		strv_add(&command->argv, words[i]);
	strv_add(&command->argv, row->has_network ? "--network=bridge" : "--network=none");
	strv_add_all(&command->argv, options);
	strv_take(&command->argv, xasprintf("--cgroup-parent=/%s", bench->room.cgroup));
	if (memory)
		strv_take(&command->argv, xasprintf("--memory=%" PRIu64, memory));
	if (row_cpus(row) > 0)
		strv_take(&command->argv, xasprintf("--cpus=%g", row_cpus(row)));
	strv_take(&command->argv, tag_of(bench, row->image));
	strv_add_all(&command->argv, payload);
}

/* Its files as an archive, by `import` of the client whose first words `command` has. */
static int import(const struct bench *bench, const char *image, struct command *command,
                  struct stor_err *err)
{
	cleanup_outcome struct outcome outcome = { .status = 0 };
	cleanup_free char *name = bench_image_name(image);
	cleanup_free char *archive = xasprintf("%s/import.tar", bench->folder);

	if (command_call(NULL, err, bench->stor, "image", "export", name, archive, NULL) < 0)
		return -1;
	strv_add(&command->argv, "import");
	strv_add(&command->argv, archive);
	strv_take(&command->argv, tag_of(bench, image));
	if (command_must(command, &outcome, err) < 0)
		return -1;
	return fs_remove_tree(AT_FDCWD, archive, err);
}

/* --- Docker ---------------------------------------------------------------------------------- */

/* Short, as addresses of sockets have to be, and in memory, as in everyday use. */
static char *socket_of(const struct bench *bench)
{
	return xasprintf("unix://%s/docker.sock", bench->state);
}

static void add_client(const struct bench *bench, const struct subject *subject,
                       struct command *command)
{
	strv_add(&command->argv, subject->does->client);
	/* Not the user's settings. */
	strv_take(&command->argv, xasprintf("--config=%s/docker/client", bench->folder));
	strv_take(&command->argv, xstrdup("-H"));
	strv_take(&command->argv, socket_of(bench));
	command->room = &bench->room;
}

static void add_server(const struct bench *bench, const char *folder, struct strv *argv)
{
	/* No rules of a firewall, no sysctl; limits by files of cgroups, not
	 * by asking systemd. */
	static const char *const words[] = {
		"--iptables=false",
		"--ip-forward=false",
		"--ip-masq=false",
		"--userland-proxy=false",
		"--exec-opt=native.cgroupdriver=cgroupfs",
	};

	strv_add(argv, "dockerd");
	strv_take(argv, xasprintf("--config-file=%s/daemon.json", folder));
	strv_take(argv, xasprintf("--data-root=%s/data", folder));
	strv_take(argv, xasprintf("--exec-root=%s/docker", bench->state));
	strv_take(argv, xasprintf("--pidfile=%s/docker.pid", bench->state));
	strv_add(argv, "-H");
	strv_take(argv, socket_of(bench));
	/* Without workloads that need it, there is no network but "none". */
	strv_add(argv, bench->has_network ? "--bip=" TRAFFIC_DOCKER : "--bridge=none");
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		strv_add(argv, words[i]);
}

/* What the server answers with 0, or why it does not in *why. */
static int ask(const struct bench *bench, const struct subject *subject, char **why,
               struct stor_err *err)
{
	cleanup_command struct command command = COMMAND_INIT;
	cleanup_outcome struct outcome outcome = { .status = 0 };

	add_client(bench, subject, &command);
	strv_add(&command.argv, "version");
	if (command_run(&command, &outcome, err) < 0)
		return -1;
	free(*why);
	*why = steal_ptr(&outcome.errors);
	(*why)[strcspn(*why, "\n")] = '\0';
	return outcome.status;
}

static int wait_for_server(const struct bench *bench, struct subject *subject, const char *log,
                           struct stor_err *err)
{
	const struct timespec moment = { .tv_nsec = 20000000 };
	const int64_t end = monotonic_ms() + BEGIN_WAIT_MS;
	cleanup_free char *why = NULL;
	int status;

	while ((status = ask(bench, subject, &why, err)) > 0) {
		if (daemon_has_ended(&subject->daemon)) {
			cleanup_free char *words = daemon_last_words(log);

			return err_fail(err, STOR_UNSUPPORTED, 0, "%s has ended: %s",
			                subject->does->program, words);
		}
		if (monotonic_ms() > end || watch_signal())
			return err_fail(err, STOR_UNSUPPORTED, 0, "%s does not answer: %s",
			                subject->does->program, why);
		nanosleep(&moment, NULL);
	}
	return status;
}

static int begin_docker(struct bench *bench, struct subject *subject, struct stor_err *err)
{
	cleanup_free char *folder = own_folder(bench, subject);
	cleanup_free char *config = xasprintf("%s/daemon.json", folder);
	cleanup_free char *log = xasprintf("%s/log", folder);
	cleanup_strv struct strv argv = STRV_INIT;

	/* The machine's settings are not the experiment's. */
	if (fs_mkdirs(folder, 0700, err) < 0 ||
	    fs_write_file(AT_FDCWD, config, "{}\n", 3, 0600, false, err) < 0)
		return -1;
	add_server(bench, folder, &argv);
	if (daemon_start(&subject->daemon, &argv, &bench->room,
	                 DAEMON_COUNTED | (bench->has_network ? DAEMON_IN_NETWORK : 0), log,
	                 err) < 0)
		return -1;
	return wait_for_server(bench, subject, log, err);
}

static void end_docker(const struct bench *bench, struct subject *subject)
{
	(void)bench;
	daemon_stop(&subject->daemon);
}

static int prepare_docker(const struct bench *bench, const struct subject *subject,
                          const char *image, struct stor_err *err)
{
	cleanup_command struct command command = COMMAND_INIT;

	add_client(bench, subject, &command);
	return import(bench, image, &command, err);
}

static int wrap_docker(const struct bench *bench, const struct subject *subject,
                       const struct row *row, const struct strv *payload, struct command *command,
                       struct stor_err *err)
{
	const struct strv none = STRV_INIT;

	(void)err;
	add_client(bench, subject, command);
	add_run(bench, row, payload, &none, command);
	command->asks_server = true;
	return 0;
}

const struct subject_kind subject_docker = {
	.name = "docker",
	.kind = DATA_PEER,
	.program = "dockerd",
	.client = "docker",
	.has_room = true,
	.begin = begin_docker,
	.end = end_docker,
	.prepare = prepare_docker,
	.wrap = wrap_docker,
};

/* --- Podman ---------------------------------------------------------------------------------- */

static void add_podman(const struct bench *bench, const struct subject *subject,
                       struct command *command)
{
	cleanup_free char *folder = own_folder(bench, subject);

	strv_add(&command->argv, subject->does->program);
	strv_take(&command->argv, xasprintf("--root=%s/data", folder));
	strv_take(&command->argv, xasprintf("--runroot=%s/podman/run", bench->state));
	strv_take(&command->argv, xasprintf("--tmpdir=%s/podman/tmp", bench->state));
	strv_add(&command->argv, "--cgroup-manager=cgroupfs");
	strv_add(&command->argv, "--events-backend=none");
	/* crun refuses machines that mix versions of cgroups. */
	if (!access("/sys/fs/cgroup/unified", F_OK))
		strv_add(&command->argv, "--runtime=runc");
	command->room = &bench->room;
}

/* What the kernel would allow at most, which Podman takes for its own limit. */
static rlim_t most_processes(void)
{
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text =
		fs_read_file(AT_FDCWD, "/proc/sys/kernel/pid_max", 64, NULL, &ignored);

	err_clear(&ignored);
	return text ? strtoull(text, NULL, 10) : RLIM_INFINITY;
}

static void add_ulimit(struct strv *options, const char *name, __rlimit_resource_t resource,
                       rlim_t most)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0)
		return;
	if (limit.rlim_max > most)
		limit.rlim_max = most;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	/* -1 is none. */
	strv_take(options, xasprintf("--ulimit=%s=%lld:%lld", name, (long long)limit.rlim_cur,
	                             (long long)limit.rlim_max));
}

static int prepare_podman(const struct bench *bench, const struct subject *subject,
                          const char *image, struct stor_err *err)
{
	cleanup_command struct command command = COMMAND_INIT;

	add_podman(bench, subject, &command);
	return import(bench, image, &command, err);
}

static int wrap_podman(const struct bench *bench, const struct subject *subject,
                       const struct row *row, const struct strv *payload, struct command *command,
                       struct stor_err *err)
{
	cleanup_strv struct strv options = STRV_INIT;

	(void)err;
	/* Those that other runtimes hand down; its own ones may be more than it may give. */
	add_ulimit(&options, "nofile", RLIMIT_NOFILE, RLIM_INFINITY);
	add_ulimit(&options, "nproc", RLIMIT_NPROC, most_processes());
	add_podman(bench, subject, command);
	add_run(bench, row, payload, &options, command);
	return 0;
}

const struct subject_kind subject_podman = {
	.name = "podman",
	.kind = DATA_PEER,
	.program = "podman",
	.no_network = "podman leaves networks to netavark or plugins of CNI, which set rules of "
		      "a firewall",
	.has_room = true,
	.prepare = prepare_podman,
	.wrap = wrap_podman,
};
