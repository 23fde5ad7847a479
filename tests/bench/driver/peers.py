"""The peers: other ways to do what GET /counter does, on the same Redis and the same machine. Each is started when its
packages are there."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from . import processes
from .rounds import System
from .stack import fetch_cookies

HERE = Path(__file__).resolve().parents[1]
LUA_FILES = ["/usr/lib/nginx/modules/ngx_http_lua_module.so", "/usr/share/lua/5.1/nginx/redis.lua"]
PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's modules
FLASK_THREADS = 8  # of each gunicorn worker


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


@contextlib.contextmanager
def nginx(template, values):
    """An nginx from a template of ours. Gives its directory; stops it at the end."""
    directory = Path(tempfile.mkdtemp(prefix="midstream-peer."))
    try:
        values = {**values, "DIR": directory, "HERE": template.parent}
        text = template.read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        (directory / "nginx.conf").write_text(text)
        user = ["-g", "user root;"] if os.geteuid() == 0 else []
        subprocess.run(["nginx", "-c", directory / "nginx.conf", "-e", directory / "error.log", *user], check=True)
        wait_for(values["PORT"])
        yield directory
    finally:
        with contextlib.suppress(OSError, ValueError):
            os.kill(processes.pid_in(directory / "nginx.pid"), signal.SIGTERM)
        shutil.rmtree(directory, ignore_errors=True)


def system(name, port, directory, cookies, groups):
    url = f"http://127.0.0.1:{port}"
    fetch_cookies(url, cookies, "/counter", directory / "cookies")
    return System(name, f"{url}/counter", directory / "cookies", groups)


@contextlib.contextmanager
def lua(stack, settings):
    """nginx with Lua in process; None when it is not installed."""
    if not all(Path(file).exists() for file in LUA_FILES):
        yield None
        return
    port = free_port()
    values = {"PORT": port, "REDIS": stack.redis_socket, "WORKERS": os.cpu_count(), "FILES": settings.files}
    with nginx(HERE / "peer-lua/nginx.conf", values) as directory:
        groups = {
            "nginx": processes.children(processes.pid_in(directory / "nginx.pid")),
            "redis": stack.groups()["redis"],
        }
        yield system("nginx Lua /counter", port, directory, settings.cookies, groups)


def has_flask():
    command = [PYTHON, "-c", "import flask_session, gunicorn, redis"]
    probe = subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
    return probe.returncode == 0


@contextlib.contextmanager
def gunicorn(stack, directory):
    """gunicorn on a socket in the directory, a worker per core; gives its master's pid."""
    command = [PYTHON, "-m", "gunicorn", "--bind", f"unix:{directory}/gunicorn.sock", "--log-level", "error"]
    command += ["--worker-class", "gthread", "--threads", str(FLASK_THREADS), "--workers", str(os.cpu_count())]
    command += ["--keep-alive", "60", "--chdir", HERE / "peer-flask", "app:app"]
    environment = {**os.environ, "PEER_REDIS": str(stack.redis_socket), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(command, env=environment)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextlib.contextmanager
def flask(stack, settings):
    """Flask and Flask-Session behind nginx; None when they are not installed."""
    if not has_flask():
        yield None
        return
    port = free_port()
    values = {"PORT": port, "WORKERS": os.cpu_count(), "FILES": settings.files}
    with nginx(HERE / "peer-flask/nginx.conf", values) as directory, gunicorn(stack, directory) as master:
        deadline = time.monotonic() + 20
        while not (directory / "gunicorn.sock").exists() or len(processes.children(master)) < os.cpu_count():
            if time.monotonic() > deadline:
                raise RuntimeError("gunicorn does not start")
            time.sleep(0.05)
        groups = {
            "worker": processes.children(master),
            "nginx": processes.children(processes.pid_in(directory / "nginx.pid")),
            "redis": stack.groups()["redis"],
        }
        yield system("Flask-Session /counter", port, directory, settings.cookies, groups)
