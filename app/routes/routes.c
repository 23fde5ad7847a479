/* The table of routes. The page itself, GET /, is a static file that nginx serves from app/web. */
#include "routes/routes.h"

const struct mid_route routes[] = {
    MID_GET("/null", null_route),
    MID_GET("/counter", counter_route),
    MID_GET("/api/session", session_route),
    MID_PUT("/api/session/{field}", set_field_route),
    MID_DELETE("/api/session/{field}", delete_field_route),
    MID_POST("/api/session/{field}/increment", increment_field_route),
    MID_GET("/watch", watch_route),
    MID_GET("/api/sessions", user_sessions_route),
    MID_DELETE("/api/sessions", end_other_sessions_route),
    MID_DELETE("/api/sessions/{id}", end_user_session_route),
    MID_POST("/login", login_route),
    MID_POST("/logout", logout_route),
    MID_GET("/stream", stream_route),
    MID_GET("/events", events_route),
    MID_GET("/rows", rows_route),
    MID_GET("/fail", fail_route),
    MID_GET("/chat", chat_route),
    MID_GET("/after", after_route),
    MID_POST("/upload", upload_route),
    MID_POST("/report", create_report_route),
    MID_GET("/report/{id}", report_route),
    MID_DELETE("/report/{id}", cancel_report_route),
    {0},
};
