/* `midstream session`, as an operator uses it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "browsers.h"
#include "random.h"

TestSuite(user_command, .timeout = 90);

/* What `midstream session` prints, with these words; the caller frees it. */
static char *command(const struct stage *stage, int expected_code, const char *const words[])
{
    enum { WORDS_MAX = 10 };
    const char *program = getenv("MIDSTREAM");
    const char *argv[WORDS_MAX] = {program != NULL ? program : "build/asan/midstream", "session"};
    OWNED char *redis = text_printf("MIDSTREAM_REDIS=%s", stage->site.stack->redis_url);
    struct buffer output = {0};
    for (size_t i = 0; words[i] != NULL && i + 2 < WORDS_MAX - 1; i++)
        argv[i + 2] = words[i];
    int code = process_run(argv, (const char *const[]){redis, NULL}, &output, PATIENCE_MS);
    buffer_append(&output, "", 1);
    cr_expect_eq(code, expected_code, "exit code %d: %s", code, output.data);
    return output.data;
}

#define COMMAND(stage, code, ...) command((stage), (code), (const char *const[]){__VA_ARGS__, NULL})

Test(user_command, an_operator_lists_shows_and_ends_them)
{
    struct stage stage = stage_open(NULL);
    struct stage phone = browser_beside(&stage);
    struct stage third = browser_beside(&stage);
    log_in(&stage, "grace", "desk");
    log_in(&phone, "grace", "phone");
    log_in(&third, "grace", "%22%5c%c3%a9"); /* "\é */
    OWNED char *key = site_key(&phone.site);
    OWNED char *id = strndup(strchr(key, '{') + 1, 32);

    OWNED char *list = COMMAND(&stage, 0, "list", "--user", "grace");
    cr_expect_eq(text_count(list, "\n"), 3 + text_count(list, "WARNING"), "%s", list);
    cr_expect(strstr(list, id) != NULL && strstr(list, "\tphone\tBrowser\n") != NULL, "%s", list);
    OWNED char *json = COMMAND(&stage, 0, "list", "--user=grace", "--json");
    cr_expect(strstr(json, "\"address\":\"\\\"\\\\\xc3\xa9\",\"agent\":\"Browser\"},\n") != NULL, "%s", json);
    OWNED char *none = COMMAND(&stage, 0, "list", "--user", "nobody", "--json");
    cr_expect(strstr(none, "[]\n") != NULL, "%s", none);
    OWNED char *shown = COMMAND(&stage, 0, "show", id);
    cr_expect(strstr(shown, "user: grace\n") != NULL && strstr(shown, "address: phone\n") != NULL, "%s", shown);

    OWNED char *not_his = COMMAND(&stage, 1, "end", id, "--user", "ada");
    cr_expect(strstr(not_his, "ended: 0\n") != NULL, "%s", not_his);
    OWNED char *ended = COMMAND(&stage, 0, "end", id, "--json");
    cr_expect(strstr(ended, "{\"ended\":1}\n") != NULL, "%s", ended);
    EXPECT_PLAY(&phone, "user", "nothing");
    OWNED char *gone = COMMAND(&stage, 1, "show", id);
    cr_expect(strstr(gone, "there is no such session") != NULL, "%s", gone);
    OWNED char *all = COMMAND(&stage, 0, "end", "--all-of", "grace");
    cr_expect(strstr(all, "ended: 2\n") != NULL, "%s", all);
    EXPECT_PLAY(&stage, "user", "nothing");

    free(COMMAND(&stage, 1, "end", "not-an-id"));
    free(COMMAND(&stage, 2, "end"));
    free(COMMAND(&stage, 2, "list"));
    free(COMMAND(&stage, 2, "end", id, "--all-of", "grace"));
    free(COMMAND(&stage, 2, "lists", "--user", "grace"));
    browser_leave(&phone);
    browser_leave(&third);
    stage_close(&stage);
}
