/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The descriptor's text. Reading takes nothing on trust: sizes, identifiers, and the tree are
 * validated, entities of a document's own are refused, and what must be there once is. Unknown
 * elements are passed over.
 */
#include "ploop/descriptor.h"

#include <errno.h>
#include <expat.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/host.h"
#include "ploop/format.h"

#define PATH_BYTES 512u
#define VALUE_BYTES 4096u

struct reader {
	XML_Parser parser;
	struct ploop_descriptor *out;
	char path[PATH_BYTES]; /* names of the open elements, each after a '/' */
	char value[VALUE_BYTES];
	size_t length;
	struct ploop_image image;
	struct ploop_shot shot;
	const char *wrong; /* static text */
	unsigned storages;
};

static void stop(struct reader *reader, const char *wrong)
{
	if (!reader->wrong)
		reader->wrong = wrong;
	XML_StopParser(reader->parser, XML_FALSE);
}

static void XMLCALL begin(void *data, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *reader = data;
	size_t used = strlen(reader->path);

	(void)attributes;
	if (used + strlen(name) + 2 > sizeof(reader->path)) {
		stop(reader, "elements nested too deep");
		return;
	}
	snprintf(reader->path + used, sizeof(reader->path) - used, "/%s", name);
	reader->length = 0;
	if (!strcmp(reader->path, "/Parallels_disk_image/StorageData/Storage") &&
	    reader->storages++)
		stop(reader, "more than one Storage");
}

static void XMLCALL text(void *data, const XML_Char *piece, int length)
{
	struct reader *reader = data;

	if (reader->length + (size_t)length >= sizeof(reader->value)) {
		stop(reader, "a value too long");
		return;
	}
	memcpy(reader->value + reader->length, piece, (size_t)length);
	reader->length += (size_t)length;
}

/* The value without blanks around it. */
static const char *trimmed(struct reader *reader)
{
	static const char blanks[] = " \t\r\n";
	char *start = reader->value;

	while (reader->length && strchr(blanks, reader->value[reader->length - 1]))
		reader->length--;
	reader->value[reader->length] = '\0';
	start += strspn(start, blanks);
	return start;
}

static void take_number(struct reader *reader, const char *value, uint64_t limit, uint64_t *out)
{
	uint64_t number = 0;

	if (!*value)
		stop(reader, "a number missing");
	for (; *value; value++) {
		if (*value < '0' || *value > '9' ||
		    number > (limit - (unsigned)(*value - '0')) / 10) {
			stop(reader, "a number out of range");
			return;
		}
		number = number * 10 + (unsigned)(*value - '0');
	}
	*out = number;
}

static void take_guid(struct reader *reader, const char *value, char guid[GUID_TEXT_BYTES])
{
	if (guid_is_valid(value))
		memcpy(guid, value, GUID_TEXT_BYTES);
	else
		stop(reader, "a malformed GUID");
}

static void take_type(struct reader *reader, const char *value)
{
	if (!strcmp(value, "Plain"))
		reader->image.is_plain = true;
	else if (strcmp(value, "Compressed") != 0)
		stop(reader, "an unknown image type");
}

static void take_file(struct reader *reader, const char *value)
{
	free(reader->image.file);
	reader->image.file = strdup(value);
	if (!*value || !reader->image.file)
		stop(reader, "a file name missing");
}

static void end_image(struct reader *reader)
{
	struct ploop_descriptor *out = reader->out;
	struct ploop_image *images;

	if (!reader->image.file || !*reader->image.guid || out->image_count == PLOOP_STATES_MAX) {
		stop(reader, "an incomplete Image, or too many");
		return;
	}
	images = realloc(out->images, (out->image_count + 1) * sizeof(*images));
	if (!images) {
		stop(reader, "no memory");
		return;
	}
	out->images = images;
	images[out->image_count++] = reader->image;
	memset(&reader->image, 0, sizeof(reader->image));
}

static void end_shot(struct reader *reader)
{
	struct ploop_descriptor *out = reader->out;
	struct ploop_shot *shots;

	if (!*reader->shot.guid || !*reader->shot.parent || out->shot_count == PLOOP_STATES_MAX) {
		stop(reader, "an incomplete Shot, or too many");
		return;
	}
	shots = realloc(out->shots, (out->shot_count + 1) * sizeof(*shots));
	if (!shots) {
		stop(reader, "no memory");
		return;
	}
	out->shots = shots;
	shots[out->shot_count++] = reader->shot;
	memset(&reader->shot, 0, sizeof(reader->shot));
}

#define ROOT "/Parallels_disk_image"
#define STORAGE ROOT "/StorageData/Storage"
#define SHOT ROOT "/Snapshots/Shot"

static void end_storage(struct reader *reader, const char *path, const char *value)
{
	uint64_t number = 0;

	if (!strcmp(path, STORAGE "/Blocksize")) {
		take_number(reader, value, UINT32_MAX, &number);
		reader->out->cluster_sectors = (uint32_t)number;
	} else if (!strcmp(path, STORAGE "/Preallocated")) {
		take_number(reader, value, 1, &number);
		reader->out->is_preallocated = number;
	} else if (!strcmp(path, STORAGE "/Image/GUID")) {
		take_guid(reader, value, reader->image.guid);
	} else if (!strcmp(path, STORAGE "/Image/Type")) {
		take_type(reader, value);
	} else if (!strcmp(path, STORAGE "/Image/File")) {
		take_file(reader, value);
	} else if (!strcmp(path, STORAGE "/Image")) {
		end_image(reader);
	}
}

static void XMLCALL end(void *data, const XML_Char *name)
{
	struct reader *reader = data;
	const char *value = trimmed(reader), *path = reader->path;

	/* Once stopped, the parser may still end the element whose beginning stopped it. */
	if (reader->wrong)
		return;
	if (!strcmp(path, ROOT "/Disk_Parameters/Disk_size"))
		take_number(reader, value, UINT64_MAX / PLOOP_SECTOR, &reader->out->sectors);
	else if (!strcmp(path, ROOT "/Disk_Parameters/Max_delta_size"))
		take_number(reader, value, UINT64_MAX, &reader->out->max_delta_sectors);
	else if (!strncmp(path, STORAGE, strlen(STORAGE)))
		end_storage(reader, path, value);
	else if (!strcmp(path, ROOT "/Snapshots/TopGUID"))
		take_guid(reader, value, reader->out->top);
	else if (!strcmp(path, SHOT "/GUID"))
		take_guid(reader, value, reader->shot.guid);
	else if (!strcmp(path, SHOT "/ParentGUID"))
		take_guid(reader, value, reader->shot.parent);
	else if (!strcmp(path, SHOT "/Temporary"))
		reader->shot.is_temporary = true;
	else if (!strcmp(path, SHOT))
		end_shot(reader);
	reader->length = 0;
	reader->path[strlen(path) - strlen(name) - 1] = '\0';
}

static void XMLCALL entity(void *data, const XML_Char *name, int is_parameter,
                           const XML_Char *value, int length, const XML_Char *base,
                           const XML_Char *system, const XML_Char *public, const XML_Char *notation)
{
	(void)name, (void)is_parameter, (void)value, (void)length;
	(void)base, (void)system, (void)public, (void)notation;
	stop(data, "entities of its own");
}

/* What is wrong with the whole, or NULL. */
static const char *validate(struct ploop_descriptor *d)
{
	uint32_t cluster = d->cluster_sectors;

	if (!d->sectors)
		return "no Disk_size";
	if (cluster < PLOOP_CLUSTER_SECTORS_MIN || cluster > PLOOP_CLUSTER_SECTORS_MAX ||
	    cluster & (cluster - 1))
		return "a Blocksize that is no power of two from 64 to 131072";
	if (!d->image_count)
		return "no Image";
	/* Written before there were snapshots: the one file is the disk. */
	if (!d->shot_count && d->image_count == 1) {
		char guid[GUID_TEXT_BYTES];
		char *file = d->images[0].file;
		bool is_plain = d->images[0].is_plain;
		int r;

		memcpy(guid, d->images[0].guid, sizeof(guid));
		d->image_count = 0;
		r = ploop_descriptor_add(d, guid, PLOOP_NO_GUID, file, is_plain);
		free(file);
		if (r)
			return "no memory";
		memcpy(d->top, guid, sizeof(guid));
	}
	if (!*d->top)
		return "no TopGUID";
	for (unsigned i = 0; i < d->image_count; i++) {
		if (ploop_descriptor_image(d, d->images[i].guid) != &d->images[i])
			return "two Images of one GUID";
		if (!ploop_descriptor_shot(d, d->images[i].guid))
			return "an Image without a Shot";
	}
	for (unsigned i = 0; i < d->shot_count; i++)
		if (ploop_descriptor_shot(d, d->shots[i].guid) != &d->shots[i])
			return "two Shots of one GUID";
	return ploop_descriptor_shot(d, d->top) ? NULL : "a TopGUID without a Shot";
}

int ploop_descriptor_parse(const char *content, size_t size, struct ploop_descriptor *descriptor,
                           struct stor_err *err)
{
	cleanup_free struct reader *reader = calloc(1, sizeof(*reader));
	const char *wrong = NULL;

	memset(descriptor, 0, sizeof(*descriptor));
	if (reader)
		reader->parser = XML_ParserCreate(NULL);
	if (!reader || !reader->parser)
		return host->fail(err, STOR_FAILED, ENOMEM, "ploop: read " PLOOP_DESCRIPTOR_NAME);
	reader->out = descriptor;
	XML_SetUserData(reader->parser, reader);
	XML_SetElementHandler(reader->parser, begin, end);
	XML_SetCharacterDataHandler(reader->parser, text);
	XML_SetEntityDeclHandler(reader->parser, entity);
	if (XML_Parse(reader->parser, content, (int)size, 1) != XML_STATUS_OK)
		wrong = reader->wrong ? reader->wrong
		                      : XML_ErrorString(XML_GetErrorCode(reader->parser));
	else
		wrong = reader->wrong ? reader->wrong : validate(descriptor);
	XML_ParserFree(reader->parser);
	free(reader->image.file);
	if (!wrong)
		return 0;
	ploop_descriptor_free(descriptor);
	return host->fail(err, STOR_FAILED, 0, "ploop: " PLOOP_DESCRIPTOR_NAME " has %s", wrong);
}

/* --- writing --- */

struct writer {
	char *text;
	size_t length, room;
	bool failed;
};

static __attribute__((format(printf, 2, 3))) void add(struct writer *writer, const char *format,
                                                      ...)
{
	va_list args;
	char *piece = NULL;
	int n;

	va_start(args, format);
	n = vasprintf(&piece, format, args);
	va_end(args);
	if (n < 0) {
		writer->failed = true;
		return;
	}
	if (writer->length + (size_t)n + 1 > writer->room) {
		size_t room = (writer->length + (size_t)n + 1) * 2;
		char *grown = realloc(writer->text, room);

		if (!grown) {
			writer->failed = true;
			free(piece);
			return;
		}
		writer->text = grown;
		writer->room = room;
	}
	memcpy(writer->text + writer->length, piece, (size_t)n + 1);
	writer->length += (size_t)n;
	free(piece);
}

static void add_escaped(struct writer *writer, const char *value)
{
	for (; *value; value++) {
		if (*value == '&')
			add(writer, "&amp;");
		else if (*value == '<')
			add(writer, "&lt;");
		else if (*value == '>')
			add(writer, "&gt;");
		else
			add(writer, "%c", *value);
	}
}

char *ploop_descriptor_format(const struct ploop_descriptor *d)
{
	struct writer w = { .text = NULL };

	add(&w, "<?xml version=\"1.0\"?>\n<Parallels_disk_image>\n  <Disk_Parameters>\n");
	add(&w, "    <Disk_size>%" PRIu64 "</Disk_size>\n", d->sectors);
	if (d->max_delta_sectors)
		add(&w, "    <Max_delta_size>%" PRIu64 "</Max_delta_size>\n", d->max_delta_sectors);
	add(&w, "    <Cylinders>%" PRIu64 "</Cylinders>\n", d->sectors / 512);
	add(&w, "    <Heads>16</Heads>\n    <Sectors>32</Sectors>\n    <Padding>0</Padding>\n");
	add(&w, "  </Disk_Parameters>\n  <StorageData>\n    <Storage>\n      <Start>0</Start>\n");
	add(&w, "      <End>%" PRIu64 "</End>\n      <Blocksize>%" PRIu32 "</Blocksize>\n",
	    d->sectors, d->cluster_sectors);
	if (d->is_preallocated)
		add(&w, "      <Preallocated>1</Preallocated>\n");
	for (unsigned i = 0; i < d->image_count; i++) {
		const struct ploop_image *image = &d->images[i];

		add(&w,
		    "      <Image>\n        <GUID>%s</GUID>\n        <Type>%s</Type>\n        "
		    "<File>",
		    image->guid, image->is_plain ? "Plain" : "Compressed");
		add_escaped(&w, image->file);
		add(&w, "</File>\n      </Image>\n");
	}
	add(&w, "    </Storage>\n  </StorageData>\n  <Snapshots>\n    <TopGUID>%s</TopGUID>\n",
	    d->top);
	for (unsigned i = 0; i < d->shot_count; i++) {
		const struct ploop_shot *shot = &d->shots[i];

		add(&w, "    <Shot>\n      <GUID>%s</GUID>\n      <ParentGUID>%s</ParentGUID>\n",
		    shot->guid, shot->parent);
		if (shot->is_temporary)
			add(&w, "      <Temporary/>\n");
		add(&w, "    </Shot>\n");
	}
	add(&w, "  </Snapshots>\n</Parallels_disk_image>\n");
	if (!w.failed)
		return w.text;
	free(w.text);
	return NULL;
}
