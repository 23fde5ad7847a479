"""The stack that is measured: Redis, workers and nginx of its own, started by scripts/run in a temporary directory."""

import http.client
import os
import shutil
import subprocess
import tempfile
import urllib.parse
from pathlib import Path

from . import processes

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(os.environ.get("MIDSTREAM", ROOT / "build/release/midstream"))  # as for scripts/run
STREAMS = ROOT / "build/release/tests/streams"


class Stack:
    """Use it with `with`: what it started is stopped at the end, also after an error.

    nginx writes no access log, as those of the peers do not, and all visitors come from one address. `program` is run in
    place of build/release/midstream.
    """

    def __init__(self, workers, program=None, task_workers=0):
        self.workers = workers
        self.task_workers = task_workers
        self.environment = {
            **os.environ,
            "RUN_ACCESS_LOG": "off",
            "MIDSTREAM_SESSION_NEW_MAX": "0",
            "MIDSTREAM_CORE_FILES": "yes",  # or nobody but root could look at their memory
            **({"MIDSTREAM": str(program)} if program else {}),
        }

    def __enter__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="midstream-bench."))
        try:
            self._run("--port", "0", "--workers", str(self.workers), "--task-workers", str(self.task_workers), "--detach")
            self.url = (self.dir / "url").read_text().strip().rstrip("/")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._run("--stop", check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _run(self, *arguments, check=True):
        # Output is not captured: a server that stays behind would keep the pipe open.
        subprocess.run(
            [ROOT / "scripts/run", "--dir", self.dir, *arguments],
            env=self.environment, stdout=subprocess.DEVNULL, check=check, timeout=300,
        )  # fmt: skip

    @property
    def redis_socket(self):
        return self.dir / "redis.sock"

    @property
    def master(self):
        return processes.pid_in(self.dir / "midstream.pid")

    def groups(self):
        """The processes that serve requests; masters only wait."""
        return {
            "worker": [pid for pid in processes.children(self.master) if processes.name(pid) != "midstream-admin"],
            "nginx": processes.children(processes.pid_in(self.dir / "nginx.pid")),
            "redis": [processes.pid_in(self.dir / "redis.pid")],
        }

    def redis(self, *command):
        return subprocess.run(
            ["redis-cli", "-s", self.redis_socket, *command], capture_output=True, text=True, check=True
        ).stdout


def fetch_cookies(url, count, path, file):
    """Writes `count` cookies to the file, each of a session of its own that `path` has made."""
    wanted = ["--cookies", str(count), "--cookie-path", path, "--cookie-file", file]
    subprocess.run([STREAMS, "--url", url, "--streams", "0", *wanted], check=True)


def send_requests(url, path, count, cookie=None):
    """Sends requests one after the other on one connection: an exact number, for what is counted per request."""
    connection = http.client.HTTPConnection(urllib.parse.urlparse(url).netloc, timeout=60)
    for _ in range(count):
        connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
    connection.close()
