/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exit status of a process that is not this one's child. */
#ifndef BASE_PIDFD_EXIT_H
#define BASE_PIDFD_EXIT_H

/*
 * Wait status of the process that has ended, from a pidfd that was opened before it ended. Returns
 * 0, or -1: its parent has taken notice already, and this kernel does not tell (Linux 6.15 does).
 */
int pidfd_exit_status(int pidfd, int *wait_status);

#endif
