"""What the figures were measured on."""

import os
import platform
import re
import subprocess
import time
from pathlib import Path

from .stack import PROGRAM, ROOT

PACKAGES = ["libfcgi-dev", "libuv1", "libuv1t64", "libsodium23", "nginx", "redis-server", "wrk"]


def said(*command):
    """The first line that a program says on either output; empty when it is not there."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    except OSError:
        return ""
    return (run.stdout + run.stderr).strip().partition("\n")[0]


def package_versions():
    command = ["dpkg-query", "--show", "--showformat=${Package} ${Version}\\n"]
    shown = subprocess.run(command + ["*"], capture_output=True, text=True, check=False).stdout
    versions = dict(line.split(" ", 1) for line in shown.splitlines() if not line.endswith(" "))
    return {name: version for name, version in versions.items() if name in PACKAGES or name.startswith("libhiredis")}


def processor():
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return names[0] if names else platform.machine()


def facts():
    kib = int(re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.M).group(1))
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": os.cpu_count(),
        "processor": processor(),
        "memory_gib": round(kib / 1024 / 1024, 1),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
        "program": str(PROGRAM),
        "midstream": said(PROGRAM, "version"),
        "commit": said("git", "describe", "--always", "--dirty"),
        "packages": package_versions(),
    }
