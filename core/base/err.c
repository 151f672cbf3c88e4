/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Error reports: see err.h. Long texts are cut, never lost whole. */
#include "core/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Puts `head` before what err->text already says. */
static void prepend(struct stor_err *err, const char *head)
{
	char joined[sizeof(err->text)];
	int n = snprintf(joined, sizeof(joined), "%s: %s", head, err->text);

	if (n < 0)
		return;
	memcpy(err->text, joined, sizeof(joined));
}

int err_fail(struct stor_err *err, enum stor_status status, int errnum, const char *format, ...)
{
	char text[sizeof(err->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (errnum) {
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, ": %s", strerror(errnum));
	}
	if (err->status != STOR_OK) {
		prepend(err, text);
		return -1;
	}
	/* A backend made for a later stor may know more of them. */
	err->status = status > STOR_OK && status <= STOR_UNSUPPORTED ? status : STOR_FAILED;
	err->errnum = errnum;
	memcpy(err->text, text, sizeof(text));
	return -1;
}

int err_context(struct stor_err *err, const char *format, ...)
{
	char text[sizeof(err->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (err->status == STOR_OK)
		return err_fail(err, STOR_FAILED, 0, "%s", text);
	prepend(err, text);
	return -1;
}

void err_hint(struct stor_err *err, const char *format, ...)
{
	va_list args;

	if (err->hint[0])
		return;
	va_start(args, format);
	vsnprintf(err->hint, sizeof(err->hint), format, args);
	va_end(args);
}

void err_clear(struct stor_err *err)
{
	memset(err, 0, sizeof(*err));
}

/* For what can happen at every write; whoever knows more has set a hint. */
static const char *usual_hint(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return "the disk is full: df tells which; stor rm, stor image rm and stor volume "
		       "rm free space, and --store moves the store";
	case EROFS:
		return "it lies on a read-only filesystem; --store and --state move stor's own "
		       "folders";
	case EUCLEAN:
	case EIO:
		return "the filesystem, or the disk below it, is damaged: stor volume check looks "
		       "at a volume, and dmesg has the kernel's reasons";
	default:
		return NULL;
	}
}

void err_print(const struct stor_err *err)
{
	const char *hint = err->hint[0] ? err->hint : usual_hint(err->errnum);

	fprintf(stderr, "stor: %s\n", err->text[0] ? err->text : "unknown failure");
	if (hint)
		fprintf(stderr, "  hint: %s\n", hint);
}
