/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor bench report: reads a data file and writes one form of it. See report.h. */
#include "bench/report/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/opts.h"

#include "bench/report/forms.h"

struct form {
	const char *name;
	const char *ending; /* of the file that gets it unless --format says so */
	void (*write)(const struct report *report, struct strbuf *out);
};

static const struct form forms[] = {
	{ "markdown", ".md", form_markdown },
	{ "csv", ".csv", form_csv },
	{ "html", ".html", form_html },
	{ "json", ".json", form_json },
};

struct request {
	const struct form *form; /* NULL: nobody said */
	const char *out, *base;
};

static int set_format(void *target, const char *value, struct stor_err *err)
{
	struct request *request = target;

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (!strcmp(forms[i].name, value)) {
			request->form = &forms[i];
			return 0;
		}
	return opts_fail_value("--format", value, "markdown, csv, html or json", err);
}

static int set_out(void *target, const char *value, struct stor_err *err)
{
	if (!*value)
		return opts_fail_value("--output", value, "a file", err);
	((struct request *)target)->out = value;
	return 0;
}

static int set_base(void *target, const char *value, struct stor_err *err)
{
	(void)err;
	((struct request *)target)->base = value;
	return 0;
}

/* What was asked for, else what the output's name says, else Markdown. */
static const struct form *choose_form(const struct request *request)
{
	if (request->form)
		return request->form;
	for (size_t i = 0; request->out && i < sizeof(forms) / sizeof(*forms); i++)
		if (str_ends(request->out, forms[i].ending))
			return &forms[i];
	return &forms[0];
}

/* Into a device, a pipe or what a link leads to, which a rename would put a file in place of. */
static int write_through(const char *path, const struct strbuf *text, struct stor_err *err)
{
	FILE *out = fopen(path, "we");
	bool is_whole;

	if (!out)
		return err_fail(err, STOR_FAILED, errno, "open %s", path);
	is_whole = fwrite(text->text, 1, text->length, out) == text->length;
	if (fclose(out) != 0 || !is_whole)
		return err_fail(err, STOR_FAILED, errno, "write %s", path);
	return 0;
}

static int write_out(const struct request *request, const struct strbuf *text, struct stor_err *err)
{
	struct stat st;

	if (request->out && strcmp(request->out, "-") != 0) {
		if (lstat(request->out, &st) == 0 && !S_ISREG(st.st_mode))
			return write_through(request->out, text, err);
		return fs_write_file(AT_FDCWD, request->out, text->text, text->length, 0644, false,
		                     err);
	}
	if (fwrite(text->text, 1, text->length, stdout) != text->length || fflush(stdout) != 0)
		return err_fail(err, STOR_FAILED, errno, "standard output");
	return 0;
}

int cmd_bench_report(int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 0, "base", "SUBJECT", "Ratios are to this one (host, else the first)", set_base },
		{ 0, "format", "FORMAT",
		  "Write markdown, csv, html or json (as OUT ends, else markdown)", set_format },
		{ 'o', "output", "OUT", "Write to this file, not to standard output", set_out },
		{ 0 },
	};
	static const struct opt_command command = {
		"bench report",
		"[OPTIONS] FILE",
		"Make tables and plots of a data file",
		NULL,
		options,
		1,
		1,
		false,
	};
	struct request request = { .form = NULL };
	cleanup_data struct data data = { .started = NULL };
	cleanup_report struct report report = { .data = NULL };
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	char **operands;
	int count, result = opts_parse(&command, &request, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (data_read(operands[0], &data, err) < 0 ||
	    report_make(&data, request.base, &report, err) < 0)
		return -1;
	if (data.is_cut)
		log_warn("%s: the last line is cut; it is left out", operands[0]);
	choose_form(&request)->write(&report, &text);
	return write_out(&request, &text, err);
}
