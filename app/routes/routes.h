/*
 * The demonstration application, written on midstream.h alone. Each file is one subject.
 */
#ifndef ROUTES_ROUTES_H
#define ROUTES_ROUTES_H

#include "midstream.h"

extern const struct mid_route routes[];

/* benchmark.c */
enum mid_error null_route(struct mid_request *rq);
enum mid_error counter_route(struct mid_request *rq);

/* fields.c */
enum mid_error session_route(struct mid_request *rq);
enum mid_error set_field_route(struct mid_request *rq);
enum mid_error delete_field_route(struct mid_request *rq);
enum mid_error increment_field_route(struct mid_request *rq);

/* login.c */
enum mid_error login_route(struct mid_request *rq);
enum mid_error logout_route(struct mid_request *rq);

/* watch.c */
enum mid_error watch_route(struct mid_request *rq);

/* user.c */
enum mid_error user_sessions_route(struct mid_request *rq);
enum mid_error end_user_session_route(struct mid_request *rq);
enum mid_error end_other_sessions_route(struct mid_request *rq);

/* streams.c */
enum mid_error stream_route(struct mid_request *rq);
enum mid_error events_route(struct mid_request *rq);
enum mid_error rows_route(struct mid_request *rq);
enum mid_error fail_route(struct mid_request *rq);

/* chat.c */
enum mid_error chat_route(struct mid_request *rq);

/* after.c */
enum mid_error after_route(struct mid_request *rq);

/* upload.c */
enum mid_error upload_route(struct mid_request *rq);

/* report.c */
extern const struct mid_task_type tasks[];
enum mid_error create_report_route(struct mid_request *rq);
enum mid_error report_route(struct mid_request *rq);
enum mid_error cancel_report_route(struct mid_request *rq);

#endif
