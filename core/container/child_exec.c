/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Executing the command, and finding out why it could not be executed. */
#include "core/container/child.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The interpreter that a script's first line names. */
static void script_interpreter(char *text, char *name, size_t room)
{
	char *start = text + 2 + strspn(text + 2, " \t");
	size_t length = strcspn(start, " \t\r\n");

	if (length >= room)
		length = room - 1;
	memcpy(name, start, length);
	name[length] = '\0';
}

/* The dynamic linker that a 64-bit ELF file names. */
static void elf_interpreter(int fd, const Elf64_Ehdr *header, char *name, size_t room)
{
	for (unsigned i = 0; i < header->e_phnum && i < 64; i++) {
		Elf64_Phdr segment;
		size_t length;

		if (pread(fd, &segment, sizeof(segment),
		          (off_t)(header->e_phoff + i * sizeof(segment))) != sizeof(segment))
			return;
		if (segment.p_type != PT_INTERP)
			continue;
		length = segment.p_filesz < room ? segment.p_filesz : room - 1;
		if (pread(fd, name, length, (off_t)segment.p_offset) < 0)
			length = 0;
		name[length] = '\0';
		return;
	}
}

static void find_interpreter(const char *path, char *name, size_t room)
{
	union {
		char text[256];
		Elf64_Ehdr elf;
	} head;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t n;

	*name = '\0';
	if (fd < 0)
		return;
	n = read(fd, &head, sizeof(head) - 1);
	if (n > 2) {
		head.text[n] = '\0';
		if (!memcmp(head.text, "#!", 2))
			script_interpreter(head.text, name, room);
		else if ((size_t)n >= sizeof(head.elf) && !memcmp(head.text, ELFMAG, SELFMAG) &&
		         head.elf.e_ident[EI_CLASS] == ELFCLASS64)
			elf_interpreter(fd, &head.elf, name, room);
	}
	close(fd);
}

/* The kernel says ENOENT for a missing command and for a missing interpreter of one. */
static bool exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int exec_failed(struct child *child, unsigned index, int errnum)
{
	const char *path = child->plan->exec_paths.items[index];
	char interpreter[200];

	child->report->index = index;
	if (errnum != ENOENT)
		return child_fail(child, STEP_EXEC, errnum, NULL);
	if (!exists(path))
		return child_fail(child, STEP_NOT_FOUND, errnum, NULL);
	find_interpreter(path, interpreter, sizeof(interpreter));
	return child_fail(child, STEP_INTERPRETER, errnum, interpreter);
}

/* Under the reaper, the command's own failure would only show in the reaper's exit status: so look
 * first. Returns the path that can be executed, or NULL with the report filled. */
static const char *find_command(struct child *child)
{
	const struct strv *paths = &child->plan->exec_paths;
	int errnum = ENOENT;
	unsigned failed = 0;

	for (unsigned i = 0; i < paths->count; i++) {
		if (faccessat(AT_FDCWD, paths->items[i], X_OK, 0) == 0) {
			if (exists(paths->items[i]))
				return paths->items[i];
			errno = EACCES;
		}
		if (errno != ENOENT && errno != ENOTDIR && errnum == ENOENT) {
			errnum = errno;
			failed = i;
		}
	}
	exec_failed(child, failed, errnum);
	return NULL;
}

static int exec_init(struct child *child)
{
	const struct plan *plan = child->plan;
	const char *command = find_command(child);

	if (!command)
		return -1;
	/* argv[0] of the reaper's own is the path to execute; the rest is the command's. */
	plan->init_argv[1] = (char *)(uintptr_t)command;
	syscall(SYS_execveat, plan->init_fd, "", plan->init_argv, plan->env, AT_EMPTY_PATH);
	return child_fail(child, STEP_INIT, errno, NULL);
}

/* Does executing this file execute `own`: as itself, or as what interprets a script? */
static bool executes(const char *path, const struct stat *own)
{
	char name[256], text[256];

	snprintf(name, sizeof(name), "%s", path);
	/* The kernel follows five interpreters. */
	for (int depth = 0; depth < 6; depth++) {
		int fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		struct stat st;
		ssize_t n;

		if (fd < 0)
			return false;
		if (fstat(fd, &st) == 0 && st.st_dev == own->st_dev && st.st_ino == own->st_ino) {
			close(fd);
			return true;
		}
		n = S_ISREG(st.st_mode) ? read(fd, text, sizeof(text) - 1) : 0;
		close(fd);
		if (n < 2 || memcmp(text, "#!", 2) != 0)
			return false;
		text[n] = '\0';
		script_interpreter(text, name, sizeof(name));
	}
	return false;
}

int child_check_command(struct child *child)
{
	const struct strv *paths = &child->plan->exec_paths;
	struct stat own;

	if (child->plan->init_fd >= 0)
		return 0;
	if (stat("/proc/self/exe", &own) < 0)
		return child_fail(child, STEP_SETUP, errno, "look at /proc/self/exe");
	for (unsigned i = 0; i < paths->count; i++) {
		if (!executes(paths->items[i], &own))
			continue;
		child->report->index = i;
		return child_fail(child, STEP_OWN_PROGRAM, 0, NULL);
	}
	return 0;
}

int child_exec(struct child *child)
{
	const struct plan *plan = child->plan;
	int errnum = ENOENT;
	unsigned failed = 0;

	if (plan->init_fd >= 0)
		return exec_init(child);
	for (unsigned i = 0; i < plan->exec_paths.count; i++) {
		execve(plan->exec_paths.items[i], plan->argv, plan->env);
		if (errno == ENOENT && exists(plan->exec_paths.items[i])) {
			failed = i;
			break;
		}
		if (errno != ENOENT && errno != ENOTDIR && errnum == ENOENT) {
			errnum = errno;
			failed = i;
			if (errno != EACCES)
				break;
		}
	}
	return exec_failed(child, failed, errnum);
}
