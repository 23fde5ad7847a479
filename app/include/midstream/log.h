/*
 * The log.
 */
#ifndef MIDSTREAM_LOG_H
#define MIDSTREAM_LOG_H

#include "midstream/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mid_request;

enum mid_level { MID_DEBUG, MID_INFO, MID_WARN, MID_ERROR };

/*
 * Writes one line, with the request's id. `event` is a name such as "order.paid". The format is either `key=%d
 * other="%s"`, which gives fields, or free text, which becomes the field "message". Values are escaped. Never suspends,
 * never blocks. At most 20 warnings or errors of one event are written in 10 s, and then how many were suppressed;
 * lower levels are not limited. Do not log cookies or session values.
 */
MID_PUBLIC void mid_log(struct mid_request *rq, enum mid_level level, const char *event, const char *format, ...)
    MID_FORMAT(4, 5);

#ifdef __cplusplus
}
#endif

#endif
