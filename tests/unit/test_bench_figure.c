/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How stor bench report writes figures, and texts that may be anybody's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "bench/report/escape.h"
#include "bench/report/figure.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void figures_have_three_digits_and_a_unit(void **state)
{
	static const struct {
		const char *unit;
		double value;
		const char *text;
	} known[] = {
		{ "s", 0.0019345, "1.93 ms" },
		{ "s", 1.9e-9, "1.90 ns" },
		{ "s", 0, "0 s" },
		{ "s", 5123, "5120 s" },
		{ "s", 9.999, "10.0 s" },
		{ "s", 0.09996, "100 ms" },
		{ "s", -0.5, "-500 ms" },
		{ "bytes", 1536, "1.50 KiB" },
		{ "bytes", 1023, "1020 B" },
		{ "bytes/s", 0x1p30, "1.00 GiB/s" },
		{ "1/s", 51234, "51.2 k/s" },
		{ "1/s", 7, "7.00/s" },
		{ "", 0.25, "0.250" },
		{ "", 12345678, "12.3 M" },
		{ "joules", 1234.5, "1230 joules" },
		{ "", 1e-20, "1.00e-20" },
	};
	char text[FIGURE_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		struct figure_scale scale = figure_scale(known[i].unit, known[i].value);

		assert_string_equal(figure_text(known[i].value, &scale, text), known[i].text);
	}
}

static void ratios_have_the_digits_that_tell_them_from_one(void **state)
{
	(void)state;
	assert_int_equal(figure_ratio_digits(1.2, 1.4), 3);
	assert_int_equal(figure_ratio_digits(1.006, 1.4), 3);
	assert_int_equal(figure_ratio_digits(1.004, 1.4), 4);
	assert_int_equal(figure_ratio_digits(0.9, 0.9992), 3);
	assert_int_equal(figure_ratio_digits(0.9, 0.9997), 4);
	/* 1 is within: nothing to tell. */
	assert_int_equal(figure_ratio_digits(0.99999, 1.00001), 3);
	assert_int_equal(figure_ratio_digits(1.0000000001, 2), 6);
}

static void texts_lose_their_meaning(void **state)
{
	static const struct {
		void (*escape)(struct strbuf *out, const char *text);
		const char *text, *escaped;
	} known[] = {
		{ escape_html, "<b a='1'>&\"", "&lt;b a=&#39;1&#39;&gt;&amp;&quot;" },
		{ escape_html, "a\nb\x01\xff\xe2\x80\xae\xc3\xa4",
		  "a b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xc3\xa4" },
		{ escape_html, "\xef\xbf\xbf\xc2\x85", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ escape_html_name, "a:b=<", "a:<wbr>b=<wbr>&lt;" },
		{ escape_markdown, "a|b `c` *d* [e](f) <g>\nh",
		  "a\\|b \\`c\\` \\*d\\* \\[e\\](f) &lt;g&gt; h" },
		{ escape_markdown, "cpu_seconds _x_", "cpu_seconds \\_x\\_" },
		{ escape_csv, "plain text", "plain text" },
		{ escape_csv, "a,\"b\"\n", "\"a,\"\"b\"\"\n\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		struct strbuf out = STRBUF_INIT;

		known[i].escape(&out, known[i].text);
		assert_string_equal(out.text, known[i].escaped);
		strbuf_free(&out);
	}
}

static void long_texts_are_cut_in_their_middle(void **state)
{
	char *text;

	(void)state;
	text = escape_shorten("ploop:attach=engine", 19);
	assert_string_equal(text, "ploop:attach=engine");
	free(text);
	text = escape_shorten("ploop:attach=engine", 10);
	assert_string_equal(text, "ploop:…ine");
	free(text);
	text = escape_shorten("ääääääääää", 4);
	assert_string_equal(text, "ää…ä");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_have_three_digits_and_a_unit),
		cmocka_unit_test(ratios_have_the_digits_that_tell_them_from_one),
		cmocka_unit_test(texts_lose_their_meaning),
		cmocka_unit_test(long_texts_are_cut_in_their_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
