/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where an experiment takes place: folders of its own, and the images in them. */
#ifndef BENCH_STAGE_H
#define BENCH_STAGE_H

#include "bench/measure/bench.h"

/* Makes the folders, and sets STOR_STORE and STOR_STATE to them. bench is to be taken down also
 * when this fails. 0, or -1 with err filled. */
int stage_make(struct bench *bench, struct stor_err *err);

/* An image for stor, and its tree for who has no images. */
int stage_add_image(const struct bench *bench, const char *image, struct stor_err *err);

/* The room of peers, if it is not there yet; see room.h. */
int stage_add_room(struct bench *bench, struct stor_err *err);

/* All of it goes. What cannot be removed is told on standard error. */
void stage_take_down(struct bench *bench);

/* What of the files is in the page cache is written and dropped: of these files alone. */
int stage_cool(const struct bench *bench, struct stor_err *err);

#endif
