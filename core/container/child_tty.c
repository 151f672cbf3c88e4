/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Standard input, output and error of the command: a new terminal, or stor's own. */
#include "core/container/child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

static int tty_fail(struct child *child, const char *what)
{
	return child_fail(child, STEP_TTY, errno, what);
}

/* Hands the master over to the parent. 0, or -1 with errno. */
static int send_master(int socket_fd, int master_fd)
{
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	memset(&control, 0, sizeof(control));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &master_fd, sizeof(int));
	return sendmsg(socket_fd, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

/* /dev/console is the terminal too, for what logs there. */
static int bind_console(int slave_fd)
{
	int tree_fd = open_tree(slave_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int result = -1;

	if (tree_fd < 0)
		return -1;
	if (mknod("/dev/console", S_IFREG | 0600, 0) == 0)
		result = move_mount(tree_fd, "", AT_FDCWD, "/dev/console", MOVE_MOUNT_F_EMPTY_PATH);
	close(tree_fd);
	return result;
}

static int take_terminal(struct child *child)
{
	const struct plan *plan = child->plan;
	int master_fd = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), slave_fd, unlock = 0;

	if (master_fd < 0 || ioctl(master_fd, TIOCSPTLCK, &unlock) < 0)
		return tty_fail(child, "make a terminal");
	slave_fd = ioctl(master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave_fd < 0)
		return tty_fail(child, "open the terminal");
	if (plan->window.ws_row && ioctl(master_fd, TIOCSWINSZ, &plan->window) < 0)
		return tty_fail(child, "set the window size");
	if (fchown(slave_fd, child->ids->uid, (gid_t)-1) < 0)
		return tty_fail(child, "give the terminal to its user");
	if (plan->join_pidfd < 0 && bind_console(slave_fd) < 0)
		return tty_fail(child, "mount /dev/console");
	if (send_master(plan->console_fd, master_fd) < 0)
		return tty_fail(child, "hand the terminal over");
	if (ioctl(slave_fd, TIOCSCTTY, 0) < 0)
		return tty_fail(child, "take the controlling terminal");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(slave_fd, fd) < 0)
			return tty_fail(child, "connect the terminal");
	return 0;
}

/* A pipe to the monitor is the user's, who may want to open /dev/stdout. */
static int connect_stdio(struct child *child, int fd, int number)
{
	struct stat st;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0 ||
	    (S_ISFIFO(st.st_mode) && fchown(fd, child->ids->uid, (gid_t)-1) < 0) ||
	    dup2(fd, number) < 0)
		return child_fail(child, STEP_SETUP, errno, "connect standard input and output");
	return 0;
}

int child_take_stdio(struct child *child)
{
	const struct plan *plan = child->plan;

	if (plan->console_fd >= 0)
		return take_terminal(child);
	if (connect_stdio(child, plan->stdin_fd, 0) < 0 ||
	    connect_stdio(child, plan->stdout_fd, 1) < 0 ||
	    connect_stdio(child, plan->stderr_fd, 2) < 0)
		return -1;
	return 0;
}
