/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs every file of a folder, or the files named, through a fuzz target. Output is TAP; a file
 * that ends the process was named before. */
#include <dirent.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static void run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat st;
	uint8_t *data;

	printf("# %s\n", path);
	fflush(stdout);
	if (!file || fstat(fileno(file), &st) < 0) {
		perror(path);
		exit(1);
	}
	data = malloc((size_t)st.st_size + 1);
	if (!data || fread(data, 1, (size_t)st.st_size, file) != (size_t)st.st_size) {
		perror(path);
		exit(1);
	}
	fclose(file);
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
}

static unsigned run_folder(const char *folder)
{
	struct dirent **items;
	int count = scandir(folder, &items, NULL, alphasort);
	unsigned ran = 0;

	for (int i = 0; i < count; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", folder, items[i]->d_name);
		if (*items[i]->d_name != '.') {
			run_file(path);
			ran++;
		}
		free(items[i]);
	}
	if (count >= 0)
		free(items);
	return ran;
}

int main(int argc, char **argv)
{
	unsigned ran = 0;

	for (int i = 1; i < argc; i++, ran++)
		run_file(argv[i]);
	if (argc == 1)
		ran = run_folder(FUZZ_CORPUS);
	printf("%sok 1 - %u inputs\n1..1\n", ran ? "" : "not ", ran);
	return !ran;
}
