/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor's services, for backend code that runs in a test. */
#ifndef TEST_HOST_H
#define TEST_HOST_H

/* Sets `host`; logs nothing, or to standard error when STOR_TEST_LOG is set. */
void testhost_load(void);

/* From now on the user interrupts work when it tells of its progress for the Nth time; 0: never.
 * The number of times that it was told before. */
unsigned testhost_cancel_at(unsigned number);

#endif
