"""Looks at the site again and again: memory and descriptors of its processes, Redis's memory and keys, latency."""

import threading
import time

from .client import Client
from .site import descriptors, anonymous_kib
from .slopes import Series

PROBE_PAUSE_SECONDS = 0.1


class Probe(threading.Thread):
    """A visitor who does nothing but ask, one request after the other, and measure."""

    def __init__(self, url, path, is_over):
        super().__init__(daemon=True)
        self.client, self.path, self.is_over = Client(url), path, is_over
        self.lock = threading.Lock()
        self.taken_ms = []

    def run(self):
        while not self.is_over.wait(PROBE_PAUSE_SECONDS):
            began = time.perf_counter()
            status, _ = self.client.ask("GET", self.path)
            if status == 200:
                with self.lock:
                    self.taken_ms.append((time.perf_counter() - began) * 1000)

    def take(self):
        """Those since the last call, by rising time."""
        with self.lock:
            taken, self.taken_ms = self.taken_ms, []
        return sorted(taken)


class Watch:
    def __init__(self, site, is_over):
        self.site = site
        self.began = time.monotonic()
        self.series = {}
        self.probes = [Probe(site.url, path, is_over) for path in ("/null", "/counter")]
        for probe in self.probes:
            probe.start()

    def _note(self, name, unit, value, who=0):
        series = self.series.setdefault(name, Series(name, unit))
        series.add(time.monotonic() - self.began, value, who)

    def look(self):
        for role, pid in self.site.watched().items():
            try:
                self._note(f"{role}: memory", "KiB", anonymous_kib(pid), pid)
                self._note(f"{role}: descriptors", "", descriptors(pid), pid)
            except OSError:
                pass  # it has just gone
        info = dict(line.split(":", 1) for line in self.site.redis("info").splitlines() if ":" in line)
        self._note("redis: data", "KiB", int(info["used_memory_dataset"]) / 1024)
        self._note("redis: clients", "", int(info["connected_clients"]))
        self._note("redis: keys", "", int(self.site.redis("dbsize")))
        for probe in self.probes:
            if taken := probe.take():
                self._note(f"{probe.path}: median latency", "ms", taken[len(taken) // 2])
                self._note(f"{probe.path}: 90 % are answered within", "ms", taken[len(taken) * 9 // 10])

    def run(self, seconds, every_seconds):
        """Looks until the time is over."""
        due = time.monotonic()
        while due - self.began < seconds:
            self.look()
            due += every_seconds
            time.sleep(max(0.0, due - time.monotonic()))
