/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run's cgroup: see cgroup.h. */
#include "core/container/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/container/caps.h"
#include "core/container/plan.h"
#include "core/container_cgroup.h"

/* As Docker's: any node may be made, few may be opened. */
static const struct cgroup_device usual_devices[] = {
	{ 'b', -1, -1, CGROUP_MKNOD },
	{ 'c', -1, -1, CGROUP_MKNOD },
	{ 'c', 1, 3, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD },    /* null */
	{ 'c', 1, 5, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD },    /* zero */
	{ 'c', 1, 7, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD },    /* full */
	{ 'c', 1, 8, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD },    /* random */
	{ 'c', 1, 9, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD },    /* urandom */
	{ 'c', 5, 0, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD },    /* tty */
	{ 'c', 5, 1, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD },    /* console */
	{ 'c', 5, 2, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD },    /* ptmx */
	{ 'c', 136, -1, CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD }, /* pts */
};
#define USUAL_COUNT (sizeof(usual_devices) / sizeof(*usual_devices))

/* An empty file in STATE: it was said that containers have no filter. */
#define SAID_UNFILTERED "unfiltered"

/* Does it ask for something that only a cgroup can do? */
static bool is_asked_for(const struct container_config *config)
{
	return cgroup_asked_controllers(&config->cgroup) || config->cgroup.parent ||
	       config->init_system || config->caps & CAPS_FOR_DEVICES;
}

static const char *reason(void *ctx, uint32_t controller)
{
	const struct container_config *config = ctx;
	const char *option = cgroup_asked_option(&config->cgroup, controller);

	if (controller == CGROUP_SYSTEMD)
		return "--init-system";
	if (!option && controller == CGROUP_DEVICES)
		return config->caps & CAPS_BIT(CAP_MKNOD)       ? "--cap-add MKNOD"
		       : config->caps & CAPS_BIT(CAP_SYS_ADMIN) ? "--cap-add SYS_ADMIN"
		                                                : "the device filter";
	return option ? option : "the container";
}

/* --- disks ---------------------------------------------------------------------------------- */

/* A partition's limits are those of its disk. */
static int whole_disk(dev_t *number)
{
	cleanup_free char *partition =
		xasprintf("/sys/dev/block/%u:%u/partition", major(*number), minor(*number));
	cleanup_free char *path =
		xasprintf("/sys/dev/block/%u:%u/../dev", major(*number), minor(*number));
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = NULL;
	unsigned disk_major, disk_minor;

	if (faccessat(AT_FDCWD, partition, F_OK, 0) < 0)
		return 0;
	text = fs_read_file(AT_FDCWD, path, 64, NULL, &ignored);
	if (!text || sscanf(text, "%u:%u", &disk_major, &disk_minor) != 2)
		return -1;
	*number = makedev(disk_major, disk_minor);
	return 0;
}

dev_t container_root_disk(const struct root *root)
{
	int fd = root->is_overlay ? root->upper.root_fd : root->base.root_fd;
	struct stat st;

	return fstat(fd, &st) == 0 && major(st.st_dev) ? st.st_dev : 0;
}

static int fail_no_disk(struct stor_err *err)
{
	err_fail(err, STOR_UNSUPPORTED, 0,
	         "limits of device root: the root lies on no single block device");
	err_hint(err, "a root on --backend loop or ploop has a device of its own; or name the disk "
	              "by its path");
	return -1;
}

static int find_disk(const char *device, dev_t root_disk, struct cgroup_io *io,
                     struct stor_err *err)
{
	dev_t number = root_disk;
	struct stat st;

	if (!strcmp(device, "root")) {
		if (!root_disk)
			return fail_no_disk(err);
	} else {
		if (stat(device, &st) < 0)
			return err_fail(err, STOR_NOT_FOUND, errno, "limits of device %s", device);
		if (!S_ISBLK(st.st_mode))
			return err_fail(err, STOR_USAGE, 0,
			                "limits of device %s: it is no block device", device);
		number = st.st_rdev;
	}
	if (whole_disk(&number) < 0)
		return err_fail(err, STOR_FAILED, 0, "limits of device %s: find its disk", device);
	io->major = major(number);
	io->minor = minor(number);
	return 0;
}

enum which_disks { DISKS_BY_PATH = 1, DISK_OF_ROOT = 2 };

/* Returns how many limits there are of these disks, or -1. */
static int find_disks(const struct cgroup_asked *asked, unsigned which, dev_t root_disk,
                      struct cgroup_io *disks, struct stor_err *err)
{
	int count = 0;

	for (size_t i = 0; i < asked->io_count; i++) {
		const char *device = asked->io[i].device;

		if (!(which & (strcmp(device, "root") ? DISKS_BY_PATH : DISK_OF_ROOT)))
			continue;
		disks[count] = asked->io[i].values;
		if (find_disk(device, root_disk, &disks[count], err) < 0)
			return -1;
		count++;
	}
	return count;
}

/* --- devices -------------------------------------------------------------------------------- */

static int stat_device(const struct cgroup_asked_device *asked, struct stat *st,
                       struct stor_err *err)
{
	if (stat(asked->host, st) < 0)
		return err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                "--device %s", asked->host);
	if (!S_ISBLK(st->st_mode) && !S_ISCHR(st->st_mode))
		return err_fail(err, STOR_USAGE, 0, "--device %s: it is no device", asked->host);
	return 0;
}

static int list_devices(const struct container_config *config, struct cgroup_device *devices,
                        struct stor_err *err)
{
	memcpy(devices, usual_devices, sizeof(usual_devices));
	for (size_t i = 0; i < config->cgroup.device_count; i++) {
		const struct cgroup_asked_device *asked = &config->cgroup.devices[i];
		struct stat st;

		if (stat_device(asked, &st, err) < 0)
			return -1;
		devices[USUAL_COUNT + i] = (struct cgroup_device){
			S_ISBLK(st.st_mode) ? 'b' : 'c',
			(int64_t)major(st.st_rdev),
			(int64_t)minor(st.st_rdev),
			asked->access,
		};
	}
	return 0;
}

static int plan_devices(struct plan_cgroup *plan, const struct container_config *config,
                        struct stor_err *err)
{
	plan->devices = xcalloc(config->cgroup.device_count, sizeof(*plan->devices));
	for (size_t i = 0; i < config->cgroup.device_count; i++) {
		const struct cgroup_asked_device *asked = &config->cgroup.devices[i];
		struct stat st;

		if (stat_device(asked, &st, err) < 0)
			return -1;
		plan->devices[plan->device_count++] =
			(struct plan_device){ asked->inside + strlen("/dev/"), st.st_mode,
			                      st.st_uid, st.st_gid, st.st_rdev };
	}
	return 0;
}

/* --- making it ------------------------------------------------------------------------------ */

static int add_servers(struct cgroup *cgroup, const struct root *root,
                       const struct plan_volumes *volumes, struct stor_err *err)
{
	const int pidfds[] = { root->base.server_pidfd, root->upper.server_pidfd };

	for (size_t i = 0; i < 2; i++)
		if (pidfds[i] >= 0 && cgroup_add_server(cgroup, pidfds[i], err) < 0)
			return -1;
	for (size_t i = 0; i < volumes->count; i++) {
		int pidfd = volumes->items[i].attached.server_pidfd;

		if (volumes->items[i].volume.backend && pidfd >= 0 &&
		    cgroup_add_server(cgroup, pidfd, err) < 0)
			return -1;
	}
	return 0;
}

/* A limit that the kernel takes, and does not always hold: version 1 charges what it writes back to
 * nobody. */
static void warn_of_weak_limits(const struct cgroup_asked *asked, const struct cgroup *cgroup)
{
	bool limits_writes = false, is_v1 = false;

	for (size_t i = 0; i < asked->io_count; i++)
		limits_writes |= asked->io[i].values.write_bps || asked->io[i].values.write_iops;
	for (size_t i = 0; i < cgroup->count; i++)
		is_v1 |= cgroup->places[i].controllers & CGROUP_IO && !cgroup->places[i].is_v2;
	if (limits_writes && is_v1)
		log_warn("limits of writes hold direct writes alone: cgroups of version 1 do not "
		         "count buffered ones");
}

/* The kernel takes a weight also where nothing heeds it. */
static int check_weight(const struct cgroup_asked *asked, struct stor_err *err)
{
	if (!asked->limits.io_weight || cgroup_machine_weighs_io())
		return 0;
	err_fail(err, STOR_UNSUPPORTED, 0,
	         "%s would have no effect: no disk of this machine has the I/O scheduler BFQ, nor "
	         "iocost of cgroups of version 2",
	         cgroup_asked_option(asked, CGROUP_IO));
	err_hint(err, "modprobe bfq; echo bfq >/sys/block/DISK/queue/scheduler; or, with version "
	              "2: echo \"MAJOR:MINOR enable=1\" >/sys/fs/cgroup/io.cost.qos");
	return -1;
}

static int make(struct store *store, const char *id, const struct container_config *config,
                struct cgroup *cgroup, struct stor_err *err)
{
	const struct cgroup_asked *asked = &config->cgroup;
	cleanup_free struct cgroup_io *disks = xcalloc(asked->io_count, sizeof(*disks));
	cleanup_free struct cgroup_device *devices =
		xcalloc(USUAL_COUNT + asked->device_count, sizeof(*devices));
	struct cgroup_limits limits = asked->limits;
	struct cgroup_wish wish = { .parent = asked->parent,
		                    .limits = &limits,
		                    .needed = cgroup_asked_controllers(asked),
		                    .filter_only = !is_asked_for(config),
		                    .reason = reason,
		                    .ctx = (void *)(uintptr_t)config };
	int disk_count;

	if (check_weight(asked, err) < 0)
		return -1;
	if (wish.filter_only || config->caps & CAPS_FOR_DEVICES)
		wish.needed |= CGROUP_DEVICES;
	if (config->init_system)
		wish.needed |= CGROUP_SYSTEMD;
	disk_count = find_disks(asked, DISKS_BY_PATH, 0, disks, err);
	if (disk_count < 0 || list_devices(config, devices, err) < 0)
		return -1;
	limits.io = disks;
	limits.io_count = (size_t)disk_count;
	limits.devices = devices;
	limits.device_count = USUAL_COUNT + asked->device_count;
	return cgroup_make(store, id, &wish, cgroup, err);
}

/* Without the filter an ordinary container can reach no more devices, for no mount has any and no
 * node can be made: so it may run, and it is enough to say so once. */
static int go_without(struct store *store, const char *id, struct cgroup *cgroup,
                      struct stor_err *err)
{
	struct stor_err ignored = STOR_ERR_INIT;

	cgroup_close(cgroup);
	cgroup_remove(store, id, &ignored);
	if (mknodat(store->state_fd, SAID_UNFILTERED, S_IFREG | 0600, 0) == 0)
		log_warn("containers run without a device filter: %s%s%s (--cgroups=disabled asks "
		         "for none; this is said once)",
		         err->text, *err->hint ? "; " : "", err->hint);
	err_clear(err);
	return 0;
}

int container_make_cgroup(struct store *store, const char *id,
                          const struct container_config *config, struct cgroup *cgroup,
                          struct stor_err *err)
{
	if (config->cgroup.is_disabled)
		return 0;
	if (!is_asked_for(config))
		return make(store, id, config, cgroup, err) < 0 ? go_without(store, id, cgroup, err)
		                                                : 0;
	if (make(store, id, config, cgroup, err) < 0)
		return -1;
	warn_of_weak_limits(&config->cgroup, cgroup);
	return 0;
}

static int limit_root_disk(const struct cgroup_asked *asked, const struct root *root,
                           struct cgroup *cgroup, struct stor_err *err)
{
	cleanup_free struct cgroup_io *disks = xcalloc(asked->io_count, sizeof(*disks));
	int count = find_disks(asked, DISK_OF_ROOT, container_root_disk(root), disks, err);
	const struct cgroup_limits limits = { .io = disks,
		                              .io_count = (size_t)(count > 0 ? count : 0) };

	return count <= 0 ? count : cgroup_update(cgroup, &limits, NULL, err);
}

int container_complete_cgroup(const struct container_config *config, const struct root *root,
                              const struct plan_volumes *volumes, struct cgroup *cgroup,
                              struct stor_err *err)
{
	if (!cgroup->count || cgroup->is_filter_only)
		return 0;
	return limit_root_disk(&config->cgroup, root, cgroup, err) < 0
	               ? -1
	               : add_servers(cgroup, root, volumes, err);
}

int container_update_cgroup(struct store *store, const char *id,
                            const struct container_config *changes, dev_t root_disk,
                            struct cgroup *cgroup, struct cgroup_undo *undo, struct stor_err *err)
{
	const struct cgroup_asked *asked = &changes->cgroup;
	cleanup_free struct cgroup_io *disks = xcalloc(asked->io_count, sizeof(*disks));
	struct cgroup_limits limits = asked->limits;
	const struct cgroup_wish wish = { .needed = cgroup_asked_controllers(asked),
		                          .reason = reason,
		                          .ctx = (void *)(uintptr_t)changes };
	bool is_new;
	int disk_count;

	if (!wish.needed)
		return 0;
	if (check_weight(asked, err) < 0)
		return -1;
	disk_count = find_disks(asked, DISKS_BY_PATH | DISK_OF_ROOT, root_disk, disks, err);
	if (disk_count < 0 ||
	    container_open_cgroup_with(store, id, &wish, cgroup, &is_new, err) < 0)
		return -1;
	limits.io = disks;
	limits.io_count = (size_t)disk_count;
	if (cgroup_update(cgroup, &limits, undo, err) < 0)
		return -1;
	warn_of_weak_limits(asked, cgroup);
	return 0;
}

/* --- the plan's part ------------------------------------------------------------------------ */

/* The name under which a hierarchy of version 1 is mounted: its controllers. */
static char *mount_name(const struct cgroup_place *place)
{
	struct strbuf name = STRBUF_INIT;

	if (place->controllers == CGROUP_SYSTEMD)
		return xstrdup(cgroup_controller_name(CGROUP_SYSTEMD));
	for (uint32_t one = 1; one <= CGROUP_FREEZER; one <<= 1)
		if (place->controllers & one)
			strbuf_printf(&name, "%s%s", name.length ? "," : "",
			              one == CGROUP_IO ? "blkio" : cgroup_controller_name(one));
	return strbuf_steal(&name);
}

static void plan_mount(struct plan_cgroup *plan, const struct cgroup_place *place)
{
	struct plan_cgroup_mount *m = &plan->mounts[plan->mount_count++];
	bool is_manager = place->controllers == CGROUP_SYSTEMD;

	m->name = mount_name(place);
	m->folder = is_manager ? "systemd" : m->name;
	m->is_writable = is_manager && plan->is_delegated;
}

static int plan_place(struct plan_cgroup *plan, const struct cgroup_place *place, bool is_only,
                      struct stor_err *err)
{
	/* A thread that moves itself need not hold up all forks on the machine, as cgroup.procs
	 * does for milliseconds; and the first process has one thread. */
	const char *file = place->is_v2 ? "cgroup.procs" : "tasks";
	int leaf_fd = place->is_v2 && plan->delegated_fd >= 0 ? plan->delegated_fd
	                                                      : place->leaf_fds[CGROUP_PAYLOAD];
	int fd;

	if (place->is_v2 && is_only) {
		plan->mounts_v2 = true;
#ifdef __x86_64__
		plan->entry.into_fd = fcntl(leaf_fd, F_DUPFD_CLOEXEC, 0);
		if (plan->entry.into_fd < 0)
			return err_fail(err, STOR_FAILED, errno, "open %s/payload", place->path);
		return 0;
#endif
	}
	fd = openat(leaf_fd, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_fail(err, STOR_FAILED, errno, "open %s/payload/%s", place->path, file);
	plan->entry.join_fds[plan->entry.join_count++] = fd;
	if (!place->is_v2)
		plan_mount(plan, place);
	return 0;
}

/* The place of version 2 that a service manager divides, if it has one; NULL: it has none. */
static const struct cgroup_place *divided_place(const struct plan *plan,
                                                const struct cgroup *cgroup)
{
	for (size_t i = 0; plan->config->init_system && i < cgroup->count; i++)
		if (cgroup->places[i].is_v2)
			return &cgroup->places[i];
	return NULL;
}

static int join_places(struct plan_cgroup *own, const struct cgroup *cgroup, struct stor_err *err)
{
	own->is_used = cgroup->count != 0;
	for (size_t i = 0; i < cgroup->count; i++)
		if (plan_place(own, &cgroup->places[i], cgroup->count == 1, err) < 0)
			return -1;
	return 0;
}

int plan_join_cgroup(struct plan *plan, const struct cgroup *cgroup, pid_t first,
                     struct stor_err *err)
{
	const struct cgroup_place *divided = divided_place(plan, cgroup);

	if (divided) {
		plan->cgroup.delegated_fd = cgroup_open_of(divided, first, err);
		if (plan->cgroup.delegated_fd < 0)
			return -1;
	}
	return join_places(&plan->cgroup, cgroup, err);
}

int plan_use_cgroup(struct plan *plan, const struct cgroup *cgroup, struct stor_err *err)
{
	const struct cgroup_place *divided = divided_place(plan, cgroup);
	struct plan_cgroup *own = &plan->cgroup;

	own->is_delegated = plan->config->init_system;
	own->is_ns_private = !plan->config->cgroup.is_ns_host;
	if (!own->is_ns_private)
		plan->clone_flags &= ~(unsigned long)CLONE_NEWCGROUP;
	if (!cgroup->count)
		return 0;
	/* The filter of version 1 is nothing to look at. */
	own->is_shown = own->is_ns_private && (cgroup->places[0].is_v2 || !cgroup->is_filter_only);
	/* Made once the process is in its cgroup, so that this is the namespace's root. */
	plan->clone_flags &= ~(unsigned long)CLONE_NEWCGROUP;
	if (divided) {
		own->delegated_fd = cgroup_delegate(divided, err);
		if (own->delegated_fd < 0)
			return -1;
	}
	return join_places(own, cgroup, err) < 0 ? -1 : plan_devices(own, plan->config, err);
}

void plan_cgroup_free(struct plan_cgroup *plan)
{
	cgroup_entry_close(&plan->entry);
	close_fd(&plan->delegated_fd);
	for (size_t i = 0; i < plan->mount_count; i++)
		free(plan->mounts[i].name);
	free(plan->devices);
}
