"""The site that is soaked, and its processes by what they do."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from driver import processes  # noqa: E402
from driver.stack import Stack  # noqa: E402

WORKERS = 3
TASK_WORKERS = 2
# Short lives: after some minutes as many sessions and tasks end as begin, and what still grows is a leak.
LIFETIME_MS = 60_000
SETTINGS = {
    "MIDSTREAM_SESSION_IDLE_MS": LIFETIME_MS,
    "MIDSTREAM_SESSION_USER_IDLE_MS": LIFETIME_MS,
    "MIDSTREAM_TASK_KEEP_MS": LIFETIME_MS,
    "MIDSTREAM_TASK_DEAD_KEEP_MS": LIFETIME_MS,
    "MIDSTREAM_TASK_LEASE_MS": 2000,
    "MIDSTREAM_WATCHDOG_MS": 8000,
    "MIDSTREAM_RELOAD_TIMEOUT_MS": 20_000,
}


class Site(Stack):
    def __init__(self):
        super().__init__(WORKERS, task_workers=TASK_WORKERS)
        self.environment |= {name: str(value) for name, value in SETTINGS.items()}

    def task_master(self):
        return processes.pid_in(self.dir / "work.pid")

    def web_workers(self):
        return self._workers_of(self.master)

    def background_workers(self):
        return self._workers_of(self.task_master())

    @staticmethod
    def _workers_of(master):
        """Those that serve, the oldest first: the listener for administration is another kind."""
        found = [pid for pid in processes.children(master) if processes.name(pid) != "midstream-admin"]
        return sorted(found, key=processes.started)

    def admin(self):
        return next((pid for pid in processes.children(self.master) if processes.name(pid) == "midstream-admin"), None)

    def redis_pid(self):
        return processes.pid_in(self.dir / "redis.pid")

    def nginx_master(self):
        return processes.pid_in(self.dir / "nginx.pid")

    def watched(self):
        """By role, the process whose memory is followed: of several, the one that is there longest."""
        found = {
            "master": self.master,
            "worker": next(iter(self.web_workers()), None),
            "admin listener": self.admin(),
            "task master": self.task_master(),
            "task worker": next(iter(self.background_workers()), None),
            "nginx master": self.nginx_master(),
            "redis": self.redis_pid(),
        }
        return {role: pid for role, pid in found.items() if pid is not None}

    def metrics(self, socket):
        """Name to sum over all labels."""
        said = subprocess.run(["curl", "-s", "--max-time", "10", "--unix-socket", self.dir / socket, "http://localhost/metrics"],
                              capture_output=True, text=True, check=True).stdout
        sums = {}
        for line in said.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                name = name.partition("{")[0]
                sums[name] = sums.get(name, 0.0) + float(value)
        return sums


def anonymous_kib(pid):
    """Memory that is no file's: heap and stacks, also what is shared with a fork."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
