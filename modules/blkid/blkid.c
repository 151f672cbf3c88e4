/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Naming a device's content by libblkid: see blkid.h. */
#include "modules/blkid/blkid.h"

#include <blkid.h>
#include <errno.h>
#include <stdio.h>

static int look(blkid_probe probe, char *what, size_t size)
{
	const char *type;
	int result;

	if (blkid_probe_enable_superblocks(probe, 1) < 0 ||
	    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE) < 0 ||
	    blkid_probe_enable_partitions(probe, 1) < 0)
		return -1;
	result = blkid_do_safeprobe(probe);
	if (result == -1)
		return -1;
	/* Of what is ambivalent (-2), the first is as good as any. */
	if (!blkid_probe_lookup_value(probe, "TYPE", &type, NULL))
		snprintf(what, size, "%s", type);
	else if (!blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL))
		snprintf(what, size, "a partition table (%s)", type);
	return 0;
}

static int identify(int fd, char *what, size_t size, struct stor_err *err)
{
	blkid_probe probe = blkid_new_probe();
	int result;

	*what = '\0';
	if (!probe)
		return err_fail(err, STOR_FAILED, ENOMEM, "probe device");
	result = blkid_probe_set_device(probe, fd, 0, 0);
	if (!result)
		result = look(probe, what, size);
	blkid_free_probe(probe);
	return result < 0 ? err_fail(err, STOR_FAILED, errno, "probe device") : 0;
}

extern const struct blkid_module stor_internal_blkid;
__attribute__((visibility("default"))) const struct blkid_module stor_internal_blkid = {
	.version = STOR_VERSION,
	.identify = identify,
};
