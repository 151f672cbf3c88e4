/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The progress bar and interruption of long work: see progress.h. */
#include "core/progress.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/str.h"

#define FIRST_DRAW_MS 300
#define REDRAW_MS 100
#define BAR_WIDTH 30
/* A caller that rests this long between updates is at its next piece of work. */
#define NEW_WORK_MS 2000

static volatile sig_atomic_t noted_signal;

/* What is on the terminal: one bar at a time. */
static struct {
	bool is_shown;
	int64_t started_ms, updated_ms, drawn_ms;
} bar;

static void note_signal(int number)
{
	noted_signal = number;
}

void progress_catch_signals(void)
{
	static const int caught[] = { SIGINT, SIGTERM };

	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
		struct sigaction action = { .sa_handler = note_signal,
			                    .sa_flags = SA_RESTART | SA_RESETHAND };
		struct sigaction now;

		sigemptyset(&action.sa_mask);
		if (!sigaction(caught[i], NULL, &now) && now.sa_handler != SIG_IGN)
			sigaction(caught[i], &action, NULL);
	}
}

int progress_signal(void)
{
	return noted_signal;
}

static void draw(const char *what, uint64_t done, uint64_t total)
{
	char have[16], all[16], cells[BAR_WIDTH + 1];
	uint64_t filled = total ? (uint64_t)((double)done / (double)total * BAR_WIDTH) : 0;

	str_from_size(done, have, sizeof(have));
	if (!total) {
		fprintf(stderr, "\r\033[K%s %s", what, have);
	} else {
		str_from_size(total, all, sizeof(all));
		if (filled > BAR_WIDTH)
			filled = BAR_WIDTH;
		memset(cells, '#', filled);
		memset(cells + filled, '.', BAR_WIDTH - filled);
		cells[BAR_WIDTH] = '\0';
		fprintf(stderr, "\r\033[K%s [%s] %s of %s", what, cells, have, all);
	}
	fflush(stderr);
	bar.is_shown = true;
}

void progress_clear(void)
{
	if (!bar.is_shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	bar.is_shown = false;
}

int progress_update(const char *what, uint64_t done_bytes, uint64_t total_bytes,
                    struct stor_err *err)
{
	int64_t now;

	if (noted_signal) {
		progress_clear();
		return err_fail(err, STOR_FAILED, 0, "interrupted by %s",
		                noted_signal == SIGINT ? "the user" : "SIGTERM");
	}
	if (!isatty(STDERR_FILENO))
		return 0;
	now = monotonic_ms();
	if (!bar.started_ms || now - bar.updated_ms > NEW_WORK_MS)
		bar.started_ms = now;
	bar.updated_ms = now;
	if (total_bytes && done_bytes >= total_bytes) {
		progress_clear();
		bar.started_ms = 0;
	} else if (now - bar.started_ms >= FIRST_DRAW_MS && now - bar.drawn_ms >= REDRAW_MS) {
		draw(what, done_bytes, total_bytes);
		bar.drawn_ms = now;
	}
	return 0;
}

int progress_quiet(const char *what, uint64_t done_bytes, uint64_t total_bytes,
                   struct stor_err *err)
{
	(void)what;
	(void)done_bytes;
	(void)total_bytes;
	return progress_signal() ? err_fail(err, STOR_FAILED, 0, "interrupted") : 0;
}
