/*
 * The demonstration page: a stream on the left, the visitor's session on the right, the other routes below. Both sides
 * note times on one clock, which starts with the stream.
 */
import { Cut, kinds, Refusal, refusalOf } from "./streams.js";
import { differences, SessionWatch } from "./session.js";
import { SessionList } from "./sessions.js";

const FRESH_MS = 900;
const RECORD_LINES_MAX = 500;
const VALUE_SHOWN_MAX = 240;
const CHANGE_SHOWN_MAX = 32;
const MADE_UPLOAD_MIB = 64;

const byId = (id) => document.getElementById(id);
let clockStart = performance.now();

function element(name, className, text) {
    const made = document.createElement(name);
    if (className)
        made.className = className;
    if (text !== undefined)
        made.textContent = text;
    return made;
}

/* Words between backticks become code. */
function withCode(text) {
    return text.split("`").map((part, index) => (index % 2 ? element("code", "", part) : part));
}

function secondsSince(start) {
    return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}

/*
 * Adds a line to one of the two records, and follows the end unless the visitor has scrolled away from it. `aside` is
 * what stands at the line's other end. Returns the element that holds the line's text.
 */
function note(record, text, { tone = "", aside = "" } = {}) {
    const follows = record.scrollHeight - record.scrollTop - record.clientHeight < 40;
    const line = element("li");
    const body = element("span", `text ${tone}`, text);
    line.append(element("time", "", secondsSince(clockStart)), body, element("span", "rest", aside));
    record.append(line);
    while (record.children.length > RECORD_LINES_MAX)
        record.firstChild.remove();
    if (follows)
        record.scrollTop = record.scrollHeight;
    return body;
}

function show(id, state, text) {
    const place = byId(id);
    if (place.dataset.state === state && place.textContent === text)
        return;
    place.dataset.state = state;
    place.textContent = text;
}

/* The end of a long text says more than its beginning: what grows, grows there. */
function shorten(text, limit) {
    return text.length > limit ? `…${text.slice(-limit)}` : text;
}

/* -------------------- the session -------------------- */

const watch = new SessionWatch({
    onRead(session, before) {
        show("session-state", session ? "running" : "idle", session ? "Live" : "No session yet");
        showFacts(session);
        const changed = differences(before, session);
        showFields(session?.fields ?? {}, before === undefined ? [] : changed);
        if (before !== undefined)
            noteChanges(session, before, changed);
        if (before && session === null)
            forgetAnswers();
        for (const listener of listeners)
            listener(session);
    },
    onTrouble(error) {
        const why = error instanceof Refusal ? `${error.status}: ${error.message}` : "the server does not answer";
        show("session-state", "cut", `Not known now (${why})`);
    },
});
const listeners = new Set();

function userOf(session) {
    return session?.user ?? session?.fields?.user ?? null;
}

function showFacts(session) {
    byId("session-revision").textContent = session ? session.revision : "–";
    byId("session-user").textContent = userOf(session) ?? (session ? "not logged in" : "–");
    byId("session-expires").textContent = session ? endText(session.expires_ms) : "–";
}

function endText(expiresMs) {
    const minutes = Math.max(0, Math.round((expiresMs - Date.now()) / 60000));
    const clock = new Date(expiresMs).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
    return minutes < 60 ? `${clock}, in ${minutes} min` : `${clock}, in ${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/* Rows are kept and changed in place, so that a highlight and the keyboard's focus survive a reading. */
function showFields(fields, changed) {
    const body = byId("fields").tBodies[0];
    for (const row of [...body.rows]) {
        if (!(row.dataset.field in fields))
            row.remove();
    }
    for (const name of Object.keys(fields).sort()) {
        const row = [...body.rows].find((candidate) => candidate.dataset.field === name) ?? addFieldRow(body, name);
        const change = changed.find(([field]) => field === name);
        if (change)
            showChanged(row, change[1], fields[name]);
        else if (row.shown !== fields[name])
            showValue(row, fields[name], "");
    }
    byId("fields-empty").hidden = body.rows.length > 0;
}

function addFieldRow(body, name) {
    const next = [...body.rows].find((row) => row.dataset.field > name);
    const row = element("tr");
    row.dataset.field = name;
    row.value = element("td");
    const remove = element("button", "", "×");
    remove.type = "button";
    remove.setAttribute("aria-label", `Delete ${name}`);
    remove.addEventListener("click", () => deleteField(name));
    const removeCell = element("td");
    removeCell.append(remove);
    row.append(element("td", "", name), row.value, removeCell);
    body.insertBefore(row, next ?? null);
    return row;
}

/* `fresh` is the end of the value, or all of it, that is highlighted for a moment. */
function showValue(row, value, fresh) {
    const shown = shorten(value, VALUE_SHOWN_MAX);
    const mark = element("mark", fresh ? "fresh" : "", fresh ? shown.slice(-fresh.length) : "");
    row.shown = value;
    row.value.replaceChildren(shown.slice(0, shown.length - mark.textContent.length), mark);
    setTimeout(() => mark.classList.remove("fresh"), FRESH_MS);
}

function showChanged(row, before, now) {
    showValue(row, now, hasGrown(before, now) ? now.slice(before.length) : now);
}

/* A number that became another ("1", "10") did not grow as a text does. */
function hasGrown(before, now) {
    return before !== undefined && before.length > 8 && now.startsWith(before);
}

function noteChanges(session, before, changed) {
    const record = byId("changes");
    if (session === null) {
        if (before !== null)
            note(record, "the session has ended", { tone: "bad" });
        return;
    }
    const aside = `revision ${session.revision}`;
    if (before === null)
        note(record, "a session has begun", { tone: "end", aside });
    for (const [name, old, now] of changed)
        note(record, `${name} ${changeText(old, now)}`, { aside });
    if (userOf(session) !== userOf(before) && !changed.some(([name]) => name === "user"))
        note(record, `user ${userOf(before) ?? "nobody"} → ${userOf(session) ?? "nobody"}`, { aside });
}

function changeText(old, now) {
    if (now === undefined)
        return "deleted";
    if (old === undefined)
        return `= ${shorten(now, CHANGE_SHOWN_MAX)}`;
    if (hasGrown(old, now))
        return `+ “${shorten(now.slice(old.length), CHANGE_SHOWN_MAX)}”`;
    return `${shorten(old, CHANGE_SHOWN_MAX)} → ${shorten(now, CHANGE_SHOWN_MAX)}`;
}

/* -------------------- the stream -------------------- */

const streamForm = byId("stream-form");
let leaving = null;

function streamChoice() {
    return {
        kind: streamForm.elements.kind.value,
        count: byId("stream-count").valueAsNumber,
        interval: byId("stream-interval").valueAsNumber,
        prompt: byId("stream-prompt").value,
        failAt: byId("stream-fail-at").valueAsNumber,
    };
}

function showChoice() {
    const choice = streamChoice();
    for (const label of streamForm.querySelectorAll("[data-kinds]")) {
        label.hidden = !label.dataset.kinds.split(" ").includes(choice.kind);
        /* What is not shown takes no part in the form's validation either. */
        label.querySelector("input").disabled = label.hidden;
    }
    byId("stream-note").replaceChildren(...withCode(kinds[choice.kind].note));
    byId("stream-request").textContent = `GET ${kinds[choice.kind].target(choice)}`;
    byId("stream-source").href = `/source/${choice.kind === "chat" ? "chat" : "streams"}.c`;
}

/* A disabled button drops the keyboard's focus; hand it to the button that takes its place. */
function setRunning(isRunning) {
    const [off, on] = isRunning ? [byId("stream-start"), byId("stream-stop")] : [byId("stream-stop"), byId("stream-start")];
    const hadFocus = document.activeElement === off;
    on.disabled = false;
    off.disabled = true;
    streamForm.querySelector("fieldset").disabled = isRunning;
    if (hadFocus)
        on.focus();
}

/* Counts the pieces and writes them down. */
function pieceSink(kind, expected) {
    const record = byId("pieces");
    const counter = byId("stream-pieces");
    let flow = null;
    let count = 0;
    return {
        get count() {
            return count;
        },
        /* The connection was lost, and the browser opens another; then it has one again. */
        gap(isOpen) {
            show("stream-state", isOpen ? "idle" : "running", isOpen ? "Connecting again" : "Streaming");
            if (isOpen)
                note(record, "the connection was lost, and the browser opens another", { tone: "rest" });
        },
        piece(text, eventId) {
            count++;
            record.dataset.count = count;
            counter.textContent = expected ? `${count} of ${expected}` : `${count}`;
            if (!kind.flows) {
                note(record, text, { aside: eventId ? `id ${eventId}` : "" });
                return;
            }
            flow ??= note(record, "");
            flow.append(text);
            record.scrollTop = record.scrollHeight;
        },
    };
}

/* The answer to the login that was sent while the stream runs; null: none was. */
let login = null;

/* A login ends what was asked for before it, so that nobody who has planted a cookie reads on: the page asks again. */
async function readThroughLogins(kind, choice, sink, record) {
    for (;;) {
        login = null;
        try {
            return await kind.read(kind.target(choice), sink, leaving.signal);
        } catch (error) {
            if (!(error instanceof Cut) || !(await login))
                throw error;
            note(record, "you have logged in: what was asked for before ends, and the page asks again", { tone: "rest" });
        }
    }
}

async function runStream() {
    const choice = streamChoice();
    const kind = kinds[choice.kind];
    const record = byId("pieces");
    leaving = new AbortController();
    clockStart = performance.now();
    record.replaceChildren();
    record.dataset.count = 0;
    byId("changes").replaceChildren();
    byId("stream-pieces").textContent = "";
    setRunning(true);
    show("stream-state", "running", "Streaming");
    if (kind.flows)
        note(record, choice.prompt, { tone: "rest" });
    const sink = pieceSink(kind, kind.expected(choice));
    try {
        await watch.during(readThroughLogins(kind, choice, sink, record));
        show("stream-state", "complete", "Complete");
        note(record, "the end: the response is complete", { tone: "end" });
    } catch (error) {
        noteFailure(record, error);
    }
    setRunning(false);
}

function noteFailure(record, error) {
    if (leaving.signal.aborted) {
        show("stream-state", "idle", "You stopped reading");
        note(record, "you closed the connection; the handler learns it at its next step", { tone: "rest" });
        return;
    }
    if (error instanceof Cut) {
        show("stream-state", "cut", "Cut");
        note(record, `the response was cut, and cannot be taken for complete: ${error.message}`, { tone: "bad" });
        return;
    }
    show("stream-state", "cut", "Refused");
    note(record, error.message, { tone: "bad" });
}

streamForm.addEventListener("input", showChoice);
streamForm.addEventListener("submit", (event) => {
    event.preventDefault();
    runStream();
});
byId("stream-stop").addEventListener("click", () => leaving?.abort());

/* -------------------- the other routes -------------------- */

function answer(id, text, isBad = false) {
    byId(id).textContent = text;
    byId(id).classList.toggle("bad", isBad);
}

/* What was said of a session that has ended is of no use any more; the logout's own answer is. */
function forgetAnswers() {
    for (const id of ["field-answer", "after-answer", "upload-answer", "report-answer"])
        answer(id, "");
    byId("upload-progress").value = 0;
}

/* Sends one request and reports how it went; returns the response, or null when there was an error to report. */
async function send(answerId, method, url, options = {}) {
    const start = performance.now();
    try {
        const response = await watch.during(fetch(url, { method, cache: "no-store", ...options,
            headers: { Accept: "application/json", ...options.headers } }));
        if (!response.ok)
            throw await refusalOf(response);
        answer(answerId, `${response.status} in ${Math.round(performance.now() - start)} ms`);
        return response;
    } catch (error) {
        answer(answerId, error instanceof Refusal ? `${error.status}: ${error.message}` : "No answer from the server", true);
        return null;
    }
}

const fieldUrl = (name) => `/api/session/${encodeURIComponent(name)}`;

function deleteField(name) {
    return send("field-answer", "DELETE", fieldUrl(name));
}

byId("field-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send("field-answer", "PUT", fieldUrl(byId("field-name").value),
        { body: byId("field-value").value, headers: { "Content-Type": "text/plain; charset=utf-8" } });
});
byId("field-delete").addEventListener("click", () => deleteField(byId("field-name").value));
byId("field-increment").addEventListener("click", async () => {
    const response = await send("field-answer", "POST", `${fieldUrl(byId("field-name").value)}/increment?by=1`);
    if (response)
        answer("field-answer", `${byId("field-name").value} is now ${(await response.json()).value}`);
});

byId("login-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const body = new URLSearchParams({ user: byId("login-user").value });
    login = watch.holding(() => send("login-answer", "POST", "/login", { body }));
});
byId("logout").addEventListener("click", () => send("login-answer", "POST", "/logout"));

/* Whose session it is, and since when, says whether there is another list. */
const sessionList = new SessionList(send);
let listedFor = "";
listeners.add((session) => {
    const name = session ? `${session.user} ${session.created_ms} ${session.expires_ms}` : "";
    if (name !== listedFor)
        sessionList.follow(session);
    listedFor = name;
});

/* Resolves when the field differs from `before`; false after the time limit. */
function fieldChange(name, before, limitMs) {
    return new Promise((resolve) => {
        const timer = setTimeout(() => finish(false), limitMs);
        const listener = (session) => {
            if (session?.fields?.[name] !== before)
                finish(true);
        };
        function finish(result) {
            clearTimeout(timer);
            listeners.delete(listener);
            resolve(result);
        }
        listeners.add(listener);
    });
}

byId("after-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const delay = byId("after-delay").valueAsNumber;
    const before = watch.current?.fields?.after;
    const changed = watch.during(fieldChange("after", before, delay + 5000));
    const response = await send("after-answer", "GET", `/after?delay_ms=${delay}`);
    if (!response)
        return;
    const answered = performance.now();
    answer("after-answer", `${byId("after-answer").textContent}; the handler goes on…`);
    if (await changed)
        answer("after-answer", `Counted ${secondsSince(answered)} after the answer.`);
});

/* The file that was chosen, or zeros made here. */
function uploadBody() {
    const [file] = byId("upload-file").files;
    return file ?? new Blob(Array(MADE_UPLOAD_MIB).fill(new Uint8Array(1 << 20)));
}

byId("upload-file").addEventListener("input", () => {
    const [file] = byId("upload-file").files;
    byId("upload").textContent = file ? "Upload" : `Upload ${MADE_UPLOAD_MIB} MiB of zeros`;
});
byId("upload-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = uploadBody();
    const bar = byId("upload-progress");
    bar.value = 0;
    /* A visitor's first session begins with the head of a response, and an upload's comes last: begin it here. */
    if (!await send("upload-answer", "PUT", fieldUrl("uploaded"), { body: "0" }))
        return;
    answer("upload-answer", "Uploading…");
    const follow = (session) => {
        bar.value = Math.min(1, Number(session?.fields?.uploaded ?? 0) / body.size);
    };
    listeners.add(follow);
    const response = await send("upload-answer", "POST", "/upload",
        { body, headers: { "Content-Type": "application/octet-stream" } });
    listeners.delete(follow);
    if (!response)
        return;
    bar.value = 1;
    const told = Object.entries(await response.json()).map(([name, value]) => `${name} ${shortHash(value)}`);
    answer("upload-answer", told.join(", "));
});

/* -------------------- the report -------------------- */

const REPORT_LOOK_MS = 400;
/* The id of the task is this tab's, so that a reload finds it again. */
const REPORT_KEY = "report";
let reportId = sessionStorage.getItem(REPORT_KEY);

listeners.add((session) => {
    byId("report-progress").value = Number(session?.fields?.report ?? 0);
});

function pause(ms) {
    return new Promise((resolve) => {
        setTimeout(resolve, ms);
    });
}

/* What the task says of itself; null when it cannot be found. */
async function reportState() {
    const response = await fetch(`/report/${reportId}`, { cache: "no-store", headers: { Accept: "application/json" } });
    return response.ok ? response.json() : null;
}

/* Follows the task to its end. */
async function followReport() {
    byId("report-cancel").disabled = false;
    const hasEnded = (task) => ["done", "dead", "cancelled"].includes(task?.state);
    let task = await reportState();
    while (task && !hasEnded(task)) {
        answer("report-answer", task.state === "running" ? "A worker makes it…" : `It is ${task.state}`);
        await pause(REPORT_LOOK_MS);
        task = await reportState().catch(() => task);
    }
    byId("report-cancel").disabled = true;
    sessionStorage.removeItem(REPORT_KEY);
    if (task)
        answer("report-answer", task.state === "done" ? task.result : `It is ${task.state} ${task.error}`, task.state === "dead");
}

byId("report-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const response = await send("report-answer", "POST", `/report?seconds=${byId("report-seconds").valueAsNumber}`);
    if (!response)
        return;
    reportId = (await response.json()).id;
    sessionStorage.setItem(REPORT_KEY, reportId);
    watch.during(followReport());
});
byId("report-cancel").addEventListener("click", () => send("report-answer", "DELETE", `/report/${reportId}`));
if (reportId)
    watch.during(followReport());

function shortHash(value) {
    return typeof value === "string" && value.length > 20 ? `${value.slice(0, 16)}…` : value;
}

showChoice();
