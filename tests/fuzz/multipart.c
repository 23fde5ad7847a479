/* The first byte says in which pieces the rest, a form with files, arrives and is read; what is found in it does not
 * depend on that. */
#include "fuzz.h"

#include "base/buffer.h"
#include "base/utf8.h"
#include "http/multipart.h"

struct pieces {
    const char *data;
    size_t left;
    size_t piece;
};

static enum mid_error read_piece(void *arg, void *buffer, size_t size, size_t *got_bytes)
{
    struct pieces *pieces = arg;
    size_t got = pieces->left < pieces->piece ? pieces->left : pieces->piece;
    got = got < size ? got : size;
    memcpy(buffer, pieces->data, got);
    pieces->data += got;
    pieces->left -= got;
    *got_bytes = got;
    return MID_OK;
}

static void note(struct buffer *found, const char *text)
{
    if (text != NULL)
        CLAIM(utf8_is_valid(text, strlen(text)));
    buffer_append(found, text != NULL ? text : "-", text != NULL ? strlen(text) : 1);
    buffer_append(found, "|", 1);
}

/* Appends all that is in the form, and the error that it ends with. */
static void read_form(const char *data, size_t size, size_t arrives, size_t is_read, struct buffer *found)
{
    struct arena arena;
    struct pieces pieces = {data, size, arrives};
    struct multipart_source source = {read_piece, &pieces};
    arena_init(&arena);
    struct multipart *form = multipart_new("multipart/form-data; boundary=b", &source, &arena);
    CLAIM(form != NULL);
    const struct mid_part *part = NULL;
    enum mid_error error = MID_OK;
    while ((error = multipart_next(form, &part)) == MID_OK && part != NULL) {
        char buffer[64];
        size_t got = 1;
        CLAIM(part->name != NULL);
        note(found, part->name);
        note(found, part->filename);
        note(found, part->content_type);
        while (got > 0 && (error = multipart_read(form, buffer, is_read, &got)) == MID_OK) {
            CLAIM(got <= is_read);
            buffer_append(found, buffer, got);
        }
    }
    CLAIM(error == MID_OK || error == MID_BAD_REQUEST || error == MID_TOO_LARGE);
    CLAIM((error == MID_OK) == (multipart_fault(form) == NULL));
    note(found, mid_error_name(error));
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct buffer whole = {0};
    struct buffer pieces = {0};
    const char *form = (const char *)data + 1;
    read_form(form, size - 1, size, 64, &whole);
    read_form(form, size - 1, 1 + (data[0] & 15), 1 + (data[0] >> 4), &pieces);
    CLAIM(whole.length == pieces.length && memcmp(whole.data, pieces.data, whole.length) == 0);
    buffer_fini(&whole);
    buffer_fini(&pieces);
    return 0;
}
