/* The table of routes. The page itself, GET /, is a static file that nginx serves from app/web. */
#include "routes/routes.h"

const struct mid_route routes[] = {
    {"GET", "/null", null_route},
    {"GET", "/counter", counter_route},
    {"GET", "/api/session", session_route},
    {"PUT", "/api/session/{field}", set_field_route},
    {"DELETE", "/api/session/{field}", delete_field_route},
    {"POST", "/api/session/{field}/increment", increment_field_route},
    {"POST", "/login", login_route},
    {"POST", "/logout", logout_route},
    {"GET", "/stream", stream_route},
    {"GET", "/events", events_route},
    {"GET", "/rows", rows_route},
    {"GET", "/fail", fail_route},
    {"GET", "/chat", chat_route},
    {"GET", "/after", after_route},
    {"POST", "/upload", upload_route},
    {"POST", "/report", create_report_route},
    {"GET", "/report/{id}", report_route},
    {"DELETE", "/report/{id}", cancel_report_route},
    {0},
};
