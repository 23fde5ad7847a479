"""docs/session-format.md as a program that shares nothing with the project's: cookie, keys, form token, header, record.

Only Python's standard library. What is said here is what the document says, in its order; stranger.py has the checks.
"""

import base64
import hashlib
import hmac
import re
import secrets
import socket
import time
from dataclasses import dataclass, field, replace

# -------------------- keys --------------------

BLANKS = " \t\r"


def parse_key_file(text):
    """[(id, master key)], the signing one first. ValueError: it is no key file."""
    keys = []
    for line in text.split("\n"):
        line = line.split("#")[0].strip(BLANKS)
        match = re.fullmatch(f"([0-9]+)[{BLANKS}]+([0-9a-fA-F]{{64}})", line)
        if match and int(match[1]) < 256:
            keys.append((int(match[1]), bytes.fromhex(match[2])))
        elif line:
            raise ValueError("expected an id from 0 to 255, blanks, and 64 hexadecimal digits")
    if not 1 <= len(keys) <= 16 or len({key_id for key_id, _ in keys}) < len(keys):
        raise ValueError("expected 1 to 16 keys of different ids")
    return keys


def derive_cookie_key(master):
    """libsodium's crypto_kdf, subkey 1, context "midcooki"."""
    return hashlib.blake2b(
        b"", digest_size=32, key=master, salt=(1).to_bytes(8, "little") + bytes(8), person=b"midcooki" + bytes(8)
    ).digest()


def mac(cookie_key, message):
    """libsodium's crypto_auth."""
    return hmac.new(cookie_key, message, hashlib.sha512).digest()[:32]


def encode(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text, length):
    """None unless it is base64url without padding of so many bytes (here always a multiple of 3)."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    if len(text) * 3 != length * 4 or any(c not in alphabet for c in text):
        return None
    return base64.urlsafe_b64decode(text)


# -------------------- cookie and form token --------------------


@dataclass(frozen=True)
class Token:
    key_id: int
    rid: bytes
    generation: int


def cookie_message(name, head):
    return b"midstream session cookie v1" + bytes([len(name)]) + name.encode() + head


def sign_cookie(keys, name, rid, generation):
    key_id, master = keys[0]
    head = bytes([1, key_id]) + rid + generation.to_bytes(4, "big")
    return encode(head + mac(derive_cookie_key(master), cookie_message(name, head)))


def verify_cookie(keys, name, text):
    """The token, or the name of what is wrong."""
    raw = decode(text, 54)
    if raw is None or raw[0] != 1:
        return "malformed"
    master = dict(keys).get(raw[1])
    if master is None:
        return "unknown_key"
    if not hmac.compare_digest(mac(derive_cookie_key(master), cookie_message(name, raw[:22])), raw[22:]):
        return "forged"
    return Token(raw[1], raw[2:18], int.from_bytes(raw[18:22], "big"))


def form_message(rid, generation):
    return b"midstream form token v1\0" + rid + generation.to_bytes(4, "big")


def sign_form(keys, rid, generation):
    key_id, master = keys[0]
    return encode(bytes([key_id]) + mac(derive_cookie_key(master), form_message(rid, generation)))


def verify_form(keys, rid, generation, text):
    raw = decode(text, 33)
    master = dict(keys).get(raw[0]) if raw is not None else None
    return master is not None and hmac.compare_digest(
        mac(derive_cookie_key(master), form_message(rid, generation)), raw[1:]
    )


# -------------------- the header --------------------

HAS_USER, HAS_DEADLINES, HAS_ABOUT, OWES_COOKIE = 1, 2, 4, 8
WATCHED = 16  # in the flags from here on: somebody waits for changes
COMMITS_KEPT = 4
NO_COMMITS = (bytes(6),) * COMMITS_KEPT
WIDTHS = (
    ("version", 1), ("flags", 1), ("generation", 4), ("login", 4), ("revision", 6),
    ("touched", 6), ("expires", 6), ("renewed", 6), ("fields", 2), ("size", 4),
)  # fmt: skip


@dataclass
class Header:
    version: int = 2
    flags: int = 0
    generation: int = 1
    login: int = 1
    revision: int = 0
    touched: int = 0
    expires: int = 0
    renewed: int = 0
    fields: int = 0
    size: int = 0
    commits: tuple = field(default=NO_COMMITS)

    def pack(self):
        numbers = b"".join(getattr(self, name).to_bytes(width, "big") for name, width in WIDTHS)
        return numbers + b"".join(self.commits)


def parse_header(raw):
    """None: it is no header of format 2."""
    if raw is None or len(raw) != 64 or raw[0] != 2:
        return None
    numbers, at = {}, 0
    for name, width in WIDTHS:
        numbers[name] = int.from_bytes(raw[at : at + width], "big")
        at += width
    return Header(**numbers, commits=tuple(raw[i : i + 6] for i in range(at, 64, 6)))


def field_size(name, value):
    return len(name) + max(len(value), 20)


def record_key(rid):
    return b"mid:s:{" + rid.hex().encode() + b"}"


def tombstone_key(rid):
    return b"mid:e:{" + rid.hex().encode() + b"}"


def new_commit_id():
    return secrets.token_bytes(6)


# -------------------- Redis --------------------


class RedisError(Exception):
    pass


class Redis:
    """RESP2 over the unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def __call__(self, *arguments):
        parts = [a if isinstance(a, bytes) else str(a).encode() for a in arguments]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        answer = self.read()
        if isinstance(answer, RedisError):
            raise answer
        return answer

    def read(self):
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        length = int(rest)
        if length < 0:
            return None
        if kind == b"$":
            return self.file.read(length + 2)[:-2]
        return [self.read() for _ in range(length)]

    def hash(self, key):
        flat = self("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2]))

    def now_ms(self):
        seconds, microseconds = self("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000


# -------------------- committing, by WATCH --------------------


class Refused(Exception):
    pass


@dataclass
class Limits:
    fields: int = 64
    value_bytes: int = 16384
    size: int = 65536


def change(header, limits, before, changes, commit_id):
    """The header that a commit makes of this one. `before` has the values that are there now, None for none."""
    new = replace(header, revision=header.revision + 1, commits=(commit_id,) + header.commits[:3])
    new.flags &= ~OWES_COOKIE  # whoever commits has a current cookie
    for name, value in changes.items():
        old = before[name]
        new.fields += (value is not None) - (old is not None)
        new.size += field_size(name, value) if value is not None else 0
        new.size -= field_size(name, old) if old is not None else 0
        if value is not None and len(value) > limits.value_bytes:
            raise Refused("LIMIT")
    if new.fields > max(limits.fields, header.fields) or new.size > max(limits.size, header.size):
        raise Refused("LIMIT")
    return new


def commit_watching(redis, rid, generation, known_revision, changes, limits, commit_id, between=lambda: None):
    """Sets fields (None: deletes them). Returns the new header, or None when it had been applied before."""
    key = record_key(rid)
    while True:
        redis("WATCH", key)
        try:
            raw, *values = redis("HMGET", key, "@", *changes)
            header = parse_header(raw)
            if header is None:
                raise Refused("MISSING" if raw is None else "FOREIGN")
            if commit_id in header.commits:
                return None
            if generation != header.generation:
                raise Refused("STALE")
            if header.revision - known_revision > COMMITS_KEPT:
                raise Refused("UNKNOWN")
            new = change(header, limits, dict(zip(changes, values)), changes, commit_id)
            between()
            written = [part for name, value in changes.items() if value is not None for part in (name, value)]
            gone = [name for name, value in changes.items() if value is None]
            redis("MULTI")
            redis("HSET", key, "@", new.pack(), *written)
            redis("HDEL", key, *gone, *(b"@until:" + name for name in changes))
            if header.flags & OWES_COOKIE:
                redis("SET", key + b":exchanged", "", "PX", 30_000)
            if new.flags >= WATCHED:
                redis("PUBLISH", key, new.pack())
            if redis("EXEC") is not None:
                return new
        finally:
            redis("UNWATCH")


# -------------------- the other steps --------------------


def transaction(redis, *commands):
    redis("MULTI")
    for command in commands:
        redis(*command)
    return redis("EXEC")


def create(redis, rid, idle_ms, absolute_ms):
    now = redis.now_ms()
    header = Header(touched=now, renewed=now, expires=now + absolute_ms)
    key = record_key(rid)
    transaction(
        redis,
        ("HSET", key, "@", header.pack(), "@created", now),
        ("PEXPIREAT", key, min(now + idle_ms, header.expires)),
    )
    return header


def login(redis, rid, user, idle_ms, absolute_ms):
    """Renews; nobody else writes meanwhile, or it is to be tried again."""
    key = record_key(rid)
    redis("WATCH", key)
    raw, old_user = redis("HMGET", key, "@", "@user")
    header, now = parse_header(raw), redis.now_ms()
    header.generation += 1
    header.login = header.generation if user != (old_user or b"") else header.login
    header.flags = header.flags & ~OWES_COOKIE | HAS_USER
    header.renewed = header.touched = now
    header.expires = now + absolute_ms
    header.revision += 1
    header.commits = (new_commit_id(),) + header.commits[:3]
    done = transaction(
        redis,
        ("HSET", key, "@", header.pack(), "@user", user),
        ("PEXPIREAT", key, min(now + idle_ms, header.expires)),
        *([("PUBLISH", "mid:ended", key)] if header.login == header.generation else []),
    )
    if done is None:
        raise Refused("CHANGED")
    return header


def logout(redis, rid):
    key = record_key(rid)
    transaction(redis, ("DEL", key), ("SET", tombstone_key(rid), "", "PX", 30000), ("PUBLISH", "mid:ended", key))


def wait_until(condition, seconds=15.0):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
