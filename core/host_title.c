/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The name of a server process. Overwriting the memory of argv would take strings away that the
 * server may still use (it has its maker's memory), so the kernel is told that the arguments lie
 * elsewhere: PR_SET_MM_MAP, which unlike its siblings needs no capability, but every address anew.
 */
#include "core/host.h"

#include <inttypes.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/fs.h"

#include <stor/util.h>

/* Reads the layout of this process from fields 26 to 51 of /proc/self/stat. */
static int read_layout(struct prctl_mm_map *map)
{
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(-1, "/proc/self/stat", 4096, NULL, &ignored);
	unsigned long long code[2], stack, data[2], brk, args[2], env[2];
	const char *at = text ? strrchr(text, ')') : NULL;

	/* State is field 3. */
	if (!at ||
	    sscanf(at + 1,
	           " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
	           "%*u %*u %*d %*u %llu %llu %llu %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %*d "
	           "%*u %*u %*u %*u %*d %llu %llu %llu %llu %llu %llu %llu",
	           &code[0], &code[1], &stack, &data[0], &data[1], &brk, &args[0], &args[1],
	           &env[0], &env[1]) != 10)
		return -1;
	*map = (struct prctl_mm_map){ .start_code = code[0],
		                      .end_code = code[1],
		                      .start_data = data[0],
		                      .end_data = data[1],
		                      .start_brk = brk,
		                      .brk = (uint64_t)syscall(SYS_brk, 0),
		                      .start_stack = stack,
		                      .arg_start = args[0],
		                      .arg_end = args[1],
		                      .env_start = env[0],
		                      .env_end = env[1],
		                      .exe_fd = (uint32_t)-1 };
	return 0;
}

void host_set_title(const char *title)
{
	size_t size = strlen(title) + 1;
	struct prctl_mm_map map;
	char short_name[16];
	char *arguments;

	snprintf(short_name, sizeof(short_name), "%.*s", (int)strcspn(title, " "), title);
	prctl(PR_SET_NAME, short_name);
	/* Lives as long as the process: the kernel reads the title there. */
	arguments = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arguments == MAP_FAILED)
		return;
	memcpy(arguments, title, size);
	if (read_layout(&map) < 0)
		return;
	map.arg_start = (uint64_t)(uintptr_t)arguments;
	map.arg_end = map.arg_start + size;
	prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0);
}
