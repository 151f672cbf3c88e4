/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tar archives, plain or compressed, unpacked into a tree under construction. */
#ifndef IMAGE_ARCHIVE_H
#define IMAGE_ARCHIVE_H

#include "modules/image/tree.h"

struct archive;
struct archive_entry;
struct stream;

/* A reader of no format yet, in whatever compression but gzip the library itself can undo; no
 * outside program is ever run. Never NULL. */
struct archive *archive_new_reader(void);

/* Decides what happens to one entry; it may change it. 1: make it; 0: leave it out; -1 with err
 * filled. */
typedef int (*archive_filter_fn)(void *ctx, struct entry *entry, struct stor_err *err);

/* Unpack all entries of the archive in an opened stream, and read the stream to its end. filter may
 * be NULL. Progress is told as the part of file_size_bytes (0: not known) that was read. */
int archive_unpack(struct stream *stream, uint64_t file_size_bytes, struct tree *tree,
                   archive_filter_fn filter, void *ctx, struct stor_err *err);

/* How much an archive of an image within its limits can be: headers and padding come on top of
 * what the limit counts, but not without bound. */
uint64_t archive_limit(const struct image_import_req *req);

/* Unpack an archive from a descriptor; `source` names it. filter: as above. */
int archive_unpack_fd(int fd, const char *source, struct tree *tree, archive_filter_fn filter,
                      void *ctx, struct stor_err *err);

/* Report what the library says. Always -1. */
int archive_fail(struct archive *archive, const char *what, struct stor_err *err);

/* --- archive_acl.c ------------------------------------------------------------------------ */

/* Add an entry's POSIX ACLs as the attributes that the kernel keeps them in. Names without a number
 * are looked up in the tree's own /etc/passwd and /etc/group, then in the machine's. */
int archive_read_acls(struct archive_entry *from, const struct tree *tree, struct entry *entry,
                      struct stor_err *err);

/* The other way: true when the attribute is an ACL, which the header then has. */
bool archive_write_acl(struct archive_entry *to, const struct xattr *xattr);

#endif
