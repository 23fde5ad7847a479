#!/usr/bin/python3
"""Whether docs/session-format.md says what the project does: a stranger, who knows only the document.

    stranger.py document FILE             the vectors of the document, by session_format.py
    stranger.py oracle PROGRAM [SEED]     10,000 cookies each way, headers, key files, by the project's C (oracle.c)
    stranger.py site URL DIR FILE         a running site in DIR, beside its server; the settings are format.c's
    stranger.py forms URL DIR             the tests' application in DIR: form tokens

Ends with 1 at the first claim that does not hold.
"""

import random
import re
import subprocess
import sys
from pathlib import Path

from session_format import *
from site_visit import Site

VECTORS = 10_000


def expect(claim, got, wanted):
    if got != wanted:
        sys.exit(f"NOT SO: {claim}\n  got    {got!r}\n  wanted {wanted!r}")


def blocks(document, kind):
    """The fenced blocks of the kind, as {name: value}."""
    found = re.findall(rf"^```{kind}\n(.*?)^```$", document, re.M | re.S)
    if not found:
        sys.exit(f"the document has no block '{kind}'")
    return [dict(line.split(" = ", 1) for line in block.splitlines()) for block in found]


# -------------------- the document --------------------


def check_document(path):
    document = Path(path).read_text()
    (key,) = blocks(document, "vector key")
    keys = parse_key_file(key["line"] + "\n")
    expect("the key line's content", keys, [(int(key["id"]), bytes.fromhex(key["master key"]))])
    expect("the derived key", derive_cookie_key(keys[0][1]).hex(), key["cookie key"])

    names = set()
    for row in blocks(document, "vector cookie"):
        rid, generation = bytes.fromhex(row["rid"]), int(row["generation"])
        raw = bytes.fromhex(row["bytes"])
        names.add(row["name"])
        expect("the cookie's message", cookie_message(row["name"], raw[:22]).hex(), row["message"])
        expect("the cookie's bytes", decode(row["cookie"], 54), raw)
        expect("the cookie", sign_cookie(keys, row["name"], rid, generation), row["cookie"])
        expect("its verification", verify_cookie(keys, row["name"], row["cookie"]), Token(keys[0][0], rid, generation))
        expect("the other name", verify_cookie(keys, "other", row["cookie"]), "forged")
    expect("the names of cookies", names, {"__Host-mid", "mid"})

    (form,) = blocks(document, "vector form")
    rid, generation = bytes.fromhex(form["rid"]), int(form["generation"])
    expect("the form's message", form_message(rid, generation).hex(), form["message"])
    expect("the form's bytes", decode(form["token"], 33).hex(), form["bytes"])
    expect("the form's token", sign_form(keys, rid, generation), form["token"])
    expect("its verification", verify_form(keys, rid, generation, form["token"]), True)
    expect("another generation", verify_form(keys, rid, generation + 1, form["token"]), False)

    (row,) = blocks(document, "vector header")
    header = parse_header(bytes.fromhex(row["bytes"]))
    for name, _ in WIDTHS:
        expect(f"the header's {name}", getattr(header, name), int(row[name]))
    expect("the header's commits", " ".join(commit.hex() for commit in header.commits), row["commits"])
    expect("the header packed again", header.pack().hex(), row["bytes"])

    (row,) = blocks(document, "vector size")
    total = int(row.pop("sum"))
    expect("the size", sum(field_size(name.encode(), value.encode()) for name, value in row.items()), total)

    # Defaults, as docs/settings.md has them, which the program writes.
    settings = (Path(path).parent / "settings.md").read_text()
    named = re.findall(r"`(session-[a-z-]+)`(?: \(| \| )([0-9,]+)", document)
    expect("settings with a default", len(named), 7)
    for name, value in named:
        default = re.search(rf"^### `{name}`.*?Default: `(\d+)`", settings, re.M | re.S)
        expect(f"the default of {name}", value.replace(",", ""), default and default[1])


# -------------------- the project's C --------------------


def ask(program, lines):
    done = subprocess.run([program], input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
    answers = done.stdout.splitlines()
    if done.returncode != 0 or len(answers) != len(lines):
        sys.exit(f"the oracle ended with {done.returncode} after {len(answers)} of {len(lines)} answers\n{done.stderr}")
    return answers


def random_keys(source):
    ids = source.sample(range(256), source.randint(1, 3))
    return [(key_id, source.randbytes(32)) for key_id in ids]


def key_words(keys):
    return " ".join(f"{key_id} {master.hex()}" for key_id, master in keys)


def verdict_text(keys, verdict):
    if isinstance(verdict, str):
        return verdict
    how = "valid" if verdict.key_id == keys[0][0] else "valid_old_key"
    return f"{how} {verdict.key_id} {verdict.rid.hex()} {verdict.generation}"


def damaged(source, text):
    """The cookie with a character changed, added or lost."""
    at = source.randrange(len(text))
    other = source.choice("ABCxyz059-_=+/ \"~")
    before, behind = text[:at], text[at + 1 :]
    return source.choice([before + other + behind, before + other + text[at:], before + behind])


def random_key_file(source):
    """Right more often than not."""
    blank = lambda least: "".join(source.choice(" \t\r") for _ in range(source.randint(least, 3)))
    lines = []
    for _ in range(source.choice([0, 1, 1, 2, 3, 16, 17])):
        key_id = source.choice([str(source.randrange(256)), "007", str(source.randrange(260))])
        digits = source.randbytes(32).hex()
        broken = digits[: source.randrange(60, 64)] + source.choice("g 0")
        digits = source.choice([digits, digits, digits.upper(), broken])
        lines.append(blank(0) + key_id + blank(source.random() > 0.05) + digits + blank(0))
    lines += source.sample(["", " \t", "# a comment", "1"], source.randrange(3)) if source.random() < 0.5 else []
    source.shuffle(lines)
    lines = [line + source.choice(["", "", "# 1 and more"]) for line in lines]
    return "\n".join(lines) + source.choice(["", "\n", "\r\n"])


def key_file_text(text):
    try:
        first, *others = parse_key_file(text)
        return " ".join(f"{key_id} {derive_cookie_key(master).hex()}" for key_id, master in [first, *sorted(others)])
    except ValueError:
        return "none"


def check_oracle(program, seed=None):
    seed = int(seed) if seed else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    source = random.Random(seed)

    questions, wanted = [], []
    for _ in range(VECTORS):
        keys, name = random_keys(source), source.choice(["__Host-mid", "mid", "x" * source.randint(1, 64)])
        rid, generation = source.randbytes(16), source.getrandbits(source.randint(1, 32))
        questions.append(f"sign {name} {rid.hex()} {generation} {key_words(keys)}")
        wanted.append(sign_cookie(keys, name, rid, generation))
    for question, got, want in zip(questions, ask(program, questions), wanted):
        expect(question, got, want)

    questions, wanted, verdicts = [], [], {}
    for i in range(VECTORS):
        keys, name = random_keys(source), source.choice(["__Host-mid", "mid"])
        signers = [source.choice(keys)] if i % 10 else random_keys(source)
        text = sign_cookie(signers, name, source.randbytes(16), source.getrandbits(32))
        if i % 4 == 0:
            text = damaged(source, text).replace(" ", ".")
        verdict = verdict_text(keys, verify_cookie(keys, name, text))
        verdicts[verdict.split()[0]] = verdicts.get(verdict.split()[0], 0) + 1
        questions.append(f"verify {name} {text} {key_words(keys)}")
        wanted.append(verdict)
    for question, got, want in zip(questions, ask(program, questions), wanted):
        expect(question, got, want)
    expect("all verdicts came", sorted(verdicts), ["forged", "malformed", "unknown_key", "valid", "valid_old_key"])

    questions, wanted = [], []
    for i in range(VECTORS // 10):
        raw = bytearray(source.randbytes(64))
        raw[0] = 2 if i % 10 else source.choice([0, 1, 3, 255])
        if i % 15 == 0:
            raw = raw[: source.choice([0, 1, 63])] if i % 2 else raw + b"\0"
        header = parse_header(bytes(raw))
        questions.append(f"header {raw.hex() or '-'}")
        numbers = " ".join(str(getattr(header, name)) for name, _ in WIDTHS[1:]) if header else "none"
        wanted.append(f"{numbers} {' '.join(c.hex() for c in header.commits)} {raw.hex()}" if header else "none")
    for _ in range(VECTORS // 10):
        text = random_key_file(source)
        questions.append(f"keyfile {text.encode().hex() or '-'}")
        wanted.append(key_file_text(text))
    expect("key files of both kinds", 50 < wanted[VECTORS // 10 :].count("none") < VECTORS // 10 - 50, True)
    for length in (0, 1, 19, 20, 21, 1000):
        questions.append(f"size 7 {length}")
        wanted.append(str(field_size(b"counter", bytes(length))))
    for question, got, want in zip(questions, ask(program, questions), wanted):
        expect(question, got, want)
    print(f"{VECTORS} cookies signed alike, {VECTORS} judged alike: {verdicts}")


# -------------------- running sites --------------------


def check_site(url, directory, document):
    import site_checks

    (script,) = re.findall(r"^```lua commit\n(.*?)^```$", Path(document).read_text(), re.M | re.S)
    site_checks.run(Site(url, directory), script, expect)


def check_forms(url, directory):
    site = Site(url, directory)
    visitor = site.visitor()
    theirs = visitor.get("/form").body.decode()
    token = site.token(visitor)
    expect("the server's form token", theirs, sign_form(site.keys, token.rid, token.generation))
    expect("its verification", verify_form(site.keys, token.rid, token.generation, theirs), True)

    def status(text):
        return visitor.send("POST", "/form", text).status

    expect("its own token is taken", status(theirs), 200)
    for wrong in (
        sign_form(site.keys, token.rid, token.generation + 1),
        sign_form(site.keys, secrets.token_bytes(16), token.generation),
        sign_form([(site.keys[0][0], bytes(32))], token.rid, token.generation),
        sign_form([(200, bytes(32))], token.rid, token.generation),
        theirs + "=",
        theirs[:-1],
        "",
    ):
        expect(f"a wrong token is refused: {wrong}", status(wrong), 403)

    header = login(site.redis, token.rid, b"ada", 60_000, 600_000)
    visitor.cookie = sign_cookie(site.keys, "mid", token.rid, header.generation)
    expect("a token from before the renewal is refused", status(theirs), 403)
    expect("a stranger's token is taken", status(sign_form(site.keys, token.rid, header.generation)), 200)
    logout(site.redis, token.rid)
    expect("after the logout no token is", status(sign_form(site.keys, token.rid, header.generation)), 409)


if __name__ == "__main__":
    {"document": check_document, "oracle": check_oracle, "site": check_site, "forms": check_forms}[sys.argv[1]](
        *sys.argv[2:]
    )
    print("all of it is so")
