/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image written as a pax archive. */
#ifndef IMAGE_EXPORT_H
#define IMAGE_EXPORT_H

#include "modules/image/image_module.h"

int export_tree(const struct image_export_req *req, struct stor_err *err);

#endif
