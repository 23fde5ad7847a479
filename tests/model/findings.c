/* What was found. See findings.h. */
#include "findings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/panic.h"

enum { KEPT_OF_A_KIND = 3, LINE_BYTES = 400, LINES_AROUND = 12 };

struct kind {
    const char *rule;
    size_t count;
    struct buffer text;
};

static struct kind *kind_of(struct findings *findings, const char *rule)
{
    for (size_t i = 0; i < findings->kinds.count; i++)
        if (strcmp(((struct kind *)findings->kinds.items[i])->rule, rule) == 0)
            return findings->kinds.items[i];
    struct kind *kind = calloc(1, sizeof(*kind));
    ENSURE(kind != NULL);
    kind->rule = rule;
    row_add(&findings->kinds, kind);
    return kind;
}

/* -------------------- lines -------------------- */

static void add_line(struct buffer *text, const struct history *history, size_t number)
{
    const char *line = history_line(history, number);
    int length = (int)strlen(line);
    buffer_printf(text, "        %7zu  %.*s%s\n", number, length > LINE_BYTES ? LINE_BYTES : length, line,
                  length > LINE_BYTES ? "..." : "");
}

static bool is_line_of_handle(const char *line, const struct handle *handle)
{
    char start[64];
    const char *at = strchr(line, ' ') + 1;
    if (*at != '>' && *at != '<' && *at != '.' && *at != '+' && *at != '=')
        return false;
    snprintf(start, sizeof(start), "%lu", handle->run->number);
    size_t length = strlen(start);
    return strncmp(at + 2, start, length) == 0 && strchr(". ", at[2 + length]) != NULL;
}

static bool is_fault_of(const char *line, pid_t worker)
{
    const char *at = strchr(line, ' ') + 1;
    if (*at != '!')
        return false;
    const char *pid = strrchr(line, ' ');
    return strtol(pid, NULL, 10) == worker || strtol(pid, NULL, 10) == 0;
}

/* The last lines of the call's run up to its end, and the faults of its worker among them. */
static void add_call(struct buffer *text, const struct history *history, const char *what, const struct call *call)
{
    size_t last = call->end != NEVER ? call->end : call->begin;
    size_t shown[LINES_AROUND];
    size_t count = 0;
    buffer_printf(text, "    %s: the call %s of a %s%s, in process %d\n", what, call->name, call->handle->run->kind,
                  call->handle->attempt != NULL              ? ", an attempt"
                  : call->phase == 'a' || call->phase == 'b' ? ", after the response"
                                                             : "",
                  (int)call->worker);
    for (size_t number = last + 1; number-- > call->handle->run->begin && count < LINES_AROUND;) {
        const char *line = history_line(history, number);
        if (is_line_of_handle(line, call->handle) || is_fault_of(line, call->worker))
            shown[count++] = number;
    }
    while (count > 0)
        add_line(text, history, shown[--count]);
}

static void add_sight(struct buffer *text, const struct about *about)
{
    const struct sight *sight = about->sight;
    const char *value = about->field != NULL ? sight_field(sight, about->field) : NULL;
    size_t length = value != NULL ? strlen(value) : 0;
    buffer_printf(text, "    seen: between the lines %zu and %zu, by %s%s\n", sight->begin, sight->end,
                  sight->call != NULL ? "the call " : "a look into Redis",
                  sight->call != NULL ? sight->call->name : "");
    if (sight->is_gone)
        buffer_printf(text, "        there is no record\n");
    else if (about->field != NULL && value == NULL)
        buffer_printf(text, "        %s is absent\n", about->field);
    else if (about->field != NULL)
        buffer_printf(text, "        %s=%s%s\n", about->field, length > LINE_BYTES ? "..." : "",
                      length > LINE_BYTES ? value + length - LINE_BYTES : value);
}

/* -------------------- adding and telling -------------------- */

void findings_add(struct findings *findings, const struct history *history, const struct about *about,
                  const char *format, va_list arguments)
{
    struct kind *kind = kind_of(findings, about->rule);
    findings->count++;
    if (++kind->count > KEPT_OF_A_KIND)
        return;
    buffer_printf(&kind->text, "%s: ", about->rule);
    buffer_vprintf(&kind->text, format, arguments);
    buffer_printf(&kind->text, "\n    session %s", about->record != NULL ? about->record->rid : "?");
    if (about->field != NULL)
        buffer_printf(&kind->text, ", field %s", about->field);
    buffer_printf(&kind->text, "\n");
    if (about->call != NULL)
        add_call(&kind->text, history, "this", about->call);
    if (about->other != NULL)
        add_call(&kind->text, history, "and", about->other);
    if (about->sight != NULL)
        add_sight(&kind->text, about);
}

char *findings_text(const struct findings *findings)
{
    struct buffer text = {0};
    for (size_t i = 0; i < findings->kinds.count; i++) {
        const struct kind *kind = findings->kinds.items[i];
        buffer_append(&text, kind->text.data, kind->text.length);
        if (kind->count > KEPT_OF_A_KIND)
            buffer_printf(&text, "%s: %zu more\n", kind->rule, kind->count - KEPT_OF_A_KIND);
    }
    for (size_t i = 0; i < findings->kinds.count; i++) {
        const struct kind *kind = findings->kinds.items[i];
        buffer_printf(&text, "found %6zu  %s\n", kind->count, kind->rule);
    }
    buffer_append(&text, "", 1);
    return text.data;
}

size_t findings_count(const struct findings *findings, const char *rule)
{
    for (size_t i = 0; i < findings->kinds.count; i++) {
        const struct kind *kind = findings->kinds.items[i];
        if (strcmp(kind->rule, rule) == 0)
            return kind->count;
    }
    return 0;
}

void findings_fini(struct findings *findings)
{
    for (size_t i = 0; i < findings->kinds.count; i++) {
        struct kind *kind = findings->kinds.items[i];
        buffer_fini(&kind->text);
        free(kind);
    }
    free(findings->kinds.items);
    *findings = (struct findings){0};
}
