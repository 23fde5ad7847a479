"""Live sessions: how soon a stream shows what another request does to its session, and what that costs."""

from . import cost, processes, streams

FEW, MANY = 500, 3500  # of two runs of different length: what both have done besides cancels out


def not_done(run, acts):
    """How many acts were not sent, not answered with success, or not shown by a stream that should."""
    return acts - run["acts"] + run["acts_refused"] + run["acts_not_seen"]


def seen(stack, count, commits_of_all):
    """`count` streams of GET /watch, each of a session of its own: one session after the other is committed by a second
    connection, 200 in a second at most, while all others wait."""
    run = streams.client(
        stack, "--streams", str(count), "--cookies", str(count), "--open-rate", "1000",
        "--path", "/watch", "--act", "GET /counter", "--acts", str(commits_of_all), "--act-interval-ms", "5",
    )  # fmt: skip
    return {**run, "not_done": not_done(run, commits_of_all)}


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
    """What one commit costs with so many streams that wait for it; no costs if one of the commits failed."""
    few, many = commits(stack, watchers, FEW), commits(stack, watchers, MANY)
    bad = not_done(few, FEW) + not_done(many, MANY)
    seen_and_answered = {name: many[name] for name in ("answered_ms", "seen_ms")}
    if bad > 0:
        return {"watchers": watchers, **seen_and_answered, "not_done": bad}
    difference = MANY - FEW
    calls = {name: (many["redis_calls"][name] - few["redis_calls"].get(name, 0)) / difference for name in many["redis_calls"]}
    return {
        "watchers": watchers,
        **seen_and_answered,
        "not_done": 0,
        "redis_commands": {name: round(count, 3) for name, count in calls.items() if count >= 0.001 and name != "info"},
        "cpu_us": {name: (many["cpu_s"][name] - few["cpu_s"][name]) / difference * 1e6 for name in many["cpu_s"]},
    }  # fmt: skip


def revocation(stack, sessions):
    """A user with so many sessions, each with an open stream, ends them from one more (DELETE /api/sessions)."""
    run = streams.client(
        stack, "--streams", str(sessions), "--cookies", str(sessions + 1), "--login", "grace",
        "--path", "/watch", "--act", "DELETE /api/sessions",
    )  # fmt: skip
    return {**run, "not_done": not_done(run, 1)}
