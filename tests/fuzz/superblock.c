/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the first bytes of a device claim. The first half of the input lies at its start, the second
 * one where btrfs keeps its superblock. */
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include <stor/superblock.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	size_t half = size > 4096 ? 4096 : size;
	struct stor_superblock sb;

	if (fd < 0)
		abort();
	FUZZ_PROMISE(pwrite_all(fd, data, half, 0) >= 0);
	FUZZ_PROMISE(pwrite_all(fd, data + half, size - half, 65536) >= 0);
	FUZZ_PROMISE(!stor_superblock_read(fd, &sb));
	FUZZ_PROMISE(sb.block_bytes >= 512 && sb.block_bytes <= 4096 &&
	             !(sb.block_bytes & (sb.block_bytes - 1)));
	close(fd);
	return 0;
}
