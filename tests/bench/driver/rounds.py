"""Requests per second: wrk against several systems in interleaved rounds, so that whatever else the machine does meets
all of them."""

import json
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import processes

CONNECTIONS = 64
# One thread: it keeps 64 connections busy with half a core to spare, and a second would only take turns with the
# servers that are measured on the same few cores.
THREADS = 1
WRK_SCRIPT = Path(__file__).resolve().parents[1] / "wrk.lua"


@dataclass
class System:
    """Something that answers requests, and the processes whose CPU time that costs."""

    name: str
    url: str
    cookie_file: Path
    groups: dict


def wrk(system, seconds, connections=CONNECTIONS):
    """One run; what wrk.lua says about it."""
    command = ["wrk", f"-t{THREADS}", f"-c{connections}", f"-d{seconds}s", "-s", WRK_SCRIPT, system.url, "--"]
    output = subprocess.run([*command, system.cookie_file], capture_output=True, text=True, check=True).stdout
    return json.loads(output.splitlines()[-1])


def measure(system, seconds):
    """One run, with the CPU time that each group of processes spent on a request."""
    usage = processes.Usage(system.groups, "wrk")
    run = wrk(system, seconds)
    used = usage.end()
    others = used.pop("others")
    requests = max(run["requests"], 1)
    return {
        **run,
        "requests_per_s": run["requests"] / run["seconds"],
        "cpu_us": {name: spent / requests * 1e6 for name, spent in used.items()},
        "others_cores": others / usage.seconds,
    }


def interleaved(systems, rounds, seconds, say):
    """`rounds` runs of each system, in an order that moves on by one each round. Lists of runs by system name."""
    for system in systems:
        wrk(system, 1)  # connections, caches and pools are there before anything counts
    runs = {system.name: [] for system in systems}
    for index in range(rounds):
        first = index % len(systems)
        for system in systems[first:] + systems[:first]:
            runs[system.name].append(measure(system, seconds))
            time.sleep(0.2)  # the connections of the last run are gone
        said = ", ".join(f"{name} {history[-1]['requests_per_s']:.0f}" for name, history in runs.items())
        say(f"round {index + 1} of {rounds}: {said}")
    return runs


def spread(values):
    """Median and range."""
    values = list(values)
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summary(history):
    """All runs of one system in one record."""
    return {
        "requests_per_s": spread(run["requests_per_s"] for run in history),
        "p50_us": spread(run["p50_us"] for run in history),
        "p99_us": spread(run["p99_us"] for run in history),
        "cpu_us": {group: spread(run["cpu_us"][group] for run in history) for group in history[0]["cpu_us"]},
        "others_cores": spread(run["others_cores"] for run in history),
        "bad_answers": sum(run["bad_status"] + run["broken"] for run in history),
    }


def cpu_ratio(systems, name, base):
    """The same from the CPU time of a request, client included: what the ratio of the rates is when all cores are busy
    with nothing else. Others' load does not blur it."""
    return sum(value["median"] for value in systems[base]["cpu_us"].values()) / sum(
        value["median"] for value in systems[name]["cpu_us"].values()
    )


def ratio(runs, name, base):
    """How much of the rate of `base` a system reaches, within each round."""
    pairs = zip(runs[name], runs[base])
    return spread(run["requests_per_s"] / base_run["requests_per_s"] for run, base_run in pairs)
