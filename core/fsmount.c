/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mounting a block device's filesystem, with stor's policy for hostile content: see fsmount.h. */
#include "core/fsmount.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/superblock.h>
#include <stor/util.h>

#include "core/base/log.h"
#include "core/base/str.h"
#include "core/fsmount_btrfs.h"
#include "core/module.h"
#include "modules/blkid/blkid.h"

/* What is to be mounted, and all that is known of it. */
struct target {
	int fd;
	char node[64]; /* the device's path, which its users see as the mount's source */
	uint64_t size_bytes;
	bool is_read_only; /* the device itself */
	struct stor_superblock sb;
};

static int examine(int block_fd, struct target *target, struct stor_err *err)
{
	char link[40];
	struct stat of_fd, of_node;
	int read_only = 0;
	ssize_t n;

	target->fd = block_fd;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", block_fd);
	n = readlink(link, target->node, sizeof(target->node) - 1);
	target->node[n > 0 ? n : 0] = '\0';
	if (fstat(block_fd, &of_fd) < 0 || !S_ISBLK(of_fd.st_mode))
		return err_fail(err, STOR_FAILED, 0, "mount %s: not a block device", target->node);
	/* The name may be longer than the buffer, or have become somebody else's. */
	if (stat(target->node, &of_node) < 0 || of_node.st_rdev != of_fd.st_rdev)
		snprintf(target->node, sizeof(target->node), "%s", link);
	if (ioctl(block_fd, BLKGETSIZE64, &target->size_bytes) < 0 ||
	    ioctl(block_fd, BLKROGET, &read_only) < 0)
		return err_fail(err, STOR_FAILED, errno, "mount %s: ask for its size",
		                target->node);
	target->is_read_only = read_only;
	if (stor_superblock_read(block_fd, &target->sb) < 0)
		return err_fail(err, STOR_FAILED, errno, "mount %s: read its superblock",
		                target->node);
	return 0;
}

/* Says what it is instead, when libblkid is there to tell. */
static int refuse_unknown(const struct target *target, struct stor_err *err)
{
	struct stor_err unused = STOR_ERR_INIT;
	const struct blkid_module *blkid = module_load_internal("blkid", &unused);
	char what[64] = "";

	if (blkid)
		blkid->identify(target->fd, what, sizeof(what), &unused);
	err_fail(err, STOR_UNSUPPORTED, 0, "mount %s: holds %s%s", target->node,
	         *what ? what : "no filesystem", *what ? ", which stor does not mount" : "");
	err_hint(err, "ext2, ext3, ext4, xfs, btrfs, squashfs and erofs are mounted; a damaged one "
	              "may no longer be recognised: stor volume check");
	return -1;
}

static int refuse_ext(const struct target *target, struct stor_err *err)
{
	if (target->sb.has_external_journal) {
		err_fail(err, STOR_UNSUPPORTED, 0,
		         "mount %s: its %s names a journal on another device", target->node,
		         target->sb.fs_type);
		err_hint(err, "such a journal could be any disk of this machine; tune2fs -O "
		              "^has_journal, then tune2fs -j, gives it one of its own");
		return -1;
	}
	if (target->sb.has_mount_options) {
		err_fail(err, STOR_UNSUPPORTED, 0, "mount %s: its %s asks for mount options",
		         target->node, target->sb.fs_type);
		err_hint(err, "tune2fs -E mount_opts= IMAGE takes them out");
		return -1;
	}
	return 0;
}

static bool is_ext(const char *fs_type)
{
	return str_starts(fs_type, "ext");
}

/* Refuses, in plain words, what must not be mounted or cannot be. */
static int check_target(const struct target *target, const struct fsmount_opts *opts,
                        struct stor_err *err)
{
	const struct stor_superblock *sb = &target->sb;
	char needs[16], has[16];

	if (!sb->fs_type)
		return refuse_unknown(target, err);
	if (opts->fs_type && strcmp(opts->fs_type, sb->fs_type) != 0 &&
	    !(is_ext(opts->fs_type) && is_ext(sb->fs_type)))
		return err_fail(err, STOR_USAGE, 0, "mount %s: holds %s, not %s", target->node,
		                sb->fs_type, opts->fs_type);
	if (is_ext(sb->fs_type) && refuse_ext(target, err) < 0)
		return -1;
	if (sb->size_bytes > target->size_bytes) {
		err_fail(err, STOR_FAILED, 0, "mount %s: its %s needs %s, but the device has %s",
		         target->node, sb->fs_type,
		         str_from_size(sb->size_bytes, needs, sizeof(needs)),
		         str_from_size(target->size_bytes, has, sizeof(has)));
		err_hint(err, "the image was cut short, or its superblock is damaged");
		return -1;
	}
	if ((!strcmp(sb->fs_type, "squashfs") || !strcmp(sb->fs_type, "erofs")) &&
	    !opts->read_only) {
		err_fail(err, STOR_UNSUPPORTED, 0, "mount %s: %s cannot be written to",
		         target->node, sb->fs_type);
		err_hint(err, "attach it read-only");
		return -1;
	}
	if (!strcmp(sb->fs_type, "btrfs"))
		return fsmount_btrfs_refuse(target->fd, target->node, sb, err);
	return 0;
}

/* One option of the mount being configured; the first failure's name goes to *failed. */
static void set_option(int config_fd, const char *key, const char *value, const char **failed)
{
	int result;

	if (*failed)
		return;
	if (value)
		result = fsconfig(config_fd, FSCONFIG_SET_STRING, key, value, 0);
	else
		result = fsconfig(config_fd, FSCONFIG_SET_FLAG, key, NULL, 0);
	if (result < 0)
		*failed = key;
}

static void set_ext_options(int config_fd, const struct target *target,
                            const struct fsmount_opts *opts, const char **failed)
{
	/* The superblock may ask for a panic. */
	set_option(config_fd, "errors", "remount-ro", failed);
	if (target->is_read_only && target->sb.needs_recovery)
		set_option(config_fd, "noload", NULL, failed);
	if (opts->discard)
		set_option(config_fd, "discard", NULL, failed);
}

static void set_options(int config_fd, const struct target *target, const struct fsmount_opts *opts,
                        const char **failed)
{
	const char *fs_type = target->sb.fs_type;

	set_option(config_fd, "source", target->node, failed);
	if (opts->read_only)
		set_option(config_fd, "ro", NULL, failed);
	if (opts->label)
		set_option(config_fd, "context", opts->label, failed);
	if (is_ext(fs_type)) {
		set_ext_options(config_fd, target, opts, failed);
	} else if (!strcmp(fs_type, "xfs")) {
		/* Clones carry their source's UUID. */
		set_option(config_fd, "nouuid", NULL, failed);
		if (target->is_read_only)
			set_option(config_fd, "norecovery", NULL, failed);
		if (opts->discard)
			set_option(config_fd, "discard", NULL, failed);
	} else if (!strcmp(fs_type, "btrfs")) {
		if (opts->discard)
			set_option(config_fd, "discard", "async", failed);
	}
}

/* Puts what the kernel logged on the context ("e text") behind the report. */
static void add_kernel_words(int config_fd, struct strbuf *words)
{
	char line[512];
	ssize_t n;

	while ((n = read(config_fd, line, sizeof(line) - 1)) > 0) {
		while (n > 0 && line[n - 1] == '\n')
			n--;
		line[n] = '\0';
		if (!str_starts(line, "e ") && !str_starts(line, "w "))
			continue;
		strbuf_printf(words, "%s%s", words->length ? "; " : "", line + 2);
	}
}

static int mount_failed(int config_fd, const struct target *target, const char *option,
                        struct stor_err *err)
{
	cleanup_strbuf struct strbuf words = STRBUF_INIT;
	enum stor_status status = STOR_FAILED;
	int saved = errno;

	if (saved == ENODEV || option)
		status = STOR_UNSUPPORTED;
	else if (saved == EBUSY)
		status = STOR_BUSY;
	add_kernel_words(config_fd, &words);
	err_fail(err, status, words.length ? 0 : saved, "mount %s as %s%s%s%s%s", target->node,
	         target->sb.fs_type, option ? ": option " : "", option ? option : "",
	         words.length ? ": " : "", words.length ? words.text : "");
	if (option)
		err_hint(err, "this kernel does not have the option, or not for this filesystem");
	else if (saved == ENODEV)
		err_hint(err, "this kernel lacks the filesystem: modprobe %s", target->sb.fs_type);
	else if (saved == EBUSY)
		err_hint(err, "the device is in use by something else");
	else
		err_hint(err, "the filesystem may be damaged: stor volume check; the kernel's "
		              "reasons are in dmesg");
	return -1;
}

/* The mount itself; everything about the target has been checked. */
static int mount_target(const struct target *target, const struct fsmount_opts *opts,
                        struct stor_err *err)
{
	const char *fs_type = is_ext(target->sb.fs_type) ? "ext4" : target->sb.fs_type;
	cleanup_close int config_fd = fsopen(fs_type, FSOPEN_CLOEXEC), mount_fd = -1;
	const char *failed = NULL;

	if (config_fd < 0)
		return mount_failed(-1, target, NULL, err);
	set_options(config_fd, target, opts, &failed);
	if (failed)
		return mount_failed(config_fd, target, failed, err);
	if (fsconfig(config_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return mount_failed(config_fd, target, NULL, err);
	kill_point("fsmount-created");
	mount_fd = fsmount(config_fd, FSMOUNT_CLOEXEC,
	                   MOUNT_ATTR_NODEV | (opts->read_only ? MOUNT_ATTR_RDONLY : 0));
	if (mount_fd < 0)
		return mount_failed(config_fd, target, NULL, err);
	kill_point("fsmount-mounted");
	return steal_fd(&mount_fd);
}

int fsmount_block(int block_fd, const struct fsmount_opts *opts, const char **fs_type,
                  struct stor_err *err)
{
	struct target target = { .fd = -1 };
	cleanup_close int mount_fd = -1;

	if (examine(block_fd, &target, err) < 0 || check_target(&target, opts, err) < 0)
		return -1;
	mount_fd = mount_target(&target, opts, err);
	if (mount_fd < 0)
		return -1;
	if (!strcmp(target.sb.fs_type, "btrfs") &&
	    fsmount_btrfs_verify(mount_fd, block_fd, target.node, err) < 0)
		return -1;
	if (opts->userns_fd >= 0 && fsmount_set_userns(mount_fd, opts->userns_fd, err) < 0)
		return -1;
	if (fs_type)
		*fs_type = target.sb.fs_type;
	return steal_fd(&mount_fd);
}

int fsmount_set_attr(int mount_fd, uint64_t attr_set, struct stor_err *err)
{
	struct mount_attr attr = { .attr_set = attr_set };

	if (mount_setattr(mount_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return err_fail(err, STOR_FAILED, errno, "set mount attributes 0x%" PRIx64,
		                attr_set);
	return 0;
}

int fsmount_set_userns(int mount_fd, int userns_fd, struct stor_err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns_fd };

	if (!mount_setattr(mount_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)))
		return 0;
	if (errno == EINVAL) {
		err_fail(err, STOR_UNSUPPORTED, errno, "map a mount's ids by a user namespace");
		err_hint(err, "this filesystem cannot be id-mapped by this kernel");
		return -1;
	}
	return err_fail(err, STOR_FAILED, errno, "map a mount's ids by a user namespace");
}
