"""What one request costs: commands of Redis, system calls and instructions of the workers."""

import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from . import rounds
from .stack import PROGRAM, Stack, fetch_cookies, send_requests

REQUESTS = 2000
CALLGRIND_FEW, CALLGRIND_MANY = 500, 2500


def command_calls(stack):
    """Calls of each command so far; those that a script makes count too."""
    lines = re.findall(r"cmdstat_([^:]+):calls=(\d+)", stack.redis("INFO", "commandstats"))
    return {name: int(calls) for name, calls in lines}


def redis_commands(stack, path, cookie):
    """Redis commands per request, those of a script included; the workers' own housekeeping is too rare to show."""
    before = command_calls(stack)
    send_requests(stack.url, path, REQUESTS, cookie)
    after = command_calls(stack)
    per_request = {name: (calls - before.get(name, 0)) / REQUESTS for name, calls in after.items() if name != "info"}
    return {name: round(calls, 3) for name, calls in per_request.items() if calls >= 0.001}


def parse_strace(text):
    """Calls by name from the table of `strace -c`."""
    calls = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[0][0].isdigit() and fields[-1] != "total":
            calls[fields[-1]] = int(fields[3])
    return calls


def syscalls(stack, run):
    """System calls of all workers per request, while `run()` sends requests and returns their number. None when strace
    is not there or may not look."""
    if shutil.which("strace") is None:
        return None
    with tempfile.NamedTemporaryFile("r", prefix="midstream-strace.") as table:
        command = ["strace", "-c", "-f", "-o", table.name]
        for pid in stack.groups()["worker"]:
            command += ["-p", str(pid)]
        tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)  # strace says nothing when it has attached
        if tracer.poll() is not None:
            return None
        requests = run()
        tracer.send_signal(signal.SIGINT)
        tracer.wait(timeout=30)
        calls = parse_strace(table.read())
    per_request = {name: round(count / requests, 3) for name, count in calls.items() if count / requests >= 0.001}
    return {"total": round(sum(calls.values()) / requests, 2), "calls": per_request}


def syscalls_alone(stack, path, cookie):
    """One request after the other: nothing is shared between requests."""

    def run():
        send_requests(stack.url, path, REQUESTS, cookie)
        return REQUESTS

    return syscalls(stack, run)


def syscalls_loaded(stack, system):
    """With 64 connections: one turn of a worker's loop serves many. strace slows the workers down, which makes the
    turns serve more than they would."""
    return syscalls(stack, lambda: rounds.wrk(system, 2)["requests"])


def callgrind_wrapper(directory):
    """A program for Stack: midstream under callgrind, master and workers, counting into the directory."""
    directory.chmod(0o777)  # scripts/run may give up root
    wrapper = directory / "midstream"
    wrapper.write_text(
        "#!/bin/sh\n"
        "exec valgrind --quiet --tool=callgrind --trace-children=yes"
        f" --callgrind-out-file={directory}/out.%p --log-file={directory}/log.%p {PROGRAM} \"$@\"\n"
    )
    wrapper.chmod(0o755)
    return wrapper


def callgrind_total(path, count):
    """User-mode instructions of master and workers over a whole run in which they answered `count` requests."""
    with tempfile.TemporaryDirectory(prefix="midstream-callgrind.") as name:
        directory = Path(name)
        with Stack(workers=1, program=callgrind_wrapper(directory)) as stack:
            fetch_cookies(stack.url, 1, "/counter", directory / "cookie")
            send_requests(stack.url, path, count, (directory / "cookie").read_text().strip())
        totals = [re.search(r"^(?:totals|summary): (\d+)", file.read_text(), re.M) for file in directory.glob("out.*")]
    return sum(int(total.group(1)) for total in totals if total)


def instructions(path):
    """User-mode instructions per request, one request after the other: from two runs of different length, so that
    start and end cancel out. None without valgrind."""
    if shutil.which("valgrind") is None:
        return None
    few, many = callgrind_total(path, CALLGRIND_FEW), callgrind_total(path, CALLGRIND_MANY)
    return round((many - few) / (CALLGRIND_MANY - CALLGRIND_FEW))
