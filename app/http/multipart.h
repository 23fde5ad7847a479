/*
 * multipart/form-data (RFC 7578; its frame is RFC 2046, 5.1), read from its beginning to its end, one part after
 * another, with a window of 16 KiB and no more.
 *
 * A body that does not keep to the form is refused, not repaired: what two programs read differently is how checks get
 * bypassed.
 */
#ifndef HTTP_MULTIPART_H
#define HTTP_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "fiber/fiber.h"
#include "midstream.h"

struct multipart;

/* Where the body comes from: up to `size` bytes, 0 at its end. An error ends the reading, and is returned. */
struct multipart_source {
    MAY_SUSPEND enum mid_error (*read)(void *arg, void *buffer, size_t size, size_t *got_bytes);
    void *arg;
};

/* In the arena. NULL: the content type is not multipart/form-data with one boundary of 1 to 70 characters that it may
 * have; NULL for `content_type` is not. */
struct multipart *multipart_new(const char *content_type, const struct multipart_source *source, struct arena *arena);

/*
 * The next part, in the arena, or NULL behind the last one; what was not read of the one before is dropped. May
 * suspend. MID_BAD_REQUEST: the body is malformed, see multipart_fault(). MID_TOO_LARGE: more than 1000 parts, or the
 * fields of one have more than 8 KiB. Otherwise the source's errors. After an error only the same error follows.
 */
MAY_SUSPEND MID_CHECK enum mid_error multipart_next(struct multipart *multipart, const struct mid_part **part);

/* Bytes of the part, up to `size`; 0 at its end, and where there is none. May suspend. Errors as above. */
MAY_SUSPEND MID_CHECK enum mid_error multipart_read(struct multipart *multipart, void *buffer, size_t size,
                                                    size_t *got_bytes);

/* What is wrong with the body: a sentence, or NULL. */
const char *multipart_fault(const struct multipart *multipart);

#endif
