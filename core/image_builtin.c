/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built-in image: one static busybox, a link to it for each of its applets, and the few files
 * that programs expect. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/proc.h"
#include "core/image.h"

static const struct {
	const char *path;
	mode_t mode;
} folders[] = {
	{ "bin", 0755 },     { "dev", 0755 },     { "etc", 0755 },       { "home", 0755 },
	{ "lib", 0755 },     { "mnt", 0755 },     { "opt", 0755 },       { "proc", 0555 },
	{ "root", 0700 },    { "run", 0755 },     { "sys", 0555 },       { "tmp", 01777 },
	{ "usr", 0755 },     { "usr/lib", 0755 }, { "usr/share", 0755 }, { "var", 0755 },
	{ "var/lib", 0755 }, { "var/log", 0755 }, { "var/tmp", 01777 },
};

static const struct {
	const char *path, *text;
} files[] = {
	{ "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
	                "daemon:x:1:1:daemon:/:/bin/false\n"
	                "nobody:x:65534:65534:nobody:/:/bin/false\n" },
	{ "etc/group", "root:x:0:\ndaemon:x:1:\ntty:x:5:\nusers:x:100:\nnogroup:x:65534:\n" },
	{ "etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" },
	/* A network's is mounted on it; made at a start, it would be made in what is thrown away.
	 */
	{ "etc/resolv.conf", "" },
	{ "etc/shells", "/bin/sh\n/bin/ash\n" },
	{ "etc/profile",
	  "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	  "export PS1='\\u@\\h:\\w\\$ '\n" },
};

/* Everything lies in /bin, under whatever name a script looks for it. */
static const char *const links[][2] = {
	{ "bin", "sbin" },
	{ "../bin", "usr/bin" },
	{ "../bin", "usr/sbin" },
	{ "../run", "var/run" },
};

const char *image_machine_arch(void)
{
	static const char *const words[][2] = {
		{ "x86_64", "amd64" },    { "aarch64", "arm64" },
		{ "i686", "386" },        { "i386", "386" },
		{ "armv7l", "arm" },      { "armv6l", "arm" },
		{ "ppc64le", "ppc64le" }, { "s390x", "s390x" },
		{ "riscv64", "riscv64" }, { "loongarch64", "loong64" },
	};
	static struct utsname machine;

	if (uname(&machine) < 0)
		return "unknown";
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(machine.machine, words[i][0]))
			return words[i][1];
	return machine.machine;
}

/* Is it an ELF program that needs no interpreter, so runs in an empty root? 0, or -1 with why. */
static int check_static(int fd, const char **why)
{
	Elf64_Ehdr head;
	Elf64_Phdr program;

	*why = "not a 64-bit ELF program";
	if (pread_all(fd, &head, sizeof(head), 0) != sizeof(head) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_phentsize != sizeof(program) ||
	    (head.e_type != ET_EXEC && head.e_type != ET_DYN))
		return -1;
	for (unsigned i = 0; i < head.e_phnum; i++) {
		if (pread_all(fd, &program, sizeof(program), head.e_phoff + i * sizeof(program)) !=
		    sizeof(program))
			return -1;
		*why = "it is linked dynamically";
		if (program.p_type == PT_INTERP)
			return -1;
	}
	return 0;
}

static int open_busybox(const char **path, struct stor_err *err)
{
	const char *given = secure_getenv("STOR_BUSYBOX"), *why = NULL;
	cleanup_close int fd = -1;
	struct stat st;

	*path = given && *given ? given : "/bin/busybox";
	fd = open(*path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		why = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		why = "not a file";
	else if (check_static(fd, &why) == 0)
		return steal_fd(&fd);
	err_fail(err, STOR_UNSUPPORTED, 0, "static busybox %s: %s", *path, why);
	err_hint(err, "apt install busybox-static, or point STOR_BUSYBOX at a static busybox");
	return -1;
}

struct applets {
	int bin_fd;
	int count;
	int errnum;
};

static int link_applet(void *ctx, const char *key, const char *value)
{
	struct applets *applets = ctx;

	(void)key;
	if (strchr(value, '/') || !strcmp(value, "busybox") || !str_is_name(value))
		return 0;
	if (symlinkat("busybox", applets->bin_fd, value) < 0)
		applets->errnum = errno;
	else
		applets->count++;
	return 0;
}

static int make_applets(struct image_draft *draft, int busybox_fd, const char *path,
                        struct stor_err *err)
{
	const char *const list[] = { path, "--list", NULL };
	cleanup_close int bin_fd = fs_open_dir(draft->tree_fd, "bin", err);
	cleanup_close int copy_fd = -1;
	struct applets applets = { .bin_fd = bin_fd };
	struct stat st;
	int status;

	if (bin_fd < 0)
		return -1;
	copy_fd = openat(bin_fd, "busybox", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (copy_fd < 0 || fstat(busybox_fd, &st) < 0 || fchmod(copy_fd, 0755) < 0)
		return err_fail(err, STOR_FAILED, errno, "copy %s", path);
	if (fs_copy_range(busybox_fd, copy_fd, (uint64_t)st.st_size, err) < 0)
		return err_context(err, "copy %s", path);
	record_set_u64(&draft->record, "bytes", (uint64_t)st.st_size);
	status = proc_run(list, link_applet, &applets, err);
	if (status < 0)
		return -1;
	if (applets.errnum)
		return err_fail(err, STOR_FAILED, applets.errnum, "link the applets of %s", path);
	/* A multi-call program without a shell starts nothing. */
	if (status || fstatat(bin_fd, "sh", &st, AT_SYMLINK_NOFOLLOW) < 0) {
		err_fail(err, STOR_UNSUPPORTED, 0, "%s --list: exit status %d, %d applets%s", path,
		         status, applets.count, status ? "" : ", no sh");
		err_hint(err, "apt install busybox-static, or point STOR_BUSYBOX at a static "
		              "busybox");
		return -1;
	}
	record_set_u64(&draft->record, "entries",
	               (uint64_t)applets.count + 1 + sizeof(folders) / sizeof(*folders) +
	                       sizeof(files) / sizeof(*files) + sizeof(links) / sizeof(*links));
	return 0;
}

int image_builtin_fill(struct image_draft *draft, struct stor_err *err)
{
	const char *path;
	cleanup_close int busybox_fd = open_busybox(&path, err);

	if (busybox_fd < 0)
		return -1;
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (mkdirat(draft->tree_fd, folders[i].path, 0700) < 0 ||
		    fchmodat(draft->tree_fd, folders[i].path, folders[i].mode, 0) < 0)
			return err_fail(err, STOR_FAILED, errno, "make /%s", folders[i].path);
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		if (symlinkat(links[i][0], draft->tree_fd, links[i][1]) < 0)
			return err_fail(err, STOR_FAILED, errno, "make /%s", links[i][1]);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		if (fs_write_file(draft->tree_fd, files[i].path, files[i].text,
		                  strlen(files[i].text), 0644, false, err) < 0)
			return -1;
		if (fchmodat(draft->tree_fd, files[i].path, 0644, 0) < 0)
			return err_fail(err, STOR_FAILED, errno, "make /%s", files[i].path);
	}
	if (make_applets(draft, busybox_fd, path, err) < 0)
		return -1;
	record_set(&draft->record, "kind", "built-in");
	record_set(&draft->record, "source", path);
	record_add(&draft->record, "config.env",
	           "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	record_add(&draft->record, "config.cmd", "/bin/sh");
	record_set(&draft->record, "config.workdir", "/");
	record_set(&draft->record, "config.arch", image_machine_arch());
	return 0;
}
