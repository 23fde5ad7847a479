/* multipart/form-data. See multipart.h. */
#include "http/multipart.h"

#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "http/field.h"

enum {
    WINDOW_BYTES = 16 * 1024,
    FIELDS_BYTES_MAX = 8 * 1024, /* of one part */
    BOUNDARY_BYTES_MAX = 70,     /* RFC 2046, 5.1.1 */
    PARTS_MAX = 1000,
};

struct multipart {
    struct multipart_source source;
    struct arena *arena;
    char delimiter[sizeof("\r\n--") + BOUNDARY_BYTES_MAX];
    size_t delimiter_bytes;
    size_t part_count;
    bool is_in_part; /* what the window begins with is the part's */
    bool is_over;    /* the closing delimiter was read */
    enum mid_error error;
    const char *fault;
    size_t at; /* where in the window what was not taken begins */
    size_t end;
    char window[WINDOW_BYTES];
};

/* -------------------- set-up -------------------- */

/* bchars (RFC 2046, 5.1.1); the last one is no blank. */
static bool boundary_is_valid(const char *boundary, size_t length)
{
    if (length == 0 || length > BOUNDARY_BYTES_MAX || boundary[length - 1] == ' ')
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = boundary[i];
        bool is_alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_alphanumeric && (c == '\0' || strchr("'()+_,-./:=? ", c) == NULL))
            return false;
    }
    return true;
}

struct multipart *multipart_new(const char *content_type, const struct multipart_source *source, struct arena *arena)
{
    struct field_parameter boundary = {.name = "boundary"};
    if (!field_parse(content_type, "multipart/form-data", &boundary, 1, arena) || boundary.value == NULL ||
        !boundary_is_valid(boundary.value, strlen(boundary.value)))
        return NULL;
    struct multipart *multipart = arena_alloc(arena, sizeof(*multipart));
    memset(multipart, 0, offsetof(struct multipart, window));
    multipart->source = *source;
    multipart->arena = arena;
    stpcpy(stpcpy(multipart->delimiter, "\r\n--"), boundary.value);
    multipart->delimiter_bytes = strlen(multipart->delimiter);
    memcpy(multipart->window, "\r\n", 2); /* the first delimiter may be the first line */
    multipart->end = 2;
    return multipart;
}

const char *multipart_fault(const struct multipart *multipart)
{
    return multipart->fault;
}

/* -------------------- the window -------------------- */

static enum mid_error fail(struct multipart *multipart, enum mid_error error, const char *fault)
{
    multipart->error = error;
    multipart->fault = fault;
    return error;
}

static enum mid_error malformed(struct multipart *multipart, const char *fault)
{
    return fail(multipart, MID_BAD_REQUEST, fault);
}

static const char *head_of(const struct multipart *multipart)
{
    return multipart->window + multipart->at;
}

static size_t held(const struct multipart *multipart)
{
    return multipart->end - multipart->at;
}

/* More of the body behind what is held, which is less than the window. *got 0: the body has ended. */
MAY_SUSPEND static enum mid_error read_more(struct multipart *multipart, size_t *got)
{
    memmove(multipart->window, head_of(multipart), held(multipart));
    multipart->end = held(multipart);
    multipart->at = 0;
    *got = 0;
    enum mid_error error = multipart->source.read(multipart->source.arg, multipart->window + multipart->end,
                                                  WINDOW_BYTES - multipart->end, got);
    multipart->end += *got;
    return error == MID_OK ? MID_OK : fail(multipart, error, NULL);
}

/* The same, where there has to be more. */
MAY_SUSPEND static enum mid_error fill(struct multipart *multipart)
{
    size_t got;
    MID_TRY(read_more(multipart, &got));
    return got > 0 ? MID_OK : malformed(multipart, "the body ends before its closing boundary");
}

MAY_SUSPEND static enum mid_error need(struct multipart *multipart, size_t bytes)
{
    while (held(multipart) < bytes)
        MID_TRY(fill(multipart));
    return MID_OK;
}

/* How many bytes at the window's head are surely before the next delimiter; *is_there: it follows them. */
static size_t count_before_delimiter(const struct multipart *multipart, bool *is_there)
{
    size_t count = held(multipart);
    const char *found = memmem(head_of(multipart), count, multipart->delimiter, multipart->delimiter_bytes);
    *is_there = found != NULL;
    if (found != NULL)
        return (size_t)(found - head_of(multipart));
    /* Its beginning may be at the end. */
    return count >= multipart->delimiter_bytes ? count - multipart->delimiter_bytes + 1 : 0;
}

/* -------------------- fields of a part -------------------- */

static bool text_is_valid(const char *text)
{
    return text == NULL || (utf8_is_valid(text, strlen(text)) && field_value_is_valid(text));
}

static enum mid_error take_disposition(struct multipart *multipart, const char *value, struct mid_part *part)
{
    enum { NAME, FILE_NAME, FILE_NAME_EXTENDED, COUNT };
    struct field_parameter wanted[COUNT] = {{.name = "name"}, {.name = "filename"}, {.name = "filename*"}};
    if (part->name != NULL || !field_parse(value, "form-data", wanted, COUNT, multipart->arena))
        return malformed(multipart, "a part needs one Content-Disposition, form-data, with well-formed parameters");
    if (wanted[FILE_NAME_EXTENDED].value != NULL) /* RFC 7578, 4.2 */
        return malformed(multipart, "a part of a form has its file name in filename, not in filename*");
    part->name = wanted[NAME].value;
    part->filename = wanted[FILE_NAME].value;
    if (part->name == NULL || !text_is_valid(part->name) || !text_is_valid(part->filename))
        return malformed(multipart, "the name of a part is missing, or it or its file name is not UTF-8");
    return MID_OK;
}

static enum mid_error take_type(struct multipart *multipart, const char *value, struct mid_part *part)
{
    if (part->content_type != NULL)
        return malformed(multipart, "a part has more than one Content-Type");
    part->content_type = value;
    return MID_OK;
}

/* What is read is the part's bytes as they are (RFC 7578, 4.7). */
static enum mid_error check_encoding(struct multipart *multipart, const char *value)
{
    if (strcasecmp(value, "binary") == 0 || strcasecmp(value, "8bit") == 0 || strcasecmp(value, "7bit") == 0)
        return MID_OK;
    return malformed(multipart, "a part has a Content-Transfer-Encoding that is not binary, 8bit or 7bit");
}

/* One line, without its CRLF. */
static enum mid_error take_field(struct multipart *multipart, char *line, struct mid_part *part)
{
    char *colon = strchr(line, ':');
    if (colon != NULL)
        *colon = '\0';
    if (colon == NULL || !field_name_is_valid(line))
        return malformed(multipart, "a part has a line that is not a header field");
    char *value = colon + 1 + strspn(colon + 1, " \t");
    for (size_t length = strlen(value); length > 0 && strchr(" \t", value[length - 1]) != NULL; length--)
        value[length - 1] = '\0';
    if (!text_is_valid(value))
        return malformed(multipart, "a field of a part has control characters, or is not UTF-8");
    if (strcasecmp(line, "Content-Disposition") == 0)
        return take_disposition(multipart, value, part);
    if (strcasecmp(line, "Content-Type") == 0)
        return take_type(multipart, value, part);
    if (strcasecmp(line, "Content-Transfer-Encoding") == 0)
        return check_encoding(multipart, value);
    return MID_OK;
}

/* Lines that end with CRLF, up to an empty one. */
static enum mid_error take_fields(struct multipart *multipart, const char *fields, size_t bytes, struct mid_part *part)
{
    if (memchr(fields, '\0', bytes) != NULL)
        return malformed(multipart, "a field of a part has control characters, or is not UTF-8");
    char *line = arena_strndup(multipart->arena, fields, bytes);
    for (char *end; (end = strstr(line, "\r\n")) != NULL; line = end + 2) {
        *end = '\0';
        MID_TRY(take_field(multipart, line, part));
    }
    return part->name != NULL ? MID_OK : malformed(multipart, "a part needs one Content-Disposition, form-data");
}

/* A delimiter right behind the fields: some read a part without a body, others a body that begins with it. */
MAY_SUSPEND static enum mid_error check_beginning(struct multipart *multipart)
{
    const char *dash_boundary = multipart->delimiter + 2;
    size_t bytes = multipart->delimiter_bytes - 2;
    MID_TRY(need(multipart, bytes));
    if (memcmp(head_of(multipart), dash_boundary, bytes) == 0)
        return malformed(multipart,
                         "a part's fields and an empty line are followed by a boundary without a line break");
    return MID_OK;
}

/* Behind a delimiter's line: the fields and the empty line. */
MAY_SUSPEND static enum mid_error read_fields(struct multipart *multipart, struct mid_part *part)
{
    static const char empty_line[] = "\r\n\r\n";
    const char *end;
    MID_TRY(need(multipart, 2));
    if (memcmp(head_of(multipart), empty_line, 2) == 0)
        return malformed(multipart, "a part needs one Content-Disposition, form-data");
    while ((end = memmem(head_of(multipart), held(multipart), empty_line, 4)) == NULL) {
        if (held(multipart) > FIELDS_BYTES_MAX)
            return fail(multipart, MID_TOO_LARGE, "the fields of a part have more than 8 KiB");
        MID_TRY(fill(multipart));
    }
    size_t bytes = (size_t)(end - head_of(multipart)) + 2;
    if (bytes > FIELDS_BYTES_MAX)
        return fail(multipart, MID_TOO_LARGE, "the fields of a part have more than 8 KiB");
    MID_TRY(take_fields(multipart, head_of(multipart), bytes, part));
    multipart->at += bytes + 2;
    return check_beginning(multipart);
}

/* -------------------- parts -------------------- */

/* Drops what is before the next delimiter. */
MAY_SUSPEND static enum mid_error skip_to_delimiter(struct multipart *multipart)
{
    for (;;) {
        bool is_there;
        multipart->at += count_before_delimiter(multipart, &is_there);
        if (is_there)
            return MID_OK;
        MID_TRY(fill(multipart));
    }
}

/* Blanks that some agent has added behind a boundary ("transport padding"), up to a line break or what is in its place,
 * or the end of the body. */
MAY_SUSPEND static enum mid_error skip_padding(struct multipart *multipart)
{
    for (size_t got = 1;;) {
        while (held(multipart) > 0 && (*head_of(multipart) == ' ' || *head_of(multipart) == '\t'))
            multipart->at++;
        if (held(multipart) >= 2 || got == 0)
            return MID_OK;
        MID_TRY(read_more(multipart, &got));
    }
}

/* The rest of the delimiter's line: "--" behind the last part, and CRLF. What is behind the last line is no part's. */
MAY_SUSPEND static enum mid_error read_delimiter(struct multipart *multipart)
{
    multipart->at += multipart->delimiter_bytes;
    MID_TRY(need(multipart, 2));
    bool is_last = memcmp(head_of(multipart), "--", 2) == 0;
    if (is_last)
        multipart->at += 2;
    MID_TRY(skip_padding(multipart));
    if (!is_last || held(multipart) > 0) {
        if (held(multipart) < 2 || memcmp(head_of(multipart), "\r\n", 2) != 0)
            return malformed(multipart, "a boundary is followed by something else than a line break");
        multipart->at += 2;
    }
    multipart->is_over = is_last;
    return MID_OK;
}

enum mid_error multipart_next(struct multipart *multipart, const struct mid_part **part)
{
    MID_TRY(multipart->error);
    if (!multipart->is_over) {
        multipart->is_in_part = false;
        MID_TRY(skip_to_delimiter(multipart));
        MID_TRY(read_delimiter(multipart));
    }
    if (multipart->is_over) {
        *part = NULL;
        return MID_OK;
    }
    if (++multipart->part_count > PARTS_MAX)
        return fail(multipart, MID_TOO_LARGE, "the body has more than 1000 parts");
    struct mid_part *next = arena_zalloc(multipart->arena, sizeof(*next));
    MID_TRY(read_fields(multipart, next));
    multipart->is_in_part = true;
    *part = next;
    return MID_OK;
}

enum mid_error multipart_read(struct multipart *multipart, void *buffer, size_t size, size_t *got_bytes)
{
    bool is_there = true;
    size_t count = 0;
    MID_TRY(multipart->error);
    while (multipart->is_in_part && (count = count_before_delimiter(multipart, &is_there)) == 0 && !is_there)
        MID_TRY(fill(multipart));
    if (count > size)
        count = size;
    memcpy(buffer, head_of(multipart), count);
    multipart->at += count;
    *got_bytes = count;
    return MID_OK;
}
