"""Processes as /proc shows them: who is whose child, and how much CPU time each has used."""

import os
import resource
import time
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def pid_in(path):
    return int(Path(path).read_text().split()[0])


def children(pid):
    """The direct children of a process, in no particular order."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def name(pid):
    """As the process calls itself, 15 characters at most; empty when it has gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def started(pid):
    """When it was started, in clock ticks since the machine was (proc(5), field 22); 0 when it has gone. By their numbers
    alone, which come round, nobody can tell which process is older."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0


def cpu_seconds(pids):
    """User and system time of living processes, all their threads included. Resolution: a clock tick each, 10 ms."""
    ticks = 0
    for pid in pids:
        # The command, in parentheses, may hold spaces: count behind it (proc(5): utime is field 14).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND


def cpu_by_group(groups):
    return {name: cpu_seconds(pids) for name, pids in groups.items()}


def children_cpu_seconds():
    """Of our own children that have ended: wrk and the load client."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def machine_cpu_seconds():
    """All time that the machine's cores were not idle (proc(5): idle and iowait are fields 4 and 5 of the first line),
    time stolen by the hypervisor included."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICKS_PER_SECOND


class Usage:
    """CPU time between the beginning and `end()`: of groups of processes, of our client, and of everybody else. What
    the others used says how far the other figures can be trusted."""

    def __init__(self, groups, client):
        self.groups, self.client, self.started = groups, client, time.monotonic()
        self.before = self._read()

    def _read(self):
        ours = {**cpu_by_group(self.groups), self.client: children_cpu_seconds()}
        return {**ours, "others": machine_cpu_seconds() - sum(ours.values())}

    def end(self):
        """Seconds of CPU by name; the client must have ended."""
        after = self._read()
        self.seconds = time.monotonic() - self.started
        return {name: max(0.0, after[name] - self.before[name]) for name in after}
