#!/usr/bin/env python3
"""A steady load on a running Midstream, and what it came to: how many requests, how many failed and how.

    steady_load.py --url URL --until-file FILE [--rate N] [--visitors N] [--streams N] [--may-repeat]

Each visitor has a session and a kept connection, and asks for /counter; the counter it gets has to grow by one each time,
or a committed change was lost. Each stream is another visitor's, who reads /events to its end marker and begins again; every
second one is long.
Goes on until FILE exists, then prints one JSON object.

A kept connection may close just as a request is written to it: every client then asks once more on a new one (RFC 9112,
9.3.1). That is counted as `repeated`, and is no failure; but its counter may have grown by two.
"""

import argparse
import collections
import http.client
import json
import os
import ssl
import threading
import time
import urllib.parse

TIMEOUT_SECONDS = 30
STREAM_EVENTS = 40
LONG_STREAM_EVENTS = 240
STREAM_INTERVAL_MS = 50
SLOW_SECONDS = 1.0
PAUSE_SECONDS = 0.5  # before a refused stream is asked for again


class Visitor:
    """A session, on one connection at a time."""

    def __init__(self, url):
        self.url = urllib.parse.urlsplit(url)
        self.cookie = None
        self.connection = None

    def connect(self):
        address = (self.url.hostname, self.url.port)
        if self.url.scheme == "https":
            # The certificate is self-signed, and not what is tried here.
            context = ssl._create_unverified_context()
            self.connection = http.client.HTTPSConnection(*address, timeout=TIMEOUT_SECONDS, context=context)
        else:
            self.connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_SECONDS)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def begin(self, path):
        """Sends a request; the response, its body unread."""
        if self.connection is None:
            self.connect()
        self.connection.request("GET", path, headers={"Cookie": self.cookie} if self.cookie else {})
        response = self.connection.getresponse()
        cookie = response.getheader("Set-Cookie")
        if cookie:
            self.cookie = cookie.split(";")[0]
        return response


class Result:
    """What all threads have seen."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.failures = collections.Counter()
        self.slowest_seconds = 0.0

    def count(self, name):
        with self.lock:
            self.counts[name] += 1

    def fail(self, kind):
        with self.lock:
            self.counts["failed"] += 1
            self.failures[kind] += 1

    def took(self, seconds):
        with self.lock:
            self.slowest_seconds = max(self.slowest_seconds, seconds)
            self.counts["slow"] += seconds > SLOW_SECONDS


def name_of(error):
    return type(error).__name__


def ask_for_counter(visitor, result):
    """The counter, and whether the request was repeated; None if it failed."""
    is_kept = visitor.connection is not None
    for is_repeated in (False, True):
        try:
            response = visitor.begin("/counter")
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            visitor.close()
            was_closed = isinstance(error, (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError))
            if is_kept and not is_repeated and was_closed:
                result.count("repeated")
                continue
            result.fail(name_of(error))
            return None, is_repeated
        if response.status != 200:
            result.fail(f"status {response.status}")
            return None, is_repeated
        return json.loads(body)["counter"], is_repeated
    raise AssertionError("the second attempt returns")


def visit(url, interval_seconds, may_repeat, is_over, result):
    visitor = Visitor(url)
    counter = 0
    is_known = True  # whether the counter has to be exactly one more
    while not is_over():
        began = time.monotonic()
        result.count("requests")
        now, is_repeated = ask_for_counter(visitor, result)
        result.took(time.monotonic() - began)
        if now is None:
            is_known = False  # it may or may not have been applied
        else:
            is_exact = is_known and not is_repeated
            if is_exact and may_repeat and now == counter + 2:
                result.count("repeated_by_nginx")  # the worker died between its commit and its answer
            elif not (now == counter + 1 if is_exact else now > counter):
                result.fail(f"counter {counter} became {now}")
            counter, is_known = now, True
        time.sleep(max(0.0, interval_seconds - (time.monotonic() - began)))
    visitor.close()


def read_stream(visitor, events, result):
    """False if there was none."""
    result.count("streams")
    try:
        response = visitor.begin(f"/events?count={events}&interval_ms={STREAM_INTERVAL_MS}")
    except (OSError, http.client.HTTPException) as error:
        visitor.close()
        result.count("streams_refused")
        result.failures[f"stream: {name_of(error)}"] += 1
        return False
    if response.status != 200:
        response.read()
        result.count("streams_refused")
        result.failures[f"stream: status {response.status}"] += 1
        return False
    try:
        body = response.read()
    except (OSError, http.client.HTTPException):
        visitor.close()
        result.count("streams_cut")
        return True
    visitor.close()
    is_complete = body.count(b"data: {\"event\":") == events
    if b"event: reconnect\n" in body:
        result.count("streams_told_to_reconnect")
    elif not is_complete or b"event: end\n" not in body:
        result.count("streams_ended_wrongly")
    return True


def stream(url, events, is_over, result):
    visitor = Visitor(url)
    while not is_over():
        if not read_stream(visitor, events, result):
            time.sleep(PAUSE_SECONDS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--until-file", required=True)
    parser.add_argument("--rate", type=float, default=100, help="requests per second, of all visitors")
    parser.add_argument("--visitors", type=int, default=10)
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--may-repeat", action="store_true",
                        help="nginx may send a GET again whose worker was killed, also behind its commit")
    options = parser.parse_args()

    result = Result()

    def is_over():
        return os.path.exists(options.until_file)

    interval = options.visitors / options.rate
    threads = [threading.Thread(target=visit, args=(options.url, interval, options.may_repeat, is_over, result))
               for _ in range(options.visitors)]
    threads += [threading.Thread(target=stream, args=(options.url, LONG_STREAM_EVENTS if number % 2 else STREAM_EVENTS,
                                                      is_over, result))
                for number in range(options.streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = ["requests", "failed", "repeated", "repeated_by_nginx", "slow", "streams", "streams_refused", "streams_told_to_reconnect",
             "streams_cut", "streams_ended_wrongly"]
    report = {name: result.counts[name] for name in names}
    report["slowest_seconds"] = round(result.slowest_seconds, 3)
    report["failures"] = dict(result.failures)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
