/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel's ploop driver (the one that ploop 1.x knows) tells of itself and its devices, in
 * the files that libploop and vzctl read too.
 */
#ifndef PLOOP_DRIVER_H
#define PLOOP_DRIVER_H

#include <stdbool.h>
#include <sys/types.h>

/* "ploop12345" */
#define PLOOP_DRIVER_NAME_BYTES 32

/* Longer ones the driver cuts off. */
#define PLOOP_DRIVER_COOKIE_BYTES 64

/* Is the driver loaded? */
bool ploop_driver_is_there(void);

/* The name of the device that was made with this cookie, at whatever stage its making is or was
 * interrupted. false: there is none. */
bool ploop_driver_find(const char *cookie, char name[PLOOP_DRIVER_NAME_BYTES]);

/* A file that somebody wants to use, for writing or not. */
struct ploop_driver_file {
	dev_t dev;
	ino_t inode;
	bool writes;
};

/* Has some device one of these files in a way that excludes that use? Its name then. */
bool ploop_driver_has(const struct ploop_driver_file *files, unsigned count,
                      char name[PLOOP_DRIVER_NAME_BYTES]);

#endif
