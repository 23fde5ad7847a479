/* An upload of any size in bounded memory, its progress kept in the session. */
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>

#include "routes/routes.h"

enum {
    PIECE_BYTES = 64 * 1024,
    PROGRESS_INTERVAL_MS = 100, /* between two commits */
    HASH_BYTES = crypto_generichash_BYTES,
};

struct upload {
    crypto_generichash_state hash;
    uint64_t bytes;
    int64_t committed_ms;
    unsigned char piece[PIECE_BYTES];
};

static enum mid_error keep_progress(struct mid_session *session, struct upload *upload)
{
    upload->committed_ms = mid_unix_ms();
    MID_TRY(mid_session_set_int(session, "uploaded", (int64_t)upload->bytes));
    return mid_session_commit(session);
}

static enum mid_error receive(struct mid_request *rq, struct mid_session *session, struct upload *upload)
{
    for (;;) {
        size_t got;
        MID_TRY(mid_body_read(rq, upload->piece, sizeof(upload->piece), &got));
        if (got == 0)
            return keep_progress(session, upload);
        crypto_generichash_update(&upload->hash, upload->piece, got);
        upload->bytes += got;
        if (mid_unix_ms() - upload->committed_ms >= PROGRESS_INTERVAL_MS)
            MID_TRY(keep_progress(session, upload));
    }
}

enum mid_error upload_route(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_open(rq, &session));
    mid_body_limit(rq, UINT64_MAX);
    struct upload *upload = aligned_alloc(64, (sizeof(*upload) + 63) / 64 * 64); /* not on a fiber's stack */
    if (upload == NULL)
        return MID_NO_MEMORY;
    upload->bytes = 0;
    upload->committed_ms = 0;
    crypto_generichash_init(&upload->hash, NULL, 0, HASH_BYTES);

    enum mid_error error = receive(rq, session, upload);
    if (error == MID_OK) {
        unsigned char hash[HASH_BYTES];
        char hex[2 * HASH_BYTES + 1];
        crypto_generichash_final(&upload->hash, hash, sizeof(hash));
        sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
        error = mid_respond_json(rq, 200, "{s:I, s:s}", "bytes", (long long)upload->bytes, "blake2b", hex);
    }
    free(upload);
    return error;
}
