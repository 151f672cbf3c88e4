/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor image import|ls|inspect|export|rm. */
#ifndef CORE_CMD_IMAGE_H
#define CORE_CMD_IMAGE_H

#include "core/cmd.h"

int cmd_image(struct store *store, int argc, char **argv, struct stor_err *err);

/* Open the store, and remove what killed commands left in it. */
int cmd_image_open_store(struct store *store, struct stor_err *err);

int cmd_image_import(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_image_export(struct store *store, int argc, char **argv, struct stor_err *err);

#endif
