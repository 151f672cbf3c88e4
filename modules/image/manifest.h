/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the JSON documents of container images say: pure functions of texts that strangers wrote.
 * They refuse what is damaged or not meant for this machine, and name what was expected.
 */
#ifndef IMAGE_MANIFEST_H
#define IMAGE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/record.h"
#include "core/base/str.h"

/* Documents are small; larger ones are refused. */
#define MANIFEST_SIZE_MAX (8u << 20)

/* Refers to another document or to a layer. */
struct descriptor {
	char *media_type; /* "" when it is not given */
	char *digest;     /* valid as digest_is_valid() says */
	uint64_t size_bytes;
};

void descriptor_free(struct descriptor *descriptor);
#define cleanup_descriptor __attribute__((cleanup(descriptor_free)))

/* One image: its configuration and its layers, lowest first. */
struct manifest {
	struct descriptor config;
	struct descriptor *layers;
	size_t layer_count;
};

void manifest_free(struct manifest *manifest);
#define cleanup_manifest __attribute__((cleanup(manifest_free)))

/* Does this document list manifests (an OCI index, a Docker manifest list)? */
bool manifest_is_index(const char *text, size_t size);

/*
 * Choose from an index the one manifest for a platform ("linux/arm/v7"), and, where ref is not
 * NULL, with that tag, name or digest. STOR_NOT_FOUND or STOR_USAGE with the choice there is as
 * hint.
 */
int manifest_choose(const char *text, size_t size, const char *platform, const char *ref,
                    struct descriptor *chosen, struct stor_err *err);

/* Read a manifest. Layers of a kind that is not a tar archive are refused. */
int manifest_parse(const char *text, size_t size, struct manifest *manifest, struct stor_err *err);

/* What an archive of `docker save` says in manifest.json about one image: paths in it. */
struct docker_image {
	char *config;
	struct strv layers; /* lowest first */
};

void docker_image_free(struct docker_image *image);
#define cleanup_docker_image __attribute__((cleanup(docker_image_free)))

/* Is it such a document? For telling archives of images from archives of roots. */
bool docker_is_manifest(const char *text, size_t size);

/* Choose the image with that name, tag or id; ref NULL: the only one. */
int docker_choose(const char *text, size_t size, const char *ref, struct docker_image *image,
                  struct stor_err *err);

/*
 * Read an image's configuration: config.* lines are added to the record, the digests of the
 * unpacked layers to diff_ids. One for another platform is refused.
 */
int manifest_parse_config(const char *text, size_t size, const char *platform,
                          struct record *record, struct strv *diff_ids, struct stor_err *err);

#endif
