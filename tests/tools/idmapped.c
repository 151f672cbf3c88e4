/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * idmapped VOLUME OUTSIDE COMMAND [ARG…]: attaches a volume with its ids mapped by a user namespace
 * in which 0 to 65535 are OUTSIDE and so on, and runs the command as user 0 of that namespace, in
 * the volume's root directory. The paths come from STOR_STORE and STOR_STATE.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/proc.h"
#include "core/volume.h"

static int write_map(pid_t pid, const char *name, const char *outside)
{
	char path[64];
	FILE *map;

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	map = fopen(path, "we");
	if (!map)
		return -1;
	fprintf(map, "0 %s 65536\n", outside);
	return fclose(map);
}

/* A user namespace, made by a child that waits in it until it is killed. */
static int make_userns(const char *outside)
{
	char path[64], byte;
	int ends[2], fd = -1;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return -1;
	if (!pid) {
		if (unshare(CLONE_NEWUSER) < 0 || write(ends[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ends[1]);
	snprintf(path, sizeof(path), "/proc/%ld/ns/user", (long)pid);
	if (read(ends[0], &byte, 1) == 1 && write_map(pid, "uid_map", outside) == 0 &&
	    write_map(pid, "gid_map", outside) == 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	close(ends[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return fd;
}

static int run_inside(int userns_fd, int root_fd, char **argv)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (setns(userns_fd, CLONE_NEWUSER) < 0 || setgroups(0, NULL) < 0 ||
		    setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || fchdir(root_fd) < 0) {
			perror("idmapped: enter");
			_exit(125);
		}
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? proc_exit_code(status) : 125;
}

static int attach_and_run(struct store *store, char **argv, struct stor_err *err)
{
	cleanup_volume struct volume volume = VOLUME_INIT;
	struct attach_opts opts = ATTACH_OPTS_INIT;
	cleanup_close int userns_fd = make_userns(argv[1]);
	struct attached attached;
	int status;

	if (userns_fd < 0)
		return err_fail(err, STOR_FAILED, errno, "make a user namespace");
	opts.userns_fd = userns_fd;
	if (store_open(store, err) < 0 ||
	    volume_find(store, argv[0], NULL, NULL, &volume, err) < 0 ||
	    volume_attach(store, &volume, &opts, &attached, err) < 0)
		return -1;
	status = run_inside(userns_fd, attached.root_fd, argv + 2);
	return volume_release(&attached, false, err) < 0 ? -1 : status;
}

int main(int argc, char **argv)
{
	struct stor_err err = STOR_ERR_INIT;
	struct store store = STORE_INIT;
	char self[4096], modules[4200];
	int status;

	store.path = getenv("STOR_STORE");
	store.state_path = getenv("STOR_STATE");
	if (argc < 4 || !store.path || !store.state_path || proc_self_dir(self, sizeof(self)) < 0) {
		fprintf(stderr, "usage: idmapped VOLUME OUTSIDE COMMAND [ARG...]\n");
		return 2;
	}
	/* Beside this program in the build. */
	snprintf(modules, sizeof(modules), "%s/../../modules", self);
	setenv("STOR_MODULES", modules, 1);
	status = attach_and_run(&store, argv + 1, &err);
	if (status >= 0)
		return status;
	err_print(&err);
	return 125;
}
