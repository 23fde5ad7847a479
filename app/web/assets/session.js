/*
 * The visitor's session as this page sees it: read again and again with ordinary requests, five times a second while
 * something runs and every two seconds otherwise.
 */
import { refusalOf } from "./streams.js";

const BUSY_MS = 200;
const CALM_MS = 2000;
/* What a request did may show a little after it has ended. */
const LINGER_MS = 1500;
const CONFLICT = 409;

/*
 * onRead(session, before): after every reading; `session` is null for a visitor without one, `before` is undefined at
 * the first reading. onPace(isBusy): after a reading that went well. onTrouble(error): after one that failed.
 */
export class SessionWatch {
    constructor({ onRead, onPace, onTrouble }) {
        this.onRead = onRead;
        this.onPace = onPace;
        this.onTrouble = onTrouble;
        this.current = undefined;
        this.running = 0;
        this.busyUntil = 0;
        this.timer = 0;
        this.reading = null;
        this.isHeld = false;
        this.isAskedAgain = false;
        document.addEventListener("visibilitychange", () => {
            if (!document.hidden)
                this.readNow();
        });
        this.readNow();
    }

    get isBusy() {
        return this.running > 0 || performance.now() < this.busyUntil;
    }

    /* Reads at the quick pace until the promise has settled. Returns the promise. */
    during(promise) {
        this.running++;
        this.readNow();
        const done = () => {
            this.running--;
            this.busyUntil = performance.now() + LINGER_MS;
            this.readNow();
        };
        promise.then(done, done);
        return promise;
    }

    /*
     * Runs `action` while nothing is read, and returns its promise. A login replaces the cookie: a reading under way
     * would still carry the old one, and be refused.
     */
    async withoutReading(action) {
        this.isHeld = true;
        await this.reading;
        try {
            return await action();
        } finally {
            this.isHeld = false;
            this.readNow();
        }
    }

    /* A reading that is under way may be older than what the caller knows of: another follows it. */
    readNow() {
        if (this.reading || this.isHeld) {
            this.isAskedAgain = true;
            return;
        }
        clearTimeout(this.timer);
        this.reading = this.read().finally(() => {
            this.reading = null;
            this.timer = setTimeout(() => this.readNow(), this.isAskedAgain ? 0 : this.isBusy ? BUSY_MS : CALM_MS);
        });
    }

    async read() {
        this.isAskedAgain = false;
        let session;
        try {
            const response = await fetch("/api/session", { cache: "no-store", headers: { Accept: "application/json" } });
            if (!response.ok)
                throw await refusalOf(response);
            ({ session } = await response.json());
        } catch (error) {
            /* Another tab has just logged in, and this request was overtaken by its cookie: the next one has it. */
            if (error.status !== CONFLICT)
                this.onTrouble(error);
            return;
        }
        const before = this.current;
        this.current = session;
        this.onRead(session, before);
        this.onPace(this.isBusy);
    }
}

/* What differs between two readings, as [field, before, now]; an absent value is undefined. */
export function differences(before, now) {
    const old = before?.fields ?? {};
    const fresh = now?.fields ?? {};
    const names = [...new Set([...Object.keys(old), ...Object.keys(fresh)])];
    return names.filter((name) => old[name] !== fresh[name]).map((name) => [name, old[name], fresh[name]]);
}
