"""Streams: many at once with the load client, for their lateness and for the memory of one that waits."""

import json
import subprocess
import tempfile

from . import processes
from .stack import STREAMS


def client(stack, *arguments):
    """One run of the load client; its figures, with the cores that each group of processes kept busy."""
    with tempfile.NamedTemporaryFile("r", prefix="midstream-streams.") as file:
        usage = processes.Usage(stack.groups(), "client")
        command = [STREAMS, "--url", stack.url, "--json", file.name, *arguments]
        # It exits with 1 when a stream was not complete: that is in the figures too.
        ended = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if ended.returncode not in (0, 1):
            raise RuntimeError(f"the load client ended with {ended.returncode}")
        used = usage.end()
        text = file.read()
    if not text:
        raise RuntimeError("the load client has measured nothing")
    return {**json.loads(text), "cores": {name: spent / usage.seconds for name, spent in used.items()}}


def ticking(stack, streams, events, opens_per_second):
    """`streams` at once, each with a session of its own, an event and a commit every second."""
    return client(
        stack, "--streams", str(streams), "--cookies", str(streams), "--open-rate", str(opens_per_second),
        "--path", f"/events?count={events}&interval_ms=1000",
    )  # fmt: skip


def waiting(stack, streams, opens_per_second):
    """What one stream holds that has sent its first event and waits for its second, a minute later.

    The stack must be fresh: workers and nginx keep the memory of earlier streams for the next ones. A few streams
    before make it load what it loads once.
    """
    wait = ["--path", "/events?count=2&interval_ms=60000", "--open-rate", str(opens_per_second), "--hold-s"]
    client(stack, "--streams", "20", "--cookies", "20", *wait, "1")
    groups = []
    for name, pids in stack.groups().items():
        groups += ["--memory", f"{name}={','.join(map(str, pids))}"]
    return client(stack, "--streams", str(streams), "--cookies", str(streams), *wait, "4", *groups)
