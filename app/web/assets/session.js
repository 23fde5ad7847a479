/*
 * The visitor's session as this page sees it: told by the server whenever somebody has changed it, on one event stream
 * (/watch). A visitor without a session has nothing to be told: it is asked for again while something of this page runs,
 * which may begin one, and when another page of this browser says that it has.
 */
import { Refusal } from "./streams.js";

const SEEK_MS = 250;
/* What ended may have ended by a login whose cookie is still on its way to the browser. */
const RETURN_MS = 300;
const TROUBLE_MS = 1500;

/*
 * onRead(session, before): whenever it was told; `session` is null for a visitor without one, `before` is undefined the
 * first time. onTrouble(error): it is not known now how it is.
 */
export class SessionWatch {
    constructor({ onRead, onTrouble }) {
        this.onRead = onRead;
        this.onTrouble = onTrouble;
        this.current = undefined;
        this.running = 0;
        this.timer = 0;
        this.source = null;
        this.isHeld = false;
        this.pages = new BroadcastChannel("session");
        this.pages.addEventListener("message", () => this.seek());
        document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
        this.open();
    }

    /* Something runs that may begin a session. Returns the promise. */
    during(promise) {
        this.running++;
        this.seek();
        const done = () => {
            this.running--;
            this.seek();
        };
        promise.then(done, done);
        return promise;
    }

    /* Runs `action`, which replaces the cookie, and begins anew with that one. Returns its promise. */
    async holding(action) {
        this.isHeld = true;
        try {
            return await action();
        } finally {
            this.isHeld = false;
            this.open();
        }
    }

    close() {
        clearTimeout(this.timer);
        this.source?.close();
        this.source = null;
    }

    openIn(ms) {
        this.close();
        this.timer = setTimeout(() => this.open(), ms);
    }

    /* Nobody tells a visitor without a session that there is one now. */
    seek() {
        if (!this.current && this.source === null)
            this.openIn(this.running > 0 ? SEEK_MS : 0);
    }

    open() {
        this.close();
        if (this.isHeld || document.hidden)
            return;
        const source = new EventSource("/watch");
        let wasTold = false;
        this.source = source;
        source.addEventListener("session", (event) => {
            wasTold = true;
            this.take(JSON.parse(event.data).session);
        });
        source.addEventListener("unavailable", (event) => this.onTrouble(new Refusal(503, JSON.parse(event.data).detail)));
        source.addEventListener("end", () => {
            this.close();
            if (this.running > 0)
                this.openIn(SEEK_MS);
        });
        source.addEventListener("session-ended", () => this.openIn(0));
        source.addEventListener("reconnect", (event) => {
            const { detail, error } = JSON.parse(event.data);
            if (!wasTold)
                this.onTrouble(new Refusal(503, detail ?? error));
            this.openIn(wasTold ? RETURN_MS : TROUBLE_MS);
        });
        source.addEventListener("failed", (event) => {
            this.onTrouble(new Refusal(500, JSON.parse(event.data).detail));
            this.openIn(TROUBLE_MS);
        });
        /* The browser's own: the connection was lost, and it opens another by itself, or has given up. */
        source.addEventListener("error", () => {
            if (this.source !== source)
                return;
            this.onTrouble(new Error("the connection was lost"));
            if (source.readyState === EventSource.CLOSED)
                this.openIn(TROUBLE_MS);
        });
    }

    take(session) {
        const before = this.current;
        this.current = session;
        if (session && !before)
            this.pages.postMessage("begun");
        this.onRead(session, before);
    }
}

/* What differs between two readings, as [field, before, now]; an absent value is undefined. */
export function differences(before, now) {
    const old = before?.fields ?? {};
    const fresh = now?.fields ?? {};
    const names = [...new Set([...Object.keys(old), ...Object.keys(fresh)])];
    return names.filter((name) => old[name] !== fresh[name]).map((name) => [name, old[name], fresh[name]]);
}
