/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refusing a backend whose table breaks the ABI: see backend_check.h. */
#include "core/backend_check.h"

#include <inttypes.h>
#include <string.h>

#include <stor/util.h>

#define NAME_MAX_BYTES 32

/* Everything up to the last mandatory callback. */
#define SMALLEST_TABLE STOR_SIZE_UP_TO(struct stor_backend, destroy)

static int refuse_version(const struct stor_backend *table, const char *file, struct stor_err *err)
{
	err_fail(err, STOR_UNSUPPORTED, 0,
	         "load %s: made for ABI version %u, this stor has version %u", file,
	         table->abi_version, STOR_ABI_VERSION);
	if (table->abi_version > STOR_ABI_VERSION)
		err_hint(err, "it needs a newer stor, or to be compiled with this stor's "
		              "<stor/backend.h>");
	else
		err_hint(err, "compile it again with this stor's <stor/backend.h>, which differs: "
		              "see VERSIONS in stor-backend(3)");
	return -1;
}

/* Entries of arrays, whose size the table has for them. */
static int check_entry_sizes(const struct stor_backend *table, const char *file,
                             struct stor_err *err)
{
	if (table->param_size >= STOR_SIZE_UP_TO(struct stor_param, help) &&
	    table->param_size % _Alignof(struct stor_param) == 0 &&
	    table->value_size >= STOR_SIZE_UP_TO(struct stor_value, number) &&
	    table->value_size % _Alignof(struct stor_value) == 0)
		return 0;
	return err_fail(
		err, STOR_UNSUPPORTED, 0,
		"load %s: its parameters have %u bytes and their values %u, as in no version", file,
		table->param_size, table->value_size);
}

int backend_check_header(const struct stor_backend *table, const char *file, struct stor_err *err)
{
	if (!table)
		return err_fail(err, STOR_UNSUPPORTED, 0,
		                "load %s: stor_backend_init returned nothing", file);
	if (table->kind != STOR_KIND_BACKEND)
		return err_fail(err, STOR_UNSUPPORTED, 0,
		                "load %s: wrong kind of module: 0x%" PRIx64
		                ", a backend has 0x%" PRIx64,
		                file, table->kind, (uint64_t)STOR_KIND_BACKEND);
	if (table->struct_size < offsetof(struct stor_backend, name))
		return err_fail(err, STOR_UNSUPPORTED, 0,
		                "load %s: its table has %zu bytes, too few for any version", file,
		                table->struct_size);
	if (table->abi_version != STOR_ABI_VERSION)
		return refuse_version(table, file, err);
	if (table->struct_size < SMALLEST_TABLE)
		return err_fail(err, STOR_UNSUPPORTED, 0,
		                "load %s: its table has %zu bytes, the mandatory part has %zu",
		                file, table->struct_size, SMALLEST_TABLE);
	if (table->min_host_size > sizeof(struct stor_host)) {
		err_fail(err, STOR_UNSUPPORTED, 0,
		         "load %s: needs a newer stor: %u bytes of host services, this one has %zu",
		         file, table->min_host_size, sizeof(struct stor_host));
		err_hint(err, "this is stor %s", STOR_VERSION);
		return -1;
	}
	return check_entry_sizes(table, file, err);
}

static int refuse(const struct backend *b, struct stor_err *err, const char *why)
{
	return err_fail(err, STOR_UNSUPPORTED, 0, "load %s: %s", b->file, why);
}

/* Lower case letters, digits and '-', a letter first. */
static bool is_backend_name(const char *name)
{
	size_t length = strlen(name);

	return length && length <= NAME_MAX_BYTES && name[0] >= 'a' && name[0] <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static int check_name(const struct backend *b, struct stor_err *err)
{
	cleanup_free char *expected = NULL;
	const char *base = strrchr(b->file, '/');

	if (!b->ops.name)
		return refuse(b, err, "its table has no name");
	if (!is_backend_name(b->ops.name))
		return err_fail(err, STOR_UNSUPPORTED, 0,
		                "load %s: bad name \"%s\": lower case letters, digits and '-', "
		                "a letter first, at most %d",
		                b->file, b->ops.name, NAME_MAX_BYTES);
	expected = xasprintf("stor-%s.so", b->ops.name);
	if (strcmp(base ? base + 1 : b->file, expected) != 0)
		return err_fail(err, STOR_UNSUPPORTED, 0,
		                "load %s: the backend calls itself \"%s\", so its file is to be %s",
		                b->file, b->ops.name, expected);
	return 0;
}

static bool is_one_line(const char *text)
{
	return *text && !strpbrk(text, "\n\r\t");
}

/* Names separated by single spaces. */
static bool is_word_list(const char *text)
{
	size_t length = strlen(text);

	return length && text[0] != ' ' && text[length - 1] != ' ' && !strstr(text, "  ") &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_- ") == length;
}

static int check_texts(const struct backend *b, struct stor_err *err)
{
	if (!b->ops.version || !is_one_line(b->ops.version))
		return refuse(b, err, "its table has no version");
	if (!b->ops.summary || !is_one_line(b->ops.summary))
		return refuse(b, err, "its table has no summary of one line");
	if (b->ops.fs_types && !is_word_list(b->ops.fs_types))
		return refuse(b, err, "its fs_types is not a list of names separated by a space");
	return 0;
}

static int check_callbacks(const struct backend *b, struct stor_err *err)
{
	const struct stor_backend *ops = &b->ops;
	int snapshots =
		!!ops->snapshot + !!ops->snapshot_list + !!ops->snapshot_delete + !!ops->rollback;

	if (!ops->create)
		return refuse(b, err, "the mandatory callback create is missing");
	if (!ops->attach)
		return refuse(b, err, "the mandatory callback attach is missing");
	if (!ops->info)
		return refuse(b, err, "the mandatory callback info is missing");
	if (!ops->destroy)
		return refuse(b, err, "the mandatory callback destroy is missing");
	if (snapshots && snapshots != 4)
		return refuse(b, err,
		              "snapshot, snapshot_list, snapshot_delete and rollback go together, "
		              "and some are missing");
	if (ops->merge && !snapshots)
		return refuse(b, err, "it has merge without snapshots");
	if (ops->flags & ~(STOR_BACKEND_SIZED | STOR_BACKEND_DELTAS))
		return refuse(b, err, "it has flags that this stor does not know");
	if (ops->flags & STOR_BACKEND_DELTAS && !ops->clone)
		return refuse(b, err, "its flags promise delta clones, and it has no clone");
	if (!ops->send != !ops->receive)
		return refuse(b, err, "send and receive go together, and one is missing");
	return 0;
}

int backend_check_table(const struct backend *backend, struct stor_err *err)
{
	if (check_name(backend, err) < 0 || check_texts(backend, err) < 0 ||
	    check_callbacks(backend, err) < 0)
		return -1;
	return params_check_table(backend, err);
}
