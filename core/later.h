/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel may free when it gets round to it. Unmounting an overlay syncs the whole
 * filesystem below it, and freeing a large deleted file takes as long as it is large: milliseconds
 * that nobody has to wait for, as long as nobody can tell that they are not over.
 */
#ifndef CORE_LATER_H
#define CORE_LATER_H

#include <stdbool.h>

/* Can nobody miss the filesystem that fd lies on? It is that of the host's /, /run or /dev/shm,
 * which nobody unmounts. */
bool later_is_unnoticed(int fd);

/*
 * Close a descriptor, and leave -1 behind. When it was the last one, what it kept is freed by the
 * kernel in the background; where the kernel cannot or may not do that, when this returns.
 */
void later_close(int *fd);

#endif
