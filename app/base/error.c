/* The error table: one row per error of midstream.h, with its name, its HTTP status and its sentence. */
#include "base/error.h"

static const struct {
    const char *name;
    int status;
    const char *text;
} errors[] = {
#define ERROR_ROW(name, status, text) {#name, status, text},
    MID_ERRORS(ERROR_ROW)
#undef ERROR_ROW
};

bool error_is_valid(enum mid_error error)
{
    return (size_t)error < sizeof(errors) / sizeof(errors[0]);
}

/* A number that is none of them is a request that failed. */
static enum mid_error known(enum mid_error error)
{
    return error_is_valid(error) ? error : MID_FAILED;
}

const char *mid_error_name(enum mid_error error)
{
    return errors[known(error)].name;
}

const char *mid_error_text(enum mid_error error)
{
    return errors[known(error)].text;
}

int mid_error_status(enum mid_error error)
{
    return errors[known(error)].status;
}
