"""What a stranger does on a running site, beside its server. The settings are those that format.c starts it with."""

import random
import time

from session_format import *

IDLE_MS, ABSOLUTE_MS = 300_000, 7_200_000
USER_IDLE_MS, USER_ABSOLUTE_MS = 3_600_000, 86_400_000
LIMITS = Limits(fields=8, value_bytes=512, size=1024)


class Stranger:
    """Commits by the document's script, as it stands there."""

    def __init__(self, site, script, expect):
        self.site, self.script, self.expect = site, script, expect

    def commit(self, rid, known, generation, changes, commit_id=None):
        arguments = [commit_id or new_commit_id(), known, generation, LIMITS.fields, LIMITS.value_bytes, LIMITS.size]
        for name, value in changes.items():
            arguments += ["d", name, ""] if value is None else ["s", name, value]
        answer = self.site.redis("EVAL", self.script, 1, record_key(rid), *arguments)
        return answer if isinstance(answer, int) else answer.decode()

    def counts_are_right(self, rid, why):
        """The header's fields and size, counted from the hash."""
        hash_ = self.site.redis.hash(record_key(rid))
        header = parse_header(hash_[b"@"])
        visitors = {name: value for name, value in hash_.items() if not name.startswith(b"@")}
        self.expect(f"fields {why}", header.fields, len(visitors))
        self.expect(f"size {why}", header.size, sum(field_size(name, value) for name, value in visitors.items()))
        return header

    def visitor_with_session(self):
        visitor = self.site.visitor()
        self.expect("the first counter", visitor.counter(), 1)
        return visitor, self.site.token(visitor)


# -------------------- what the server writes --------------------


def check_new_session(s):
    visitor = s.site.visitor()
    response = visitor.get("/counter")
    token = s.site.token(visitor)
    hash_ = s.site.redis.hash(record_key(token.rid))
    header = s.counts_are_right(token.rid, "of a new record")
    attributes = f"Path=/; Max-Age={ABSOLUTE_MS // 1000}; HttpOnly; SameSite=Lax"
    s.expect("Set-Cookie", response.all("set-cookie"), [f"mid={visitor.cookie}; {attributes}"])
    s.expect("Cache-Control", response.all("cache-control"), ["no-store"])
    s.expect("the cookie's generation and key", (token.generation, token.key_id), (1, s.site.keys[0][0]))
    s.expect("the hash", sorted(hash_), [b"@", b"@created", b"counter"])
    s.expect("flags, generation, login", (header.flags, header.generation, header.login), (0, 1, 1))
    s.expect("the revision after one commit", header.revision, 1)
    s.expect("created and renewed", int(hash_[b"@created"]), header.renewed)
    s.expect("the absolute end", header.expires, header.renewed + ABSOLUTE_MS)
    s.expect("touched", header.touched, header.renewed)
    s.expect("the TTL", s.site.end_ms(token.rid), header.touched + IDLE_MS)
    s.expect("one identifier", [c != bytes(6) for c in header.commits], [True, False, False, False])
    before = abs(s.site.redis.now_ms() - header.touched)
    s.expect("the clock is Redis's", before < 60_000, True)


def check_forged(s):
    visitor, token = s.visitor_with_session()
    master = s.site.keys[0][1]
    for wrong in (
        sign_cookie([(s.site.keys[0][0], bytes(32))], "mid", token.rid, 1),  # another key
        sign_cookie([(s.site.keys[0][0] ^ 1, master)], "mid", token.rid, 1),  # an id that is not in the file
        sign_cookie(s.site.keys, "__Host-mid", token.rid, 1),  # for another cookie
        visitor.cookie + "=",
        visitor.cookie[:-1],
        f'"{visitor.cookie}"',
        f"{visitor.cookie}; mid={visitor.cookie}",
    ):
        s.expect(f"a forged cookie shows nothing: {wrong}", s.site.visitor(wrong).fields(), None)
        s.expect(f"and changes nothing: {wrong}", s.site.visitor(wrong).counter(), 1)
    s.expect("the session is as it was", visitor.fields(), {"counter": "1"})
    own = s.site.cookie(token.rid, 1)
    s.expect("the stranger's cookie is the server's", own, visitor.cookie)


# -------------------- commits --------------------


def check_commits(s):
    visitor, token = s.visitor_with_session()
    rid, key = token.rid, record_key(token.rid)
    end_ms, first = s.site.end_ms(rid), s.site.header(rid)
    commit_id = new_commit_id()
    s.expect("the script commits", s.commit(rid, first.revision, 1, {b"colour": b"violet"}, commit_id), 2)
    s.expect("the server shows it", visitor.fields(), {"counter": "1", "colour": "violet"})
    s.expect("and its revision", visitor.session()["revision"], 2)
    s.expect("the server goes on", visitor.counter(), 2)
    header = s.counts_are_right(rid, "after the server's commit on the stranger's")
    s.expect("the revision after it", header.revision, 3)
    s.expect("the identifiers, shifted", header.commits[1:], (commit_id, first.commits[0], bytes(6)))
    s.expect("the TTL is left alone", s.site.end_ms(rid), end_ms)
    s.expect("touched, too", header.touched, first.touched)

    s.expect("sent again", s.commit(rid, first.revision, 1, {b"colour": b"violet"}, commit_id), "APPLIED")
    changes = {b"colour": None, b"note": b"\0bytes\xff" * 9, b"counter": b"41"}
    watched = commit_watching(s.site.redis, rid, 1, header.revision, changes, LIMITS, commit_id := new_commit_id())
    s.expect("WATCH commits", s.site.redis("HMGET", key, *changes), list(changes.values()))
    s.expect("its header", s.counts_are_right(rid, "after WATCH"), watched)
    again = commit_watching(s.site.redis, rid, 1, header.revision, changes, LIMITS, commit_id)
    s.expect("WATCH, sent again", again, None)
    s.expect("the server counts on", visitor.counter(), 42)

    answers = []
    overtake = [lambda: answers.append(visitor.counter())]  # once, between WATCH and EXEC
    known = s.site.header(rid).revision
    new = commit_watching(
        s.site.redis, rid, 1, known, {b"late": b"1"}, LIMITS, new_commit_id(), lambda: overtake and overtake.pop()()
    )
    s.expect("who overtakes is not overwritten", (answers, s.site.redis("HGET", key, "counter")), ([43], b"43"))
    s.expect("and the stranger comes next", new, s.counts_are_right(rid, "after being overtaken"))

    # At most once: after 4 others nobody can tell any more.
    known, commit_id = s.site.header(rid).revision, new_commit_id()
    s.expect("a commit", s.commit(rid, known, 1, {b"once": b"1"}, commit_id), known + 1)
    for i in range(3):
        s.expect("the server's", visitor.counter(), 44 + i)
        s.expect("still known", s.commit(rid, known, 1, {b"once": b"2"}, commit_id), "APPLIED")
    s.expect("the server's", visitor.counter(), 47)
    s.expect("pushed out", s.commit(rid, known, 1, {b"once": b"2"}, commit_id), "UNDECIDABLE")
    s.expect("4 others are not too many", s.commit(rid, known + 1, 1, {b"once": b"3"}), known + 6)
    s.counts_are_right(rid, "at the end of it")


def check_both_write_at_random(s):
    """Whatever the two of them do, the header is right and the server sees all of it."""
    source = random.Random(7)
    visitor, token = s.visitor_with_session()
    wanted = {"counter": "1"}
    for _ in range(150):
        name = source.choice(["a", "bb", "ccc", "counter"])
        value = source.choice([None, "", "7", "x" * source.randint(1, 60), "-9223372036854775808"])
        who = source.choice(["server", "script", "watch", "counter"])
        if who == "counter":
            text = wanted.get("counter", "0")
            number = int(text) if text.lstrip("-").isdigit() else None
            answer = visitor.counter()
            s.expect("an increment", answer, 422 if number is None else number + 1)
            if number is not None:
                wanted["counter"] = str(number + 1)
            continue
        change_ = {name.encode(): value.encode() if value is not None else None}
        known = s.site.header(token.rid).revision
        if who == "script":
            s.expect("the script", s.commit(token.rid, known, 1, change_), known + 1)
        elif who == "watch":
            commit_watching(s.site.redis, token.rid, 1, known, change_, LIMITS, new_commit_id())
        elif value is None:
            s.expect("DELETE", visitor.send("DELETE", f"/api/session/{name}").status, 204)
        else:
            s.expect("PUT", visitor.send("PUT", f"/api/session/{name}", value).status, 204)
        wanted.pop(name, None) if value is None else wanted.update({name: value})
        if value is not None and name == "counter" and value == "":
            s.expect("no number", visitor.counter(), 422)
        s.expect("the fields", visitor.fields(), wanted)
        s.counts_are_right(token.rid, f"after {who}")


def check_refusals(s):
    visitor, token = s.visitor_with_session()
    missing = s.site.new_rid()
    s.expect("a missing record", s.commit(missing, 0, 1, {b"a": b"1"}), "MISSING")
    s.expect("is not made", s.site.redis("EXISTS", record_key(missing)), 0)
    s.expect("an older generation", s.commit(token.rid, 1, 0, {b"a": b"1"}), "STALE")
    s.site.redis("HSET", record_key(missing), "@", b"\3" + bytes(63))
    s.expect("another version", s.commit(missing, 0, 1, {b"a": b"1"}), "FOREIGN")
    s.expect("the server refuses it as well", s.site.visitor(s.site.cookie(missing, 1)).counter(), 500)
    s.expect("and reads it no more", s.site.visitor(s.site.cookie(missing, 1)).get("/api/session").status, 500)
    s.expect("and leaves it alone", s.site.redis("HGET", record_key(missing), "@"), b"\3" + bytes(63))

    put = lambda name, value: visitor.send("PUT", f"/api/session/{name}", value).status
    for name in ("n" * 65, "%40a", "a%7f", "a%01", "a%c2%9f"):
        s.expect(f"the name {name}", put(name, "1"), 422)
    for name in ("n" * 64, "%c2%a0", "a%40"):
        s.expect(f"the name {name}", put(name, "1"), 204)
        s.expect(f"without {name}", visitor.send("DELETE", f"/api/session/{name}").status, 204)

    # The limits, as the header counts them.
    known = s.site.header(token.rid).revision
    s.expect("a long value", s.commit(token.rid, known, 1, {b"a": b"x" * 513}), "LIMIT")
    s.expect("for the server, too", put("a", "x" * 513), 422)
    s.expect("the longest value", put("a", "x" * 512), 204)
    room = LIMITS.size - s.site.header(token.rid).size
    known = s.site.header(token.rid).revision
    s.expect("a byte too many", s.commit(token.rid, known, 1, {b"b": b"x" * room}), "LIMIT")
    s.expect("for the server, too", put("b", "x" * room), 422)
    s.expect("the last byte", s.commit(token.rid, known, 1, {b"b": b"x" * (room - 1)}), known + 1)
    s.expect("nothing more for the server", put("c", ""), 422)
    s.expect("but less", put("b", "x" * 30), 204)
    s.expect("and what was deleted", visitor.send("DELETE", "/api/session/a").status, 204)
    for i in range(6):
        known = s.site.header(token.rid).revision
        s.expect("a field", s.commit(token.rid, known, 1, {b"f%d" % i: b""}), known + 1)
    s.expect("8 fields", s.counts_are_right(token.rid, "of 8 fields").fields, 8)
    s.expect("the 9th", s.commit(token.rid, known + 1, 1, {b"g": b""}), "LIMIT")
    s.expect("for the server, too", put("g", ""), 422)


# -------------------- generations --------------------


def check_login(s):
    visitor, token = s.visitor_with_session()
    rid, old = token.rid, visitor.cookie
    first = s.site.header(rid)
    s.expect("a login", visitor.login("ada").status, 204)
    header = s.counts_are_right(rid, "after a login")
    numbers = (header.flags, header.generation, header.login, header.revision)
    wanted = (HAS_USER | HAS_ABOUT, 2, 2, first.revision + 1)  # the demonstration describes the session
    s.expect("flags, generation, login, revision", numbers, wanted)
    s.expect("the user", s.site.redis("HGET", record_key(rid), "@user"), b"ada")
    s.expect("renewed, later", header.renewed >= first.renewed, True)
    s.expect("expires", header.expires, header.renewed + USER_ABSOLUTE_MS)
    s.expect("touched", header.touched, header.renewed)
    s.expect("the TTL", s.site.end_ms(rid), header.renewed + USER_IDLE_MS)
    s.expect("the rid and the cookie's generation", s.site.token(visitor), Token(token.key_id, rid, 2))
    stale = s.site.visitor(old)
    s.expect("the old cookie", (stale.counter(), stale.cookie, stale.fields()), (409, old, None))
    s.expect("for the stranger, too", s.commit(rid, header.revision, 1, {b"a": b"1"}), "STALE")

    # The answer was lost: the same login with the old cookie counts as that one.
    again = s.site.visitor(old)
    s.expect("the same login again", again.login("ada").status, 204)
    s.expect("gives the cookie of now", again.cookie, visitor.cookie)
    s.expect("and renews nothing", s.site.header(rid).renewed, header.renewed)
    s.expect("but commits", s.site.header(rid).revision, header.revision + 1)
    other = s.site.visitor(old)
    s.expect("another login with it", other.login("bob").status, 409)

    s.expect("the same user once more", visitor.login("ada").status, 204)
    header = s.site.header(rid)
    s.expect("generation, login", (header.generation, header.login), (3, 2))

    # A cookie from long before: a visitor without a session.
    header.renewed -= 31_000
    s.site.redis("HSET", record_key(rid), "@", header.pack())
    stale = s.site.visitor(old)
    s.expect("an old cookie, later", stale.counter(), 1)
    s.expect("a session of its own", s.site.token(stale).rid != rid, True)

    late = s.site.visitor(s.site.cookie(rid, 2))
    s.expect("the same login again, too late", late.login("ada").status, 204)
    s.expect("begins another session", s.site.token(late).rid != rid, True)
    s.expect("a long user", visitor.login("u" * 129).status, 422)
    s.expect("the longest user", visitor.login("u" * 128).status, 204)

    # By a stranger.
    visitor, token = s.visitor_with_session()
    header = login(s.site.redis, token.rid, b"eve", USER_IDLE_MS, USER_ABSOLUTE_MS)
    s.expect("the cookie from before it", visitor.counter(), 409)
    visitor.cookie = s.site.cookie(token.rid, header.generation)
    s.expect("the stranger's cookie", visitor.counter(), 2)
    answer = visitor.session()
    s.expect("the user", (answer["user"], answer["expires_ms"]), ("eve", header.expires))


def check_owed_cookie(s):
    """A renewal by a stranger who can send no cookie."""
    for by_script in (True, False):
        visitor, token = s.visitor_with_session()
        key, old = record_key(token.rid), visitor.cookie
        header = s.site.header(token.rid)
        header.generation, header.flags = 2, header.flags | OWES_COOKIE
        s.site.redis("HSET", key, "@", header.pack())
        s.expect("the old cookie", visitor.counter(), 2)
        s.expect("is exchanged", s.site.token(visitor).generation, 2)
        s.expect("until the new one has come", s.site.header(token.rid).flags, OWES_COOKIE)
        known = s.site.header(token.rid).revision
        if by_script:
            s.expect("a commit with it", s.commit(token.rid, known, 2, {b"a": b"1"}), known + 1)
        else:
            commit_watching(s.site.redis, token.rid, 2, known, {b"a": b"1"}, LIMITS, new_commit_id())
        s.expect("nothing is owed", s.counts_are_right(token.rid, "after an exchange").flags, 0)
        s.expect("there is a sign", s.site.redis("PTTL", key + b":exchanged") > 20_000, True)
        stale = s.site.visitor(old)
        s.expect("and the old cookie is out", (stale.counter(), stale.cookie), (409, old))
        s.expect("the new one is not", visitor.counter(), 3)


def check_handles(s):
    """A stream that began before a login ends with it if the user is another one, and goes on if he is the same."""
    visitor, token = s.visitor_with_session()
    rid, path = token.rid, "/stream?count=1000&interval_ms=20"
    chunk = lambda: int(s.site.redis("HGET", record_key(rid), "chunk") or 0)
    rises = lambda: (least := chunk() + 2) and wait_until(lambda: chunk() >= least)
    with visitor.open(path) as stream:
        s.expect("a stream's commits", rises(), True)
        header = login_again(s, rid, b"eve")
        s.expect("end with the login of somebody", stream.ends(), True)
    visitor.cookie = s.site.cookie(rid, header.generation)
    with visitor.open(path):
        s.expect("a stream of hers", rises(), True)
        header = login_again(s, rid, b"eve")
        s.expect("generation and login", (header.generation, header.login), (3, 2))
        s.expect("goes on when she logs in again", rises() and rises(), True)
        s.counts_are_right(rid, "under a stream")


def login_again(s, rid, user):
    """Until nobody comes between."""
    while True:
        try:
            return login(s.site.redis, rid, user, USER_IDLE_MS, USER_ABSOLUTE_MS)
        except Refused:
            continue


def check_logout(s):
    visitor, token = s.visitor_with_session()
    cookie = visitor.cookie
    gone = visitor.send("POST", "/logout")
    s.expect("a logout", gone.status, 204)
    s.expect("empties the cookie", gone.all("set-cookie"), ["mid=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"])
    s.expect("the record", s.site.redis("EXISTS", record_key(token.rid)), 0)
    s.expect("the sign", s.site.redis("GET", tombstone_key(token.rid)), b"")
    s.expect("of 30 s", 0 < s.site.redis("PTTL", tombstone_key(token.rid)) <= 30_000, True)
    late = s.site.visitor(cookie)
    s.expect("a request under way", (late.counter(), late.fields()), (409, None))
    s.site.redis("DEL", tombstone_key(token.rid))
    s.expect("later", late.counter(), 1)
    s.expect("in a session of its own", s.site.token(late).rid != token.rid, True)

    visitor, token = s.visitor_with_session()
    logout(s.site.redis, token.rid)
    s.expect("a stranger's logout", (visitor.counter(), visitor.fields()), (409, None))


# -------------------- lifetimes --------------------


def check_touching(s):
    visitor, token = s.visitor_with_session()
    rid, key = token.rid, record_key(token.rid)

    def touched_ago(ago_ms, ends_in_ms=None):
        """A record that was touched so long ago; what another request makes of it."""
        header, now = s.site.header(rid), s.site.redis.now_ms()
        header.touched = before = now - ago_ms
        if ends_in_ms is not None:
            header.expires = now + ends_in_ms
        s.site.redis("HSET", key, "@", header.pack())
        return before, header

    for idle_ms, after_ms in ((IDLE_MS, 30_000), (USER_IDLE_MS, 60_000)):
        for request in (visitor.fields, visitor.counter):
            before, header = touched_ago(after_ms - 9_000)
            request()
            s.expect("touched not long ago", s.site.header(rid).touched, before)
            before, header = touched_ago(after_ms + 1_000)
            request()
            new = s.site.header(rid)
            s.expect("touched longer ago", new.touched > before + after_ms, True)
            s.expect("the TTL", s.site.end_ms(rid), new.touched + idle_ms)
            revision = header.revision + (request == visitor.counter)
            s.expect("the revision", new.revision, revision)
        visitor.login("ada")

    _, header = touched_ago(61_000, ends_in_ms=20_000)
    visitor.fields()
    s.expect("never past the absolute end", s.site.end_ms(rid), header.expires)


def check_field_lifetimes(s):
    visitor, token = s.visitor_with_session()
    rid, key = token.rid, record_key(token.rid)
    header = s.site.header(rid)
    header.flags |= HAS_DEADLINES
    header.revision, header.commits = header.revision + 1, (new_commit_id(),) + header.commits[:3]
    for name, value in ((b"code", b"1234"), (b"long", b"x")):
        header.fields, header.size = header.fields + 1, header.size + field_size(name, value)
    now = s.site.redis.now_ms()
    ends = ("@until:code", now + 3000, "@until:long", now + 60_000)
    s.site.redis("HSET", key, "@", header.pack(), "code", "1234", "long", "x", *ends)
    s.expect("before its end", visitor.fields(), {"counter": "1", "code": "1234", "long": "x"})
    s.expect("a commit before it", visitor.counter(), 2)
    gone = {"counter": "2", "long": "x"}
    s.expect("its end", wait_until(lambda: visitor.fields() == gone), True)
    s.expect("not before it", s.site.redis.now_ms() >= now + 3000, True)
    s.expect("it still stands there", s.site.redis("HMGET", key, "code", "@until:code")[0], b"1234")
    s.expect("the next commit", visitor.counter(), 3)
    s.expect("takes it away", s.site.redis("HMGET", key, "code", "@until:code"), [None, None])
    header = s.counts_are_right(rid, "after a lifetime")
    s.expect("the flag stays for the other", header.flags, HAS_DEADLINES)

    s.expect("to set it for good", s.commit(rid, header.revision, 1, {b"long": b"y"}), header.revision + 1)
    s.expect("takes its end away", s.site.redis("HEXISTS", key, "@until:long"), 0)
    s.expect("the commit after it", visitor.counter(), 4)
    s.expect("takes the flag away", s.counts_are_right(rid, "without lifetimes").flags, 0)


# -------------------- making sessions, format 1, claims --------------------


def check_own_session(s):
    rid = s.site.new_rid()
    header = create(s.site.redis, rid, IDLE_MS, ABSOLUTE_MS)
    visitor = s.site.visitor(s.site.cookie(rid, 1))
    s.expect("a session that a stranger made", visitor.fields(), {})
    s.expect("the server takes no other", visitor.counter(), 1)
    s.expect("its cookie", s.site.token(visitor).rid, rid)
    s.expect("its header", s.counts_are_right(rid, "of it").expires, header.expires)
    s.expect("its TTL", s.site.end_ms(rid), header.touched + IDLE_MS)


def check_format_1(s):
    for user, login_ in ((b"", 1), (b"ada", 5)):
        rid, now = s.site.new_rid(), s.site.redis.now_ms()
        key = record_key(rid)
        old = {
            "@created": now - 2000, "@expires": now + 500_000, "@touched": now - 1000, "@generation": 5,
            "@renewed": now - 1500, "@revision": 77, "@commits": bytes(64), "@user": user,
            "counter": 9, "note": "n" * 25,
        }  # fmt: skip
        s.site.redis("HSET", key, *(part for pair in old.items() for part in pair))
        s.site.redis("PEXPIREAT", key, now + 200_000)
        visitor = s.site.visitor(s.site.cookie(rid, 5))
        s.expect("a record of format 1", visitor.fields(), {"counter": "9", "note": "n" * 25})
        s.expect("is left so by a reader", s.site.redis("HEXISTS", key, "@"), 0)
        s.expect("the stranger leaves it", s.commit(rid, 77, 5, {b"a": b"1"}), "MISSING")
        s.expect("with an older cookie", s.site.visitor(s.site.cookie(rid, 4)).counter(), 409)
        s.expect("the server commits", visitor.counter(), 10)
        header = s.counts_are_right(rid, "of a converted record")
        wanted = Header(
            flags=1 if user else 0, generation=5, login=login_, revision=78, touched=now - 1000, expires=now + 500_000,
            renewed=now - 1500, fields=2, size=27 + 29, commits=(header.commits[0],) + NO_COMMITS[1:],
        )  # fmt: skip
        s.expect("the header", header, wanted)
        own = sorted(name for name in s.site.redis.hash(key) if name.startswith(b"@"))
        s.expect("the server's fields", own, [b"@", b"@created"] + ([b"@user"] if user else []))
        s.expect("@created", s.site.redis("HGET", key, "@created"), b"%d" % (now - 2000))
        s.expect("the TTL", s.site.end_ms(rid), now + 200_000)


def check_claim(s):
    visitor, token = s.visitor_with_session()
    rid = token.rid
    answer = visitor.send("POST", "/report?seconds=2")
    s.expect("a task", answer.status, 202)
    task = answer.all("location")[0].rsplit("/", 1)[1]
    claim = record_key(rid) + b":task:" + task.encode()
    s.expect("its claim", wait_until(lambda: s.site.redis("EXISTS", claim) == 1), True)
    hash_ = s.site.redis.hash(claim)
    s.expect("the generation", hash_[b"generation"], b"1")
    s.expect("until when", int(hash_[b"until"]) > s.site.redis.now_ms(), True)
    s.expect("the claim's end", s.site.redis("PEXPIRETIME", claim), s.site.header(rid).expires + USER_ABSOLUTE_MS)
    known = s.site.header(rid).revision
    s.expect("a stranger beside the task", type(s.commit(rid, known, 1, {b"beside": b"1"})), int)
    s.expect("the task's end", wait_until(lambda: (visitor.fields() or {}).get("reports") == "1"), True)
    s.expect("the claim", wait_until(lambda: s.site.redis("EXISTS", claim) == 0), True)
    s.expect("all of it", visitor.fields(), {"counter": "1", "report": "100", "beside": "1", "reports": "1"})
    s.counts_are_right(rid, "after the task")


def run(site, script, expect):
    s = Stranger(site, script, expect)
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            began = time.monotonic()
            check(s)
            print(f"ok {name} {time.monotonic() - began:.2f} s", flush=True)
