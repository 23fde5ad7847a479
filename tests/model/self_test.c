/*
 * The check itself, on small histories: what is wrong is found, and what may be is not.
 *
 * Without it nobody would know whether the long test is quiet because all is well.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "sort.h"
#include "support/owned.h"

TestSuite(model_check, .timeout = 30);

/* A visitor's session R, of generation 1; "made" is set. */
#define MADE                                                                                                           \
    "0 + 1 request - 0\n"                                                                                              \
    "0 > 1.h.1 7 1.h.1 commit app:log set:made\n"                                                                      \
    "0 < 1.h.1 MID_OK\n"                                                                                               \
    "0 = 1 ok R 1\n"

#define SENT(run)  "1 + " run " request R 1\n"
#define HEARD(run) "5 = " run " ok - 0\n"

/* What is stored: the log behind "1.h.1;", and other fields. */
#define STORED(log, fields) "9 S R\n9 T R made=1.h.1 log=1.h.1;" log " " fields "\n"

static struct findings findings_of(const char *journal)
{
    struct history *history = history_new();
    struct findings findings = {0};
    OWNED char *text = strdup(journal);
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        history_add(history, line);
    sort_calls(history);
    const struct row *records = history_records(history);
    for (size_t i = 0; i < records->count; i++)
        check_record(history, records->items[i], &findings);
    history_free(history);
    return findings;
}

static void expect_found(const char *rule, const char *journal)
{
    struct findings findings = findings_of(journal);
    OWNED char *text = findings_text(&findings);
    cr_expect_gt(findings_count(&findings, rule), 0, "%s is not found, but:\n%s", rule, text);
    findings_fini(&findings);
}

static void expect_nothing(const char *journal)
{
    struct findings findings = findings_of(journal);
    OWNED char *text = findings_text(&findings);
    cr_expect_eq(findings.count, 0, "%s", text);
    findings_fini(&findings);
}

/* -------------------- what may be -------------------- */

Test(model_check, what_is_stored_as_it_was_answered_is_fine)
{
    expect_nothing(MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit app:log set:m.x set:m.y inc:m.sum:5\n"
                                  "2 < 2.h.1 MID_OK\n"
                                  "2 > 2.h.2 7 2.h.2 ask app:log cas:m.cas:nothing\n"
                                  "2 < 2.h.2 MID_OK 0\n"
                                  "2 > 2.h.3 7 2.h.3 ask inc:u.sum:3 sia:u.box\n"
                                  "2 < 2.h.3 MID_OK 1\n"
                                  "2 > 2.h.4 7 2.h.4 implicit app:log bytes:m.l1\n" HEARD("2") STORED(
                                      "2.h.1;2.h.2;2.h.4;", "m.x=2.h.1 m.y=2.h.1 m.sum=5 m.l1=2.h.4%00%01%FF u.sum=3 "
                                                            "u.box=2.h.3"));
}

Test(model_check, what_is_in_doubt_may_be_applied_or_not)
{
    expect_nothing(MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit app:log set:m.x set:m.y inc:u.sum:5\n"
                                  "2 < 2.h.1 MID_UNAVAILABLE\n"
                                  "2 > 2.h.2 7 2.h.2 commit set:u.p1\n" STORED("", "u.p1=2.h.2")
                                      STORED("2.h.1;", "m.x=2.h.1 m.y=2.h.1 u.sum=5"));
}

Test(model_check, what_is_in_doubt_may_be_overwritten_by_others_before_it_is_applied)
{
    expect_nothing(MADE SENT("2") SENT("3") "2 > 2.h.1 7 2.h.1 commit app:log set:m.shared\n"
                                            "2 < 2.h.1 MID_UNAVAILABLE\n"
                                            "2 > 3.h.1 7 3.h.1 commit app:log set:m.shared\n"
                                            "2 < 3.h.1 MID_OK\n" STORED("3.h.1;2.h.1;", "m.shared=2.h.1"));
}

Test(model_check, commits_that_overlap_may_be_applied_in_any_order)
{
    expect_nothing(MADE SENT("2") SENT("3") "2 > 2.h.1 7 2.h.1 commit app:log set:u.p1\n"
                                            "2 > 3.h.1 7 3.h.1 commit app:log set:u.p1\n"
                                            "2 < 2.h.1 MID_OK\n"
                                            "2 < 3.h.1 MID_OK\n" STORED("3.h.1;2.h.1;", "u.p1=2.h.1"));
}

Test(model_check, a_step_that_an_earlier_attempt_has_applied_is_fine)
{
    expect_nothing(MADE "1 + 5 task R 1\n"
                        "2 > 5.t7-1.1 7 5.s.1 step app:log inc:m.sum:2\n"
                        "3 > 5.t8-1.1 8 5.s.1 step app:log inc:m.sum:2\n"
                        "3 < 5.t8-1.1 MID_OK 0\n" STORED("5.s.1;", "m.sum=2"));
}

Test(model_check, a_step_that_the_attempt_with_the_lease_has_applied_is_fine)
{
    expect_nothing(MADE "1 + 5 task R 1\n"
                        "2 > 5.t7-1.1 7 5.s.1 step app:log\n"
                        "2 < 5.t7-1.1 MID_OK 1\n"
                        "3 > 5.t8-1.1 8 5.s.1 step app:log\n"
                        "3 < 5.t8-1.1 MID_OK 0\n"
                        "3 > 5.t8-1.2 8 5.s.2 step app:log\n"
                        "3 < 5.t8-1.2 MID_OK 1\n"
                        "4 > 5.t7-1.2 7 5.s.2 step app:log\n"
                        "4 < 5.t7-1.2 MID_OK 0\n" STORED("5.s.1;5.s.2;", ""));
}

Test(model_check, a_visitor_who_lost_his_session_and_was_given_another_is_fine)
{
    expect_nothing(MADE SENT("2") "2 > 2.h.1 7 2.h.1 destroy\n"
                                  "2 < 2.h.1 MID_OK\n" HEARD("2") SENT("3") "2 > 3.h.1 7 3.h.1 commit app:log\n"
                                                                            "2 < 3.h.1 MID_OK\n"
                                                                            "5 = 3 ok R2 1\n"
                                                                            "9 S R\n9 T R gone\n"
                                                                            "9 S R2\n9 T R2 log=3.h.1;\n");
}

/* -------------------- what is stored -------------------- */

Test(model_check, an_ok_that_is_not_stored_is_found)
{
    expect_found("ok-not-stored", MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit app:log set:m.x set:m.y\n"
                                                 "2 < 2.h.1 MID_OK\n" STORED("", ""));
    expect_found("ok-not-stored", MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit set:u.p1\n"
                                                 "2 < 2.h.1 MID_OK\n" STORED("", ""));
    expect_found("ok-not-stored", MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit set:u.p1\n"
                                                 "2 < 2.h.1 MID_OK\n"
                                                 "2 > 2.h.2 7 2.h.2 commit set:u.p1\n"
                                                 "2 < 2.h.2 MID_OK\n" STORED("", "u.p1=2.h.1"));
}

Test(model_check, a_response_of_success_whose_changes_are_not_stored_is_found)
{
    expect_found("ok-not-stored", MADE SENT("2") "2 > 2.h.1 7 2.h.1 implicit app:log\n" HEARD("2") STORED("", ""));
}

Test(model_check, a_change_that_stayed_recorded_and_was_lost_by_a_later_ok_is_found)
{
    expect_found("recorded-not-stored", MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit app:log\n"
                                                       "2 < 2.h.1 MID_UNAVAILABLE\n"
                                                       "2 > 2.h.2 7 2.h.2 commit app:log\n"
                                                       "2 < 2.h.2 MID_OK\n" STORED("2.h.2;", ""));
}

Test(model_check, a_commit_that_is_applied_twice_is_found)
{
    expect_found("applied-twice", MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit app:log\n"
                                                 "2 < 2.h.1 MID_OK\n" STORED("2.h.1;2.h.1;", ""));
}

Test(model_check, a_sum_that_no_choice_of_doubts_explains_is_found)
{
    static const char in_doubt[] = MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit inc:u.big:1000\n"
                                                  "2 < 2.h.1 MID_UNAVAILABLE\n"
                                                  "2 > 2.h.2 7 2.h.2 commit inc:u.big:70\n";
    char journal[1000];
    strcat(strcpy(journal, in_doubt), STORED("", "u.big=1070"));
    expect_nothing(journal);
    strcat(strcpy(journal, in_doubt), STORED("", "u.big=1000"));
    expect_nothing(journal);
    strcat(strcpy(journal, in_doubt), STORED("", "u.big=140"));
    expect_found("sum", journal);
    strcat(strcpy(journal, in_doubt), STORED("", "u.big=2000"));
    expect_found("sum", journal);
}

Test(model_check, what_was_to_be_refused_or_dropped_and_is_stored_is_found)
{
    expect_found("refused-but-stored", MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit app:log bad\n"
                                                      "2 < 2.h.1 MID_UNPROCESSABLE\n" STORED("2.h.1;", ""));
    expect_found("refused-but-stored", MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit set:u.p1\n"
                                                      "2 < 2.h.1 MID_ENDED\n" STORED("", "u.p1=2.h.1"));
    expect_found("refused-operation-forgotten", MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit app:log bad\n"
                                                               "2 < 2.h.1 MID_OK\n" STORED("2.h.1;", ""));
    expect_found("dropped-but-stored", MADE SENT("2") "2 > 2.h.1 7 2.h.1 drop app:log\n"
                                                      "5 = 2 failed - 0\n" STORED("2.h.1;", ""));
}

Test(model_check, half_a_commit_is_found)
{
    expect_found("not-what-was-committed", MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit app:log set:m.x set:m.y\n"
                                                          "2 < 2.h.1 MID_OK\n" STORED("2.h.1;", "m.x=2.h.1"));
    expect_found("torn-commit", MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit set:u.v set:u.w\n" STORED("", "u.v=2.h.1"));
}

/* -------------------- orders -------------------- */

Test(model_check, a_commit_that_is_applied_before_one_that_was_over_is_found)
{
    expect_found("order-of-time", MADE SENT("2") SENT("3") "2 > 2.h.1 7 2.h.1 commit app:log\n"
                                                           "2 < 2.h.1 MID_OK\n"
                                                           "2 > 3.h.1 7 3.h.1 commit app:log\n"
                                                           "2 < 3.h.1 MID_OK\n" STORED("3.h.1;2.h.1;", ""));
}

Test(model_check, commits_of_a_handle_out_of_order_are_found)
{
    expect_found("order-of-handle", MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit app:log\n"
                                                   "2 < 2.h.1 MID_UNAVAILABLE\n"
                                                   "2 > 2.h.2 7 2.h.2 commit app:log\n"
                                                   "2 < 2.h.2 MID_UNAVAILABLE\n" STORED("2.h.2;2.h.1;", ""));
}

Test(model_check, a_question_that_was_given_up_may_be_carried_out_late)
{
    expect_nothing(MADE SENT("2") "2 > 2.h.1 7 2.h.1 ask app:log sia:m.box\n"
                                  "2 < 2.h.1 MID_FAILED\n"
                                  "2 > 2.h.2 7 2.h.2 commit app:log\n"
                                  "2 < 2.h.2 MID_OK\n" STORED("2.h.2;2.h.1;", "m.box=2.h.1"));
}

Test(model_check, what_was_settled_and_is_applied_later_is_found)
{
    expect_found("settled-then-applied",
                 MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit app:log\n"
                                "2 < 2.h.1 MID_FAILED\n"
                                "2 > 2.h.2 7 2.h.2 commit app:log\n"
                                "2 < 2.h.2 MID_OK\n" STORED("2.h.2;", "") STORED("2.h.2;2.h.1;", ""));
}

/* -------------------- answers -------------------- */

Test(model_check, a_false_answer_is_found_by_the_log)
{
    expect_found("false-answer", MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit app:log set:m.box\n"
                                                "2 < 2.h.1 MID_OK\n"
                                                "2 > 2.h.2 7 2.h.2 ask app:log take:m.box\n"
                                                "2 < 2.h.2 MID_OK -\n" STORED("2.h.1;2.h.2;", ""));
    expect_found("false-answer", MADE SENT("2") "2 > 2.h.1 7 2.h.1 ask app:log sia:m.lock\n"
                                                "2 < 2.h.1 MID_OK 0\n" STORED("2.h.1;", "m.lock=2.h.1"));
}

Test(model_check, a_false_answer_is_found_without_the_log)
{
    expect_found("false-answer-or-lost", MADE SENT("2") "2 > 2.h.1 7 2.h.1 ask sia:u.box\n"
                                                        "2 < 2.h.1 MID_OK 1\n"
                                                        "2 > 2.h.2 7 2.h.2 ask take:u.box\n"
                                                        "2 < 2.h.2 MID_OK -\n" STORED("", ""));
    expect_found("false-answer", MADE SENT("2") "2 > 2.h.1 7 2.h.1 ask sia:u.lock\n"
                                                "2 < 2.h.1 MID_OK 0\n" STORED("", "u.lock=2.h.1"));
    expect_found("false-answer", MADE SENT("2") "2 > 2.h.1 7 2.h.1 ask sia:u.cas\n"
                                                "2 < 2.h.1 MID_OK 1\n"
                                                "2 > 2.h.2 7 2.h.2 ask cas:u.cas:2.h.1\n"
                                                "2 < 2.h.2 MID_OK 0\n" STORED("", "u.cas=2.h.2"));
}

Test(model_check, what_two_have_taken_or_replaced_is_found)
{
    expect_found("taken-twice", MADE SENT("2") "2 > 2.h.1 7 2.h.1 ask sia:u.box\n"
                                               "2 < 2.h.1 MID_OK 1\n"
                                               "2 > 2.h.2 7 2.h.2 ask take:u.box\n"
                                               "2 > 2.h.3 7 2.h.3 ask take:u.box\n"
                                               "2 < 2.h.2 MID_OK 2.h.1\n"
                                               "2 < 2.h.3 MID_OK 2.h.1\n" STORED("", ""));
    expect_found("replaced-twice", MADE SENT("2") "2 > 2.h.1 7 2.h.1 ask sia:u.cas\n"
                                                  "2 < 2.h.1 MID_OK 1\n"
                                                  "2 > 2.h.2 7 2.h.2 ask cas:u.cas:2.h.1\n"
                                                  "2 > 2.h.3 7 2.h.3 ask cas:u.cas:2.h.1\n"
                                                  "2 < 2.h.2 MID_OK 1\n"
                                                  "2 < 2.h.3 MID_OK 1\n" STORED("", "u.cas=2.h.3"));
}

Test(model_check, a_handle_that_does_not_see_what_it_has_set_is_found)
{
    expect_found("own-write-not-seen", MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit set:u.p1\n"
                                                      "2 < 2.h.1 MID_OK\n"
                                                      "2 > 2.h.2 7 2.h.2 peek get:u.p1\n"
                                                      "2 < 2.h.2 MID_OK -\n" STORED("", "u.p1=2.h.1"));
}

/* -------------------- endings -------------------- */

Test(model_check, an_ok_after_a_logout_is_found)
{
    static const char logout[] = MADE "1 + 3 stream R 1\n"
                                      "2 > 3.h.1 7 3.h.1 commit app:log\n"
                                      "2 < 3.h.1 MID_OK\n" SENT("2") "3 > 2.h.1 7 2.h.1 destroy\n"
                                                                     "3 < 2.h.1 MID_OK\n";
    char journal[1000];
    strcat(strcpy(journal, logout), "4 > 3.h.2 7 3.h.2 commit app:log\n4 < 3.h.2 MID_ENDED\n9 S R\n9 T R gone\n");
    expect_nothing(journal);
    strcat(strcpy(journal, logout), "4 > 3.h.2 7 3.h.2 commit app:log\n4 < 3.h.2 MID_OK\n9 S R\n9 T R gone\n");
    expect_found("ok-after-logout", journal);
    strcat(strcpy(journal, logout), "9 S R\n9 T R gone\n9 S R\n9 T R u.p1=3.h.1\n");
    expect_found("revived", journal);
    expect_found("vanished", MADE "9 S R\n9 T R gone\n");
}

Test(model_check, an_older_handle_after_a_login_is_found)
{
    static const char login[] = MADE "1 + 3 stream R 1\n"
                                     "2 > 3.h.1 7 3.h.1 commit set:u.p1\n"
                                     "2 < 3.h.1 MID_OK\n" SENT("2") "3 > 2.h.1 7 2.h.1 renew app:log renew:ada\n"
                                                                    "3 < 2.h.1 MID_OK\n"
                                                                    "5 = 2 ok R 2\n";
    char journal[1000];
    strcat(strcpy(journal, login), "6 > 3.h.2 7 3.h.2 commit app:log\n6 < 3.h.2 MID_ENDED\n");
    expect_nothing(strcat(journal, STORED("2.h.1;", "@user=ada u.p1=3.h.1")));
    strcat(strcpy(journal, login), "6 > 3.h.2 7 3.h.2 commit app:log\n6 < 3.h.2 MID_OK\n");
    expect_found("ok-after-login", strcat(journal, STORED("2.h.1;3.h.2;", "@user=ada u.p1=3.h.1")));
    strcat(strcpy(journal, login), "6 > 3.h.2 7 3.h.2 read\n6 < 3.h.2 MID_OK u.p1=3.h.1 made=1.h.1 log=1.h.1;2.h.1;\n");
    expect_found("ok-after-login", journal);
    strcat(strcpy(journal, login), STORED("2.h.1;", "u.p1=3.h.1"));
    expect_found("not-what-was-committed", journal);
}

Test(model_check, a_renewal_of_the_same_user_ends_older_cookies_only)
{
    static const char renewal[] = MADE "1 + 3 stream R 1\n"
                                       "2 > 3.h.1 7 3.h.1 commit app:log\n"
                                       "2 < 3.h.1 MID_OK\n" SENT("2") "3 > 2.h.1 7 2.h.1 renew app:log again:\n"
                                                                      "3 < 2.h.1 MID_OK\n"
                                                                      "5 = 2 ok R 2\n";
    char journal[1000];
    strcat(strcpy(journal, renewal), "6 > 3.h.2 7 3.h.2 commit app:log\n6 < 3.h.2 MID_OK\n");
    expect_nothing(strcat(journal, STORED("3.h.1;2.h.1;3.h.2;", "")));
    strcat(strcpy(journal, renewal), "6 > 3.h.2 7 3.h.2 commit app:log\n6 < 3.h.2 MID_ENDED\n");
    expect_found("ended-without-reason", strcat(journal, STORED("3.h.1;2.h.1;", "")));
    strcat(strcpy(journal, renewal), SENT("4") "6 > 4.h.1 7 4.h.1 commit app:log\n6 < 4.h.1 MID_OK\n" HEARD("4"));
    expect_found("ok-after-login", strcat(journal, STORED("3.h.1;2.h.1;4.h.1;", "")));
}

Test(model_check, a_login_that_is_repeated_and_refused_is_found)
{
    static const char login[] = MADE SENT("2") "3 > 2.h.1 7 2.h.1 renew app:log renew:ada\n"
                                               "3 < 2.h.1 MID_UNAVAILABLE\n"
                                               "5 = 2 unknown - 0\n" SENT("3") "6 > 3.h.1 7 3.h.1 renew renew:ada\n";
    char journal[1000];
    strcat(strcpy(journal, login), "6 < 3.h.1 MID_OK\n7 = 3 ok R 2\n");
    expect_nothing(strcat(journal, STORED("2.h.1;", "@user=ada")));
    strcat(strcpy(journal, login), "6 < 3.h.1 MID_ENDED\n7 = 3 ended - 0\n");
    expect_found("ended-without-reason", strcat(journal, STORED("2.h.1;", "@user=ada")));
}

Test(model_check, an_end_without_a_reason_is_found)
{
    expect_found("ended-without-reason", MADE SENT("2") "2 > 2.h.1 7 2.h.1 commit app:log\n"
                                                        "2 < 2.h.1 MID_ENDED\n" STORED("", ""));
}

Test(model_check, a_task_that_writes_without_its_lease_is_found)
{
    expect_found("ok-after-lost-lease", MADE "1 + 5 task R 1\n"
                                             "2 > 5.t7-1.1 7 5.t7-1.1 commit app:log\n"
                                             "2 < 5.t7-1.1 MID_OK\n"
                                             "2 > 5.t8-1.1 8 5.t8-1.1 commit app:log\n"
                                             "2 < 5.t8-1.1 MID_OK\n"
                                             "2 > 5.t7-1.2 7 5.t7-1.2 commit app:log\n"
                                             "2 < 5.t7-1.2 MID_OK\n" STORED("5.t7-1.1;5.t8-1.1;5.t7-1.2;", ""));
}

Test(model_check, a_step_that_is_applied_twice_is_found)
{
    static const char attempts[] = MADE "1 + 5 task R 1\n"
                                        "2 > 5.t7-1.1 7 5.s.1 step app:log inc:m.sum:2\n"
                                        "2 < 5.t7-1.1 MID_OK 1\n"
                                        "3 > 5.t8-1.1 8 5.s.1 step app:log inc:m.sum:2\n"
                                        "3 < 5.t8-1.1 MID_OK 1\n";
    char journal[1000];
    expect_found("step-twice", strcat(strcpy(journal, attempts), STORED("5.s.1;", "m.sum=2")));
    expect_found("applied-twice", strcat(strcpy(journal, attempts), STORED("5.s.1;5.s.1;", "m.sum=4")));
    expect_found("false-answer", MADE "1 + 5 task R 1\n"
                                      "2 > 5.t7-1.1 7 5.s.1 step app:log\n"
                                      "2 < 5.t7-1.1 MID_OK 0\n" STORED("5.s.1;", ""));
}

Test(model_check, a_commit_in_the_session_of_another_is_found)
{
    expect_found("commit-of-another", MADE "1 + 8 request - 0\n"
                                           "1 > 8.h.1 7 8.h.1 commit app:log\n"
                                           "1 < 8.h.1 MID_OK\n"
                                           "2 = 8 ok R2 1\n" STORED("8.h.1;", ""));
}
