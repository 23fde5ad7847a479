/*
 * The streams of the demonstration: how each is asked for, and how it is read piece by piece.
 *
 * read(url, sink, signal) calls sink.piece(text) for everything that arrives and returns a promise. It resolves when
 * the stream has ended with its end marker, and rejects with a Cut when it stopped without one, with a Refusal when
 * the server answered with an error instead of a stream, and with the signal's reason when the visitor left. sink.gap()
 * hears of a connection that the browser opens again.
 */

/* The response began and did not reach its end. */
export class Cut extends Error {}

/* The server answered with an HTTP error. */
export class Refusal extends Error {
    constructor(status, detail) {
        super(detail || `the server answered ${status}`);
        this.status = status;
    }
}

export async function refusalOf(response) {
    const text = (await response.text()).trim();
    try {
        const { detail, message, error } = JSON.parse(text);
        return new Refusal(response.status, [detail, message, error].find((part) => typeof part === "string"));
    } catch {
        return new Refusal(response.status, text.startsWith("<") ? "" : text);
    }
}

/* The sentence of {"error":"MID_...","detail":"..."}, which ends a stream whose handler failed. */
function sentenceOf(failure) {
    return failure.detail || failure.error;
}

/* Calls line() for each line of the response as it arrives. A cut shows as a rejected read: that is how a page can tell. */
async function readLines(url, line, signal) {
    const response = await fetch(url, { signal, cache: "no-store", headers: { Accept: "text/plain, application/json" } });
    if (!response.ok)
        throw await refusalOf(response);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
        let part;
        try {
            part = await reader.read();
        } catch (error) {
            signal.throwIfAborted();
            throw new Cut(`reading it failed, with what this browser calls “${error.message}”`);
        }
        if (part.done)
            break;
        const lines = (rest + part.value).split("\n");
        rest = lines.pop();
        lines.forEach(line);
    }
    if (rest)
        line(rest);
}

/* The end marker of plain text is the end of the response itself. */
function readText(url, sink, signal) {
    return readLines(url, sink.piece, signal);
}

/* Blank lines are heartbeats; the last row is {"end":true}, or {"error":...} when the handler failed. */
async function readRows(url, sink, signal) {
    let ended = false;
    let failure = null;
    await readLines(url, (line) => {
        if (!line.trim())
            return;
        const row = JSON.parse(line);
        if (typeof row.error === "string")
            failure = sentenceOf(row);
        ended = row.end === true;
        if (!ended && failure === null)
            sink.piece(line);
    }, signal);
    if (failure !== null)
        throw new Cut(`the handler failed: ${failure}`);
    if (!ended)
        throw new Cut("the last row did not come");
}

/*
 * The event "end" is the end marker. "failed" is the handler's error, "session-ended" that somebody has logged out. The
 * browser's own "error" means that the connection failed, or was ended after the event "reconnect". It connects again by
 * itself, and tells the id of the last event: where the handler goes on from there (`resumes`), nothing is lost.
 */
function readEvents(url, sink, signal, textOf, resumes) {
    return new Promise((resolve, reject) => {
        const source = new EventSource(url);
        let opened = false;
        let hasGap = false;
        function finish(settle, value) {
            source.close();
            settle(value);
        }
        function takeFailure(event) {
            if (event.data !== undefined)
                finish(reject, new Cut(`the handler failed: ${sentenceOf(JSON.parse(event.data))}`));
            else if (opened && resumes && source.readyState === EventSource.CONNECTING)
                showGap(true);
            else if (opened)
                finish(reject, new Cut("the connection was lost before the event “end”"));
            else
                finish(reject, new Refusal(0, "the events could not be opened"));
        }
        /* Each failed attempt to connect is another event "error". */
        function showGap(isOpen) {
            if (isOpen !== hasGap)
                sink.gap(isOpen);
            hasGap = isOpen;
        }
        source.addEventListener("open", () => {
            opened = true;
            showGap(false);
        });
        for (const name of ["message", "token"])
            source.addEventListener(name, (event) => sink.piece(textOf(event.data), event.lastEventId));
        for (const name of ["failed", "session-ended", "error"])
            source.addEventListener(name, takeFailure);
        source.addEventListener("end", () => finish(resolve));
        signal.addEventListener("abort", () => finish(reject, signal.reason), { once: true });
    });
}

/*
 * note: what the visitor is looking at, with `code` marked. target(form): the request. expected(form): how many pieces will come, if known.
 * flows: the pieces are parts of one text, not lines.
 */
export const kinds = {
    stream: {
        target: (form) => `/stream?count=${form.count}&interval_ms=${form.interval}`,
        expected: (form) => form.count,
        read: readText,
        note: "Plain text, read with fetch. After each piece the handler sets the field `chunk` and commits, then sleeps.",
    },
    events: {
        target: (form) => `/events?count=${form.count}&interval_ms=${form.interval}`,
        expected: (form) => form.count,
        read: (url, sink, signal) => readEvents(url, sink, signal, (data) => data, true),
        note: "Server-sent events, read with EventSource. The handler sets the field `event`. Kill a worker meanwhile: the " +
            "browser connects again, and the handler goes on after the last event that arrived.",
    },
    rows: {
        target: (form) => `/rows?count=${form.count}&interval_ms=${form.interval}`,
        expected: (form) => form.count,
        read: readRows,
        note: "One JSON value a line. The handler sets the field `row`. The last line says end, so that a complete answer " +
            "and a cut one differ.",
    },
    chat: {
        target: (form) => `/chat?prompt=${encodeURIComponent(form.prompt)}`,
        expected: () => null,
        read: (url, sink, signal) => readEvents(url, sink, signal, (data) => JSON.parse(data).token),
        flows: true,
        note: "The words of a canned answer, as events. The exchange is appended to the field `transcript` as it grows: " +
            "reload in the middle, and what was said is still there.",
    },
    fail: {
        target: (form) => `/fail?at=${form.failAt}`,
        expected: () => null,
        read: readText,
        note: "The handler fails at this piece, long after the status 200 has left. The response is then cut, never " +
            "ended cleanly, so that the browser can tell.",
    },
};
