/* HTTP status codes. See status.h. */
#include "http/status.h"

#include <assert.h>

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

enum { REASON_COUNT = sizeof(reasons) / sizeof(reasons[0]) };
static_assert(STATUS_KINDS == REASON_COUNT + 1, "each status of the table, and all others");

size_t status_kind(int status)
{
    size_t kind = 0;
    while (kind < REASON_COUNT && reasons[kind].status != status)
        kind++;
    return kind;
}

int status_of_kind(size_t kind)
{
    return kind < REASON_COUNT ? reasons[kind].status : 0;
}

const char *status_reason(int status)
{
    size_t kind = status_kind(status);
    return kind < REASON_COUNT ? reasons[kind].reason : "Unknown";
}

bool status_has_content(int status)
{
    return status != 204 && status != 205 && status != 304;
}

bool status_is_final(int status)
{
    return status >= 200 && status <= 599;
}
