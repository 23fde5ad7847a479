"""Processes as /proc shows them: who is whose child, and how much CPU time each has used."""

import os
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
