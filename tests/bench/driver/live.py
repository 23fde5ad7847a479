"""Live sessions: how soon a stream shows what another request does to its session, and what that costs."""

from . import cost, processes, streams

COMMITS = 1000
FEW, MANY = 500, 3500  # of two runs of different length: what both have done besides cancels out
SESSIONS = 1000  # of the user who ends them


def seen(stack, count, opens_per_second):
    """`count` streams of GET /watch, each of a session of its own: one session after the other is committed by a second
    connection, 200 in a second at most, while all others wait."""
    return streams.client(
        stack, "--streams", str(count), "--cookies", str(count), "--open-rate", str(opens_per_second),
        "--path", "/watch", "--act", "GET /counter", "--acts", str(COMMITS), "--act-interval-ms", "5",
    )  # fmt: skip


def commits(stack, watchers, count):
    """`count` commits of one session that has so many streams; with what they cost. The next commit is sent when all
    streams have shown the last."""
    groups = stack.groups()
    calls, spent = cost.command_calls(stack), processes.cpu_by_group(groups)
    run = streams.client(
        stack, "--streams", str(watchers), "--cookies", "1",
        "--path", "/watch", "--act", "GET /counter", "--acts", str(count),
    )  # fmt: skip
    calls_after, spent_after = cost.command_calls(stack), processes.cpu_by_group(groups)
    return {
        **run,
        "redis_calls": {name: after - calls.get(name, 0) for name, after in calls_after.items()},
        "cpu_s": {name: after - spent[name] for name, after in spent_after.items()},
    }


def watched(stack, watchers):
    """What one commit costs with so many streams that wait for it."""
    few, many = commits(stack, watchers, FEW), commits(stack, watchers, MANY)
    difference = MANY - FEW
    calls = {name: (many["redis_calls"][name] - few["redis_calls"].get(name, 0)) / difference for name in many["redis_calls"]}
    return {
        "watchers": watchers,
        "answered_ms": many["answered_ms"],
        "seen_ms": many["seen_ms"],
        "not_seen": few["acts_not_seen"] + many["acts_not_seen"],
        "redis_commands": {name: round(count, 3) for name, count in calls.items() if count >= 0.001 and name != "info"},
        "cpu_us": {name: (many["cpu_s"][name] - few["cpu_s"][name]) / difference * 1e6 for name in many["cpu_s"]},
    }  # fmt: skip


def revocation(stack, sessions):
    """A user with so many sessions, each with an open stream, ends them from one more (DELETE /api/sessions)."""
    return streams.client(
        stack, "--streams", str(sessions), "--cookies", str(sessions + 1), "--login", "grace",
        "--path", "/watch", "--act", "DELETE /api/sessions",
    )  # fmt: skip
