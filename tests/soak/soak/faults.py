"""What is broken while the visitors are there: one fault after another, at random, each with time to heal.

The oldest worker of each pool is spared: how its memory goes is what the soak is about. A reload replaces it.
"""

import contextlib
import os
import random
import signal
import socket
import time
import urllib.parse

PAUSE_SECONDS = (10, 25)  # between two faults
HALF_REQUESTS = 200


class Faults:
    def __init__(self, site, seed):
        self.site = site
        self.random = random.Random(seed)
        self.done = {}

    def kinds(self):
        return [self.kill_worker, self.stop_worker, self.kill_task_worker, self.stop_redis, self.cut_redis,
                self.forget_scripts, self.half_requests, self.reopen_log, self.reload_nginx]

    def one(self):
        fault = self.random.choice(self.kinds())
        fault()
        self._count(fault.__name__)

    def _count(self, name):
        self.done[name] = self.done.get(name, 0) + 1

    def run(self, is_over, reload_seconds):
        """Until `is_over`, with a reload of both pools every `reload_seconds`."""
        next_reload = time.monotonic() + reload_seconds
        while not is_over.wait(self.random.uniform(*PAUSE_SECONDS)):
            # A process that is gone by itself just then is no reason to stop.
            with contextlib.suppress(ProcessLookupError):
                if time.monotonic() > next_reload:
                    next_reload += reload_seconds
                    self.reload()
                    self._count("reload")
                else:
                    self.one()

    # -------------------- workers --------------------

    def _any_of(self, pids):
        return self.random.choice(pids[1:]) if len(pids) > 1 else None

    def kill_worker(self):
        if pid := self._any_of(self.site.web_workers()):
            os.kill(pid, signal.SIGKILL)

    def kill_task_worker(self):
        if pid := self._any_of(self.site.background_workers()):
            os.kill(pid, signal.SIGKILL)

    def stop_worker(self):
        if pid := self._any_of(self.site.web_workers()):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(self.random.uniform(0.5, 4))
            os.kill(pid, signal.SIGCONT)

    def reload(self):
        os.kill(self.site.master, signal.SIGHUP)
        os.kill(self.site.task_master(), signal.SIGHUP)

    def reopen_log(self):
        os.kill(self.site.master, signal.SIGUSR1)

    # -------------------- Redis, nginx, clients --------------------

    def stop_redis(self):
        pid = self.site.redis_pid()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self.random.uniform(0.2, 3))
        os.kill(pid, signal.SIGCONT)

    def cut_redis(self):
        self.site.redis("client", "kill", "type", "normal")

    def forget_scripts(self):
        self.site.redis("script", "flush")

    def reload_nginx(self):
        os.kill(self.site.nginx_master(), signal.SIGHUP)

    def half_requests(self):
        """Clients that send the beginning of a request, or all but the end of its body, and go away."""
        address = urllib.parse.urlsplit(self.site.url)
        for number in range(HALF_REQUESTS):
            with contextlib.suppress(OSError), socket.create_connection((address.hostname, address.port), 5) as half:
                half.sendall(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 100000\r\n")
                if number % 2:
                    half.sendall(b"\r\n" + bytes(50000))
