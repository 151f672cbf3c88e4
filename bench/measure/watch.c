/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See watch.h. */
#include "bench/measure/watch.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <stor/util.h>

static volatile sig_atomic_t noted;

static void note_signal(int number)
{
	noted = number;
}

void watch_catch_signals(void)
{
	struct sigaction action = { .sa_handler = note_signal, .sa_flags = SA_RESTART };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int watch_signal(void)
{
	return noted;
}

void watch_begin(struct watch *watch, const struct cells *cells, const struct plan *plan)
{
	*watch = (struct watch){ .is_terminal = isatty(STDERR_FILENO), .began_ns = monotonic_ns() };
	for (size_t i = 0; i < cells->count; i++)
		if (!cells->items[i].blank)
			watch->wanted += plan->warmups + plan->most;
}

/* "round 3, fio-read on loop: 12 of at most 40 samples, at most 2 min left". */
void watch_show(const struct watch *watch, const struct cell *cell, uint64_t round, bool is_warmup)
{
	double took = (double)(monotonic_ns() - watch->began_ns) / 1e9;
	double left = watch->taken
	                      ? took / (double)watch->taken * (double)(watch->wanted - watch->taken)
	                      : 0;

	if (!watch->is_terminal)
		return;
	fprintf(stderr,
	        "\r\033[K%s %" PRIu64 ", %.24s on %.24s: %" PRIu64 " of at most %" PRIu64
	        " samples",
	        is_warmup ? "warm-up" : "round", round, cell->workload->name, cell->subject->name,
	        watch->taken, watch->wanted);
	if (left >= 90)
		fprintf(stderr, ", at most %.0f min left", left / 60);
	else if (watch->taken)
		fprintf(stderr, ", at most %.0f s left", left);
}

void watch_took(struct watch *watch)
{
	watch->taken++;
}

void watch_end(const struct watch *watch)
{
	if (watch->is_terminal)
		fputs("\r\033[K", stderr);
}
