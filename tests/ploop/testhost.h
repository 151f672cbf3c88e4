/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor's services, for backend code that runs in a test. */
#ifndef TEST_HOST_H
#define TEST_HOST_H

/* Sets `host`; logs nothing, or to standard error when STOR_TEST_LOG is set. */
void testhost_load(void);

#endif
