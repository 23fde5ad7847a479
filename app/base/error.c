/* The error table: one row per error of midstream.h, with its name, its HTTP status and its sentence. */
#include "midstream.h"

#include "base/panic.h"

static const struct {
    const char *name;
    int status;
    const char *text;
} errors[] = {
#define ERROR_ROW(name, status, text) {#name, status, text},
    MID_ERRORS(ERROR_ROW)
#undef ERROR_ROW
};

const char *mid_error_name(enum mid_error error)
{
    ENSURE((size_t)error < sizeof(errors) / sizeof(errors[0]));
    return errors[error].name;
}

const char *mid_error_text(enum mid_error error)
{
    ENSURE((size_t)error < sizeof(errors) / sizeof(errors[0]));
    return errors[error].text;
}

int mid_error_status(enum mid_error error)
{
    ENSURE((size_t)error < sizeof(errors) / sizeof(errors[0]));
    return errors[error].status;
}
