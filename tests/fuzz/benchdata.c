/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Data files of stor bench: each input is read, and written in every form. */
#include "tests/fuzz/fuzz.h"

#include "bench/report/forms.h"

/* No byte of the input becomes an element: the page has only those that the tool writes. */
static void check_html(const struct strbuf *html)
{
	static const char *const no_numbers[] = { "=\"nan",   "=\"-nan",   "=\"inf",  "=\"-inf",
		                                  "d=\"Mnan", "d=\"M-nan", "d=\"Minf" };

	FUZZ_PROMISE(html->length && !strncmp(html->text, "<!DOCTYPE html>", 15));
	FUZZ_PROMISE(strlen(html->text) == html->length);
	FUZZ_PROMISE(!strstr(html->text, "<script") && !strstr(html->text, "<evil"));
	/* Quotes of the input are written as &quot;, so these would be the tool's own. */
	for (size_t i = 0; i < sizeof(no_numbers) / sizeof(*no_numbers); i++)
		FUZZ_PROMISE(!strstr(html->text, no_numbers[i]));
}

static void write_forms(const struct report *report)
{
	static void (*const forms[])(const struct report *report,
	                             struct strbuf *out) = { form_markdown, form_csv, form_json };
	struct strbuf html = STRBUF_INIT;

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct strbuf out = STRBUF_INIT;

		forms[i](report, &out);
		FUZZ_PROMISE(out.length);
		strbuf_free(&out);
	}
	form_html(report, &html);
	check_html(&html);
	strbuf_free(&html);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stor_err err = STOR_ERR_INIT;
	char *text = fuzz_text(data, size);
	struct report report;
	struct data read;

	memset(&report, 0, sizeof(report));
	if (data_parse(text, size, "input", &read, &err) == 0 &&
	    report_make(&read, NULL, &report, &err) == 0)
		write_forms(&report);
	else
		FUZZ_PROMISE(err.status != STOR_OK && *err.text);
	report_free(&report);
	data_free(&read);
	free(text);
	return 0;
}
