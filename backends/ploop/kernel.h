/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attaching by the kernel's ploop driver: libploop makes a device of it, and takes it down.
 *
 * Such a device outlives everybody, and the driver takes no locks. So it bears a cookie, by which
 * it is found whoever died. The order of things:
 *
 *  1. The chain is open, its top locked exclusively.
 *  2. The token is recorded: the cookie, and the name of the top.
 *  3. libploop makes the device, in a child process that shares the lock and dies with its parent.
 *  4. The lock goes. From then on the device itself is what keeps others away (volume.h).
 *
 * Taking it down begins with the top's lock: when that is had, nobody is at 3. any more, not even
 * a child in the middle of a system call. So a device that is not there then will not come. A
 * device at whatever stage that has the cookie is taken down, which may be done any number of
 * times.
 */
#ifndef PLOOP_KERNEL_H
#define PLOOP_KERNEL_H

#include <stdbool.h>

#include <stor/backend.h>

#include "ploop/volume.h"

/* Why the driver cannot have, or must not be given, the chain that is open for writing (a static
 * string); NULL: it can. */
const char *ploop_kernel_refuses(const struct ploop_volume *pv);

/*
 * Make the chain, open for writing, a device: attachment->fd is its partition's. 0; 1: libploop
 * refused or is not there, *why (`size` bytes) says it, and there is no device; -1 with err filled,
 * and the token, if it was recorded, may name a device.
 */
int ploop_kernel_attach(struct ploop_volume *pv, const struct stor_attach_req *req,
                        struct stor_attachment *attachment, char *why, size_t size,
                        struct stor_err *err);

/* Is this a token of ours? */
bool ploop_kernel_has_token(const char *token);

/* End what the token names; success also when it is gone. STOR_BUSY: its filesystem is in use. */
int ploop_kernel_detach(const struct stor_volume *volume, const char *token, struct stor_err *err);

#endif
