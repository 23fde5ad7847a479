"""What visitors do, each kind again and again, and what must not happen to them whatever is broken meanwhile.

A fault may refuse a request or cut a response; then it is counted, and the visitor goes on. It is WRONG, and fails the
soak, when something is untrue: an acknowledged change that is not stored, a response that says to be complete and is
not, a status that no fault explains.
"""

import collections
import hashlib
import json
import os
import random
import threading
import time

from .client import LOST, Client

# The connection was lost; nginx found no worker; the service refuses for the moment.
FAULTS = {0, 429, 502, 503, 504}
REPORT_SECONDS_MAX = 90  # to its end, with the worker killed some times


class Tally:
    """What all visitors have seen."""

    def __init__(self):
        self.lock = threading.Lock()
        self.done = collections.Counter()
        self.faults = collections.Counter()
        self.wrong = collections.Counter()

    def count(self, what):
        with self.lock:
            self.done[what] += 1

    def fault(self, what):
        with self.lock:
            self.faults[what] += 1

    def mistake(self, what):
        with self.lock:
            self.wrong[what] += 1

    def judge(self, what, status, *expected):
        """Whether the status is as expected; a fault is counted, anything else is a mistake."""
        if status in expected:
            self.count(what)
            return True
        if status in FAULTS:
            self.fault(f"{what}: {status or 'cut'}")
        else:
            self.mistake(f"{what}: status {status}")
        return False


class Visit:
    """A visitor's errand: `turn` does it once, on the same client."""

    pause_seconds = 0.3

    def __init__(self, url, tally, seed):
        self.client = Client(url)
        self.tally = tally
        self.random = random.Random(seed)

    def turn(self):
        raise NotImplementedError


class Counting(Visit):
    """Raises a counter by POST, which nobody repeats: it has to grow by one, or by the answers that were lost, too."""

    pause_seconds = 0.15

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.counter = 0
        self.unknown = 0

    def turn(self):
        status, body = self.client.ask("POST", "/api/session/steps/increment")
        if not self.tally.judge("increment", status, 200):
            self.unknown += 1
            return
        now = json.loads(body)["value"]
        if not self.counter < now <= self.counter + 1 + self.unknown:
            self.tally.mistake(f"increment: {self.counter} became {now}, with {self.unknown} answers unknown")
        self.counter, self.unknown = now, 0


class Fields(Visit):
    """Fields of all sizes, set and deleted, and read back."""

    def turn(self):
        field = f"f{self.random.randrange(6)}"
        if self.random.random() < 0.3:
            self.tally.judge("delete", self.client.ask("DELETE", f"/api/session/{field}")[0], 204)
            return
        value = self.random.choice("abc") * self.random.randrange(1, self.random.choice([40, 400, 9000]))
        status, _ = self.client.ask("PUT", f"/api/session/{field}", value.encode())
        if not self.tally.judge("set", status, 204):
            return
        status, body = self.client.ask("GET", "/api/session")
        if self.tally.judge("read", status, 200) and json.loads(body)["session"]["fields"].get(field) != value:
            self.tally.mistake("read: not the value that was acknowledged")


class LoggingIn(Visit):
    """Login and logout; nothing of the session is left afterwards."""

    pause_seconds = 0.5

    def turn(self):
        user = f"user{self.random.randrange(50)}"
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        status, _ = self.client.ask("POST", "/login", f"user={user}", form)
        if not self.tally.judge("login", status, 204):
            self.client.cookie = None
            return
        self.client.ask("PUT", "/api/session/secret", b"s")
        cookie = self.client.cookie
        status, _ = self.client.ask("POST", "/logout")
        if self.tally.judge("logout", status, 204):
            self.client.cookie = cookie  # as somebody would who has copied it
            status, body = self.client.ask("GET", "/api/session")
            if self.tally.judge("read", status, 200) and json.loads(body)["session"] is not None:
                self.tally.mistake("logout: the session is still there")
        self.client.cookie = None


class Streaming(Visit):
    """A whole stream: when it says to be complete, it is."""

    def turn(self):
        count = self.random.choice([5, 20, 60])
        try:
            response = self.client.begin("GET", f"/stream?count={count}&interval_ms=50")
            body = response.read()
        except LOST:
            self.client.close()
            self.tally.fault("stream: cut")
            return
        if self.tally.judge("stream", response.status, 200) and body.count(b"Chunk ") != count:
            self.tally.mistake(f"stream: complete after {body.count(b'Chunk ')} of {count}")


class Following(Visit):
    """Events to their end, coming back as an event client does: none is missed, none comes twice."""

    def turn(self):
        last = 0
        count = self.random.choice([10, 40, 100])
        while last < count:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": str(last)} if last else {})}
            try:
                response = self.client.begin("GET", f"/events?count={count}&interval_ms=50", headers=headers)
                for line in response:
                    if line.startswith(b"data: {\"event\":"):
                        number = int(line[len(b"data: {\"event\":"):].split(b"}")[0])
                        if number != last + 1:
                            self.tally.mistake(f"events: {number} behind {last}")
                        last = number
            except LOST:
                self.tally.fault("events: cut")
            self.client.close()
            if last < count:
                self.tally.count("events: came back")
                time.sleep(1)
        self.tally.count("events")


class Leaving(Visit):
    """Goes away in the middle of a stream."""

    def turn(self):
        try:
            response = self.client.begin("GET", self.random.choice(["/events", "/stream", "/rows"]) + "?interval_ms=20&count=500")
            for _ in range(self.random.randrange(10)):
                response.readline()
        except LOST:
            self.tally.fault("left: cut")
        self.client.close()
        self.tally.count("left")


class Slow(Visit):
    """Takes a fast stream slowly, for some seconds."""

    def turn(self):
        try:
            response = self.client.begin("GET", "/rows?count=20000&interval_ms=0")
            for _ in range(50):
                response.read1(1024)
                time.sleep(0.1)
        except LOST:
            self.tally.fault("slow: cut")
        self.client.close()
        self.tally.count("slow reader")


class Uploading(Visit):
    """A body larger than any buffer; what is said of it is true."""

    pause_seconds = 1.0

    def turn(self):
        body = os.urandom(1024) * self.random.randrange(1, 3000)
        status, answer = self.client.ask("POST", "/upload", body)
        if self.tally.judge("upload", status, 200):
            if json.loads(answer)["blake2b"] != hashlib.blake2b(body, digest_size=32).hexdigest():
                self.tally.mistake("upload: another hash")


class Reporting(Visit):
    """A background task: accepted, it ends, whatever worker is killed."""

    def turn(self):
        status, answer = self.client.ask("POST", "/report?seconds=1")
        if not self.tally.judge("report", status, 202):
            return
        path = "/report/" + json.loads(answer)["id"]
        deadline = time.monotonic() + REPORT_SECONDS_MAX
        while time.monotonic() < deadline:
            time.sleep(0.5)
            status, answer = self.client.ask("GET", path)
            if status not in FAULTS and status != 200:
                self.tally.mistake(f"report: status {status} when it was looked up")
                return
            if status == 200 and (state := json.loads(answer)["state"]) in ("done", "dead", "cancelled"):
                self.tally.count(f"report {state}")
                return
        self.tally.mistake("report: has not ended")


class Odd(Visit):
    """Requests that are refused, and those of which only the head is wanted."""

    REQUESTS = [("HEAD", "/null", (200,)), ("HEAD", "/counter", (200,)), ("GET", "/nowhere", (404,)), ("PATCH", "/null", (405,)),
                ("GET", "/stream?count=x", (400,)), ("GET", "/%zz", (400,)), ("POST", "/null", (405,)),
                ("GET", "/fail?at=1", ()), ("GET", "/after", (200,))]

    def look_at_failure(self, method, path):
        """Its status 200 has left before it fails, so that it has to be cut."""
        try:
            response = self.client.begin(method, path)
            response.read()
        except LOST:
            self.client.close()
            self.tally.count("a handler that fails")
        else:
            self.tally.judge("a handler that fails", response.status)

    def turn(self):
        method, path, expected = self.random.choice(self.REQUESTS)
        if path.startswith("/fail"):
            self.look_at_failure(method, path)
            return
        self.tally.judge(f"{method} {path}", self.client.ask(method, path)[0], *expected)


CROWD = [(Counting, 16), (Fields, 4), (LoggingIn, 4), (Streaming, 10), (Following, 10), (Leaving, 4), (Slow, 2),
         (Uploading, 1), (Reporting, 3), (Odd, 2)]


def stay(visit, is_over):
    while not is_over.is_set():
        try:
            visit.turn()
        except Exception as error:  # an answer that nobody understands is a finding, and the visitor goes on
            visit.tally.mistake(f"{type(visit).__name__}: {type(error).__name__}: {error}"[:200])
            visit.client.close()
        is_over.wait(visit.pause_seconds * visit.random.uniform(0.5, 1.5))
    visit.client.close()


def start(url, seed, is_over):
    """All visitors, each on a thread; they go when `is_over` is set. Returns what they see, and the threads."""
    tally = Tally()
    visits = [kind(url, tally, f"{seed}/{kind.__name__}/{number}") for kind, count in CROWD for number in range(count)]
    threads = [threading.Thread(target=stay, args=(visit, is_over), daemon=True) for visit in visits]
    for thread in threads:
        thread.start()
    return tally, threads
