/*
 * An answer that outlives who has asked, who writes and who reads it: a background task writes it word by word into a
 * durable stream of the visitor's session, each word together with the session's transcript. Kill a worker in the
 * middle: the task goes on behind the last word, and readers come back to where they were.
 *
 *     midstream-run ./answer
 *     curl -c jar -X POST URL/answer; curl -N -b jar URL/answer; curl -b jar URL/transcript
 */
#include <midstream.h>
#include <string.h>

enum { WORD_MS = 50, PIECE_BYTES = 64 * 1024 };

static const char answer_text[] = "A durable stream is a log that outlives its producer and its readers; "
                                  "what was written once is there once, and in its place.\n";

static const struct mid_durable_options as_reader = {.producer = ""};

/* In a worker of `work`. An attempt that follows a crash finds what was written before. */
static enum mid_error write_answer(struct mid_request *rq, struct mid_task *task)
{
    struct mid_durable *answer;
    struct mid_session *session;
    MID_TRY(mid_task_session(task, &session));
    MID_TRY(mid_durable_create(rq, "answer", NULL, &answer));
    for (size_t at; (at = (size_t)mid_durable_tail(answer)) < strlen(answer_text);) {
        size_t bytes = strcspn(answer_text + at, " \n") + 1;
        const char *word = mid_printf(rq, "%.*s", (int)bytes, answer_text + at);
        MID_TRY(mid_sleep_ms(rq, WORD_MS)); /* the thinking */
        MID_TRY(mid_session_append(session, "transcript", word, 4096));
        MID_TRY(mid_durable_commit(answer, &(struct mid_durable_entry){.data = word, .bytes = bytes}));
    }
    return mid_durable_close(answer);
}

/* One answer for each session: who asks again, perhaps because this was not answered, gets the same. */
static enum mid_error ask(struct mid_request *rq)
{
    struct mid_durable *answer;
    struct mid_session *session;
    char id[MID_TASK_ID_BYTES];
    const char *task;
    bool is_first;
    mid_allow_missing_origin(rq); /* curl says nothing of where it comes from */
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_durable_create(rq, "answer", NULL, &answer));
    mid_task_new_id(NULL, id);
    MID_TRY(mid_session_set_if_absent(session, "task", id, &is_first));
    MID_TRY(mid_session_get(session, "task", &task));
    MID_TRY(mid_task_enqueue(rq, "answer", NULL, 0, &(struct mid_task_options){.id = task}, id));
    return mid_respond_json(rq, 202, "{s:s}", "task", id);
}

/* /answer?from=OFFSET, up to its end: a client that was cut off asks for the rest. */
static enum mid_error follow(struct mid_request *rq)
{
    struct mid_durable *answer;
    struct mid_durable_piece piece = {.is_at_end = false};
    MID_TRY(mid_query_int(rq, "from", 0, INT32_MAX, 0, &piece.next));
    MID_TRY(mid_durable_find(rq, "answer", &as_reader, &answer));
    MID_TRY(mid_stream_begin(rq, 200, mid_durable_content_type(answer)));
    while (!piece.is_at_end || !mid_durable_is_closed(answer)) {
        MID_TRY(mid_durable_wait(answer, piece.next, -1));
        MID_TRY(mid_durable_read(answer, piece.next, PIECE_BYTES, &piece));
        MID_TRY(mid_stream_write(rq, piece.data, piece.bytes));
        mid_release(rq); /* what was read */
    }
    return MID_OK;
}

static enum mid_error show_transcript(struct mid_request *rq)
{
    struct mid_session *session;
    const char *transcript;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_get(session, "transcript", &transcript));
    return mid_respond_text(rq, 200, transcript != NULL ? transcript : "");
}

static const struct mid_route routes[] = {
    MID_POST("/answer", ask),
    MID_GET("/answer", follow),
    MID_GET("/transcript", show_transcript),
    {0},
};

static const struct mid_task_type tasks[] = {{"answer", write_answer}, {0}};

int main(int argc, char **argv)
{
    return mid_run(argc, argv, &(struct mid_app){.routes = routes, .tasks = tasks});
}
