/* The error table: whatever a handler returns can become a response. */
#include <criterion/criterion.h>

#include <ctype.h>
#include <signal.h>
#include <string.h>

#include "midstream.h"

static const enum mid_error errors[] = {
#define ERROR_ROW(name, status, text) name,
    MID_ERRORS(ERROR_ROW)
#undef ERROR_ROW
};

enum { ERROR_COUNT = sizeof(errors) / sizeof(errors[0]) };

Test(error, success_is_zero)
{
    cr_assert(MID_OK == 0);
    cr_assert(mid_error_status(MID_OK) == 200);
}

Test(error, every_error_has_a_name_a_sentence_and_an_error_status)
{
    for (size_t i = 1; i < ERROR_COUNT; i++) {
        cr_expect(strncmp(mid_error_name(errors[i]), "MID_", 4) == 0);
        cr_expect(strlen(mid_error_text(errors[i])) > 5);
        cr_expect(islower((unsigned char)mid_error_text(errors[i])[0]), "the sentence is put behind a colon");
        cr_expect(mid_error_status(errors[i]) >= 400 && mid_error_status(errors[i]) <= 599);
    }
}

Test(error, no_two_errors_share_a_name_or_a_sentence)
{
    for (size_t i = 0; i < ERROR_COUNT; i++)
        for (size_t k = i + 1; k < ERROR_COUNT; k++) {
            cr_expect_str_neq(mid_error_name(errors[i]), mid_error_name(errors[k]));
            cr_expect_str_neq(mid_error_text(errors[i]), mid_error_text(errors[k]));
        }
}

Test(error, the_statuses_that_clients_rely_on)
{
    cr_expect_eq(mid_error_status(MID_NOT_FOUND), 404);
    cr_expect_eq(mid_error_status(MID_METHOD), 405);
    cr_expect_eq(mid_error_status(MID_TOO_LARGE), 413);
    cr_expect_eq(mid_error_status(MID_UNPROCESSABLE), 422);
    cr_expect_eq(mid_error_status(MID_UNAVAILABLE), 503);
}

Test(error, a_number_that_is_no_error_is_a_failure)
{
    static const int numbers[] = {ERROR_COUNT, 9999, -7};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        cr_expect_str_eq(mid_error_name((enum mid_error)numbers[i]), "MID_FAILED");
        cr_expect_str_eq(mid_error_text((enum mid_error)numbers[i]), mid_error_text(MID_FAILED));
        cr_expect_eq(mid_error_status((enum mid_error)numbers[i]), 500);
    }
}
