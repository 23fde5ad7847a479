/* The input is the head of a request to the admin listener: a page is answered to exactly one line, errors are JSON. */
#include "fuzz.h"

#include <jansson.h>

#include "master/admin_pages.h"
#include "metrics/metrics.h"

static void check(const char *line, const struct admin_answer *answer)
{
    CLAIM(answer->status == 200 || answer->status == 400 || answer->status == 404 || answer->status == 405 ||
          answer->status == 503);
    CLAIM((answer->allow != NULL) == (answer->status == 405));
    CLAIM(answer->body.length > 0 && answer->content_type != NULL);
    if (answer->status == 200)
        CLAIM(strncmp(line, "GET /", 5) == 0 && strstr(line, " HTTP/1.") != NULL);
    if (strcmp(answer->content_type, "application/json") == 0) {
        json_t *body = json_loadb(answer->body.data, answer->body.length, 0, NULL);
        CLAIM(json_is_object(body));
        json_decref(body);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mid_route routes[] = {{0}};
    static bool is_set_up;
    if (!is_set_up)
        metrics_create(routes);
    is_set_up = true;

    char *head = fuzz_text(data, size);
    char *line = fuzz_text(data, size);
    struct admin_answer answer = {0};
    line[strcspn(line, "\r\n")] = '\0';
    admin_answer(head, &answer);
    check(line, &answer);
    buffer_fini(&answer.body);
    free(line);
    free(head);
    return 0;
}
