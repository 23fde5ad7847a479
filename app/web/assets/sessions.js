/*
 * The list of the user's sessions, and how others of them are ended. It is read when this session was told, when the page
 * comes into view, and after what was done here: a login elsewhere changes nothing of this session.
 */
const byId = (id) => document.getElementById(id);

function clock(ms) {
    return new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
}

/* "Mozilla/5.0 (X11; Linux x86_64) ... Chrome/140.0" is known by its last product. */
function programOf(agent) {
    const products = agent.match(/(Firefox|Edg|Chrome|Safari|curl)\/[0-9]+/g);
    return products ? products[0].replace("/", " ").replace("Edg ", "Edge ") : agent.slice(0, 40) || "unknown program";
}

function rowOf(session, end) {
    const row = document.createElement("li");
    const text = document.createElement("span");
    const where = session.is_this ? "this browser" : session.address || "unknown address";
    text.textContent = `${where}, ${programOf(session.agent)}, logged in ${clock(session.login_ms)}`;
    row.append(text);
    row.dataset.id = session.id;
    if (!session.is_this) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = "Log out";
        button.setAttribute("aria-label", `Log out ${text.textContent}`);
        button.addEventListener("click", () => end(session.id));
        row.append(button);
    }
    return row;
}

/* `send(answerId, method, url)` makes a request and gives its response, or null. */
export class SessionList {
    constructor(send) {
        this.send = send;
        this.hasUser = false;
        this.readings = 0;
        byId("sessions-end-others").addEventListener("click", () => this.end("/api/sessions"));
        document.addEventListener("visibilitychange", () => this.read());
    }

    /* The session was told. */
    follow(session) {
        this.hasUser = Boolean(session?.user);
        this.read();
    }

    async end(url) {
        const response = await this.send("sessions-answer", "DELETE", url);
        if (response)
            byId("sessions-answer").textContent = `${(await response.json()).ended} ended`;
        await this.read();
    }

    async ask() {
        const response = await fetch("/api/sessions", { cache: "no-store", headers: { Accept: "application/json" } });
        return response.ok ? (await response.json()).sessions : [];
    }

    /* An answer that another reading has overtaken is of no use: it may be another user's. */
    async read() {
        const reading = ++this.readings;
        const sessions = this.hasUser && !document.hidden ? await this.ask().catch(() => []) : [];
        if (reading !== this.readings)
            return;
        const rows = sessions.map((session) => rowOf(session, (id) => this.end(`/api/sessions/${id}`)));
        byId("sessions").replaceChildren(...rows);
        byId("sessions-empty").hidden = sessions.length > 0;
        byId("sessions-end-others").disabled = sessions.length < 2;
    }
}
