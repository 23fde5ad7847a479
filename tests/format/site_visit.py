"""A running site as a stranger meets it: visitors over HTTP, the key file and Redis's socket in its directory."""

import http.client
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from session_format import Redis, parse_header, parse_key_file, record_key, sign_cookie, verify_cookie


@dataclass
class Response:
    status: int
    fields: list
    body: bytes

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name]


class Stream:
    """A response that is still coming."""

    def __init__(self, connection):
        self.connection, self.response = connection, connection.getresponse()

    def ends(self):
        """Reads on until it ends, whole or cut; False: that takes too long."""
        end = time.monotonic() + 10
        try:
            while time.monotonic() < end:
                if not self.response.read1():
                    return True
        except (http.client.HTTPException, ConnectionError):
            return True
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.response.close()
        self.connection.close()


class Visitor:
    """With at most one cookie, which a response may replace."""

    def __init__(self, address, cookie=None):
        self.address, self.cookie = address, cookie

    def request(self, method, path, body=None, fields=None):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        sent = {"Sec-Fetch-Site": "same-origin", **(fields or {})}
        if self.cookie is not None:
            sent["Cookie"] = f"mid={self.cookie}"
        connection.request(method, path, body, sent)
        return connection

    def open(self, path):
        return Stream(self.request("GET", path))

    def send(self, method, path, body=None, fields=None):
        connection = self.request(method, path, body, fields)
        answer = connection.getresponse()
        response = Response(answer.status, answer.getheaders(), answer.read())
        connection.close()
        for line in response.all("set-cookie"):
            name, value = line.split(";")[0].split("=", 1)
            if name == "mid":
                self.cookie = value or None
        return response

    def get(self, path):
        return self.send("GET", path)

    def login(self, user):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", "/login", f"user={user}", form)

    def counter(self):
        """/counter commits an increment of the field `counter`."""
        response = self.get("/counter")
        return json.loads(response.body)["counter"] if response.status == 200 else response.status

    def session(self):
        """What GET /api/session says of it; None: there is none."""
        return json.loads(self.get("/api/session").body)["session"]

    def fields(self):
        session = self.session()
        return session and session["fields"]


class Site:
    def __init__(self, url, directory):
        self.address = urlsplit(url).netloc
        self.keys = parse_key_file((Path(directory) / "keys").read_text())
        self.redis_path = str(Path(directory) / "redis.sock")
        self.redis = Redis(self.redis_path)

    def visitor(self, cookie=None):
        return Visitor(self.address, cookie)

    def cookie(self, rid, generation):
        return sign_cookie(self.keys, "mid", rid, generation)

    def token(self, visitor):
        return verify_cookie(self.keys, "mid", visitor.cookie)

    def header(self, rid):
        return parse_header(self.redis("HGET", record_key(rid), "@"))

    def end_ms(self, rid):
        """When the record's TTL ends."""
        return self.redis("PEXPIRETIME", record_key(rid))

    def new_rid(self):
        return secrets.token_bytes(16)
