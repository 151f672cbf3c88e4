/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flip A B: exchanges two names for ever, for a race that somebody else is to lose. */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: flip A B\n", stderr);
		return 2;
	}
	while (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) == 0)
		continue;
	perror("flip");
	return 1;
}
