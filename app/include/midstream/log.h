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
 * One line, with the request's id: `event` is a name such as "order.paid"; the format has the form
 * `key=%d other="%s"` and gives fields, or is free text and gives a "message". Values are escaped. Never suspends nor
 * blocks. Of one event, 20 warnings or errors leave in 10 s, and then their number; lower levels are not limited. Never
 * log a cookie or a session's values.
 */
MID_PUBLIC void mid_log(struct mid_request *rq, enum mid_level level, const char *event, const char *format, ...)
    MID_FORMAT(4, 5);

#ifdef __cplusplus
}
#endif

#endif
