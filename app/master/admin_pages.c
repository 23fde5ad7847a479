/* What the admin listener answers. See admin_pages.h. */
#include "master/admin_pages.h"

#include <string.h>

#include "http/status.h"
#include "metrics/metrics.h"

static const char json_type[] = "application/json";

static void answer_metrics(struct admin_answer *answer)
{
    answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
    if (metrics_write(&answer->body))
        return;
    answer->status = 503;
    buffer_append_text(&answer->body, "the metrics are being changed; ask again\n");
}

/* This process dies with its master: that it answers says that the master lives. */
static void answer_live(struct admin_answer *answer)
{
    buffer_append_text(&answer->body, "{\"live\":true}\n");
}

static void answer_ready(struct admin_answer *answer)
{
    struct metrics_health health = metrics_health();
    const char *missing = health.is_stopping        ? "a master that is not stopping"
                          : !health.is_looked_after ? "a master that responds"
                          : health.responding == 0  ? "a worker that responds"
                          : health.with_redis == 0  ? "Redis"
                                                    : NULL;
    if (missing != NULL)
        answer->status = 503;
    buffer_printf(&answer->body, "{\"ready\":%s,\"missing\":[", missing == NULL ? "true" : "false");
    if (missing != NULL)
        buffer_printf(&answer->body, "\"%s\"", missing);
    buffer_printf(&answer->body, "],\"workers\":%d,\"workers_with_redis\":%d}\n", health.responding, health.with_redis);
}

static void answer_error(struct admin_answer *answer, int status)
{
    answer->status = status;
    buffer_printf(&answer->body, "{\"status\":%d,\"error\":\"%s\"}\n", status, status_reason(status));
}

static const struct page {
    const char *path;
    void (*answer)(struct admin_answer *answer);
} pages[] = {{"/metrics", answer_metrics}, {"/live", answer_live}, {"/ready", answer_ready}};

static const struct page *find_page(const char *target)
{
    size_t length = strcspn(target, "?");
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (strlen(pages[i].path) == length && memcmp(pages[i].path, target, length) == 0)
            return &pages[i];
    return NULL;
}

/* Splits "GET /live HTTP/1.1" in place. False when it is no such line. */
static bool split_request_line(char *head, const char **method, const char **target)
{
    head[strcspn(head, "\r\n")] = '\0';
    char *first = strchr(head, ' ');
    char *second = first != NULL ? strchr(first + 1, ' ') : NULL;
    if (second == NULL || first == head || strncmp(second + 1, "HTTP/1.", 7) != 0 || strchr(second + 1, ' ') != NULL)
        return false;
    *first = *second = '\0';
    *method = head;
    *target = first + 1;
    return true;
}

void admin_answer(char *head, struct admin_answer *answer)
{
    const char *method;
    const char *target;
    answer->status = 200;
    answer->content_type = json_type;
    if (head == NULL || !split_request_line(head, &method, &target)) {
        answer_error(answer, 400);
        return;
    }
    const struct page *page = find_page(target);
    if (page == NULL) {
        answer_error(answer, 404);
    } else if (strcmp(method, "GET") != 0) {
        answer->allow = "GET";
        answer_error(answer, 405);
    } else {
        page->answer(answer);
    }
}
