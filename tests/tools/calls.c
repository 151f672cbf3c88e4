/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * calls CALL…: makes system calls and prints "CALL: RESULT", a name of errno or "done", for each.
 * CALL is NUMBER (native), x32:NUMBER, or i386:NUMBER, which enters the kernel's 32-bit gate; each
 * with arguments that are all 0. Or it is "keyring": the number of the session's. Linked with no
 * library, so that a container's root needs none.
 */
#include <linux/errno.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>

#define X32_BIT 0x40000000L

static long call(long number, long a, long b, long c)
{
	register long d __asm__("r10") = 0;
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(d)
	                 : "rcx", "r11", "memory");
	return result;
}

static long call_i386(long number)
{
	long result;

	__asm__ volatile("int $0x80"
	                 : "=a"(result)
	                 : "a"(number), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0)
	                 : "r8", "r9", "r10", "r11", "memory");
	return (int)result;
}

static void print(const char *text)
{
	long length = 0;

	while (text[length])
		length++;
	call(SYS_write, 1, (long)text, length);
}

static const char *skip(const char *text, const char *start)
{
	while (*start)
		if (*text++ != *start++)
			return 0;
	return text;
}

static long parse(const char *text)
{
	long number = 0;

	while (*text >= '0' && *text <= '9')
		number = number * 10 + (*text++ - '0');
	return number;
}

static const char *name_of(long result)
{
	switch (result) {
	case -EPERM:
		return "EPERM\n";
	case -ENOSYS:
		return "ENOSYS\n";
	case -EACCES:
		return "EACCES\n";
	default:
		return result < 0 ? "another error\n" : "done\n";
	}
}

static long make(const char *word)
{
	const char *rest = skip(word, "i386:");

	if (rest)
		return call_i386(parse(rest));
	rest = skip(word, "x32:");
	return rest ? call(parse(rest) | X32_BIT, 0, 0, 0) : call(parse(word), 0, 0, 0);
}

static void print_keyring(void)
{
	char text[24], *at = text + sizeof(text) - 1;
	long number = call(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);

	*at = 0;
	do
		*--at = (char)('0' + number % 10);
	while (number > 0 && (number /= 10));
	print(number < 0 ? "none" : at);
	print("\n");
}

__attribute__((used)) static void run(long *stack)
{
	char **argv = (char **)(stack + 1);

	for (long i = 1; i < stack[0]; i++) {
		print(argv[i]);
		print(": ");
		if (skip(argv[i], "keyring"))
			print_keyring();
		else
			print(name_of(make(argv[i])));
	}
	call(SYS_exit_group, 0, 0, 0);
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall run\n");
