/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DiskDescriptor.xml: written and read back, chains found, foreign nonsense refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "ploop/descriptor.h"
#include "ploop/format.h"
#include "tests/ploop/memfs.h"
#include "tests/ploop/testhost.h"

#define FIRST "{a653c01b-e728-4f93-8225-d4ef27cb6bdf}"

static void comes_back_as_written(void **state)
{
	const struct ploop_image *chain[PLOOP_CHAIN_MAX];
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_descriptor d, back;
	struct memfs *fs = memfs_new();

	(void)state;
	assert_int_equal(ploop_descriptor_make(&d, 131072, 2048, "root<&>.hdd", false), 0);
	ploop_descriptor_rename(&d, PLOOP_TOP_GUID, FIRST);
	memcpy(d.top, PLOOP_TOP_GUID, sizeof(d.top));
	assert_int_equal(ploop_descriptor_add(&d, PLOOP_TOP_GUID, FIRST, "delta", false), 0);
	assert_int_equal(ploop_descriptor_store(memfs_dir(fs), &d, &err), 0);
	assert_int_equal(memfs_files(fs), 1);
	assert_int_equal(ploop_descriptor_load(memfs_dir(fs), &back, &err), 0);
	assert_int_equal(back.sectors, 131072);
	assert_int_equal(ploop_descriptor_chain(&back, back.top, chain, &err), 2);
	assert_string_equal(chain[0]->file, "root<&>.hdd");
	assert_string_equal(chain[1]->file, "delta");
	assert_int_equal(ploop_descriptor_children(&back, FIRST), 1);
	/* A circle has no base. */
	memcpy(ploop_descriptor_shot(&back, FIRST)->parent, PLOOP_TOP_GUID, GUID_TEXT_BYTES);
	assert_int_equal(ploop_descriptor_chain(&back, back.top, chain, &err), 0);
	ploop_descriptor_free(&d);
	ploop_descriptor_free(&back);
	memfs_free(fs);
}

static void refused(const char *text)
{
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_descriptor d;

	assert_int_equal(ploop_descriptor_parse(text, strlen(text), &d, &err), -1);
	assert_int_not_equal(err.status, STOR_OK);
}

static void nonsense_is_refused(void **state)
{
	char deep[2000] = "";
	char *good;
	struct ploop_descriptor d;

	(void)state;
	refused("");
	refused("<Parallels_disk_image/>");
	refused("<!DOCTYPE x [<!ENTITY a \"b\">]><Parallels_disk_image>&a;</Parallels_disk_image>");
	for (unsigned i = 0; i < 200; i++)
		strcat(deep, "<abcde/>");
	refused(deep);
	memset(deep, 'a', sizeof(deep) - 1);
	deep[0] = '<';
	memcpy(deep + sizeof(deep) - 3, "/>", 2);
	refused(deep); /* a name longer than any path, at once ended */
	assert_int_equal(ploop_descriptor_make(&d, 131072, 2048, "f", false), 0);
	good = ploop_descriptor_format(&d);
	for (size_t cut = 0; cut + 2 < strlen(good); cut += 7) {
		char *piece = strndup(good, cut);

		refused(piece);
		free(piece);
	}
	memcpy(strstr(good, "2048"), "2047", 4);
	refused(good);
	free(good);
	ploop_descriptor_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_as_written),
		cmocka_unit_test(nonsense_is_refused),
	};

	testhost_load();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
