/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image file whose Nth operation of a kind fails, once or for ever. */
#ifndef TEST_FAULT_ENGINE_H
#define TEST_FAULT_ENGINE_H

#include <stdbool.h>

#include "ploop/file.h"

enum fault_kind { FAULT_READ, FAULT_WRITE, FAULT_SYNC, FAULT_ZERO, FAULT_TRUNCATE, FAULT_KINDS };

struct fault {
	enum fault_kind kind;
	unsigned at; /* which one fails, from 1; 0: none */
	bool stays;  /* and all that follow */
	int error;   /* negative errno value */
	unsigned seen[FAULT_KINDS], failed;
};

/* The file, which is taken over, with faults. A failing write has written the first half. */
struct ploop_file *fault_wrap(struct ploop_file *inner, struct fault *fault);

#endif
