"""Starts real processes, waits until they serve, shows their logs, and leaves none of them behind.

Knows nothing of weir: it only knows commands, ports, log files and URLs.
"""

import ctypes
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.02

libc = ctypes.CDLL(None, use_errno=True)


def free_port():
    """A port that nobody listens on, below the range that the kernel gives to outgoing connections: a killed host's
    port must still be free when the host comes back."""
    while True:
        port = random.randint(15_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def until(condition, seconds, what):
    """Waits until `condition()` is true and returns what it returned; fails after `seconds` by saying `what`."""
    deadline = time.monotonic() + seconds
    while True:
        seen = condition()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"not seen within {seconds} s: {what}"
        time.sleep(POLL_SECONDS)


def answers(url):
    """Whether a GET of `url` is answered with a 2xx."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return 200 <= answer.status < 300
    except (urllib.error.URLError, OSError):
        return False


class Process:
    """One child in a process group of its own, its output in a file."""

    running = []

    def __init__(self, name, command, log_folder, environment=None):
        self.name = name
        self.command = [str(part) for part in command]
        self.log_path = os.path.join(log_folder, f"{name}.log")
        self.environment = dict(os.environ, **(environment or {}))
        self.child = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        Process.running.append(self)
        return self

    def ready_when(self, condition, seconds):
        """Waits for `condition()`; fails at once, with the log, if the process ends before."""

        def alive_and_ready():
            assert self.child.poll() is None, f"{self.name} ended with {self.child.returncode}:\n{self.log_tail()}"
            return condition()

        try:
            until(alive_and_ready, seconds, f"{self.name} is ready")
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self.name}: {' '.join(self.command)}\n{self.log_tail()}") from None
        return self

    def kill(self):
        """SIGKILL to the whole group, as a crash would end it."""
        self._end(signal.SIGKILL)

    def stop(self, seconds=10):
        """SIGTERM, and SIGKILL for what is still there after `seconds`."""
        self._end(signal.SIGTERM, seconds)

    def _end(self, how, seconds=10):
        if self in Process.running:
            Process.running.remove(self)
        if self.child is None or self.child.poll() is not None:
            return
        os.killpg(self.child.pid, how)
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()

    def log_size(self):
        return os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0

    def log_since(self, offset):
        with open(self.log_path, "rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")

    def log_tail(self, offset=0, line_count=60):
        return "\n".join(self.log_since(offset).splitlines()[-line_count:])


def die_with_parent():
    """Runs in the child: if the tests themselves are killed, nothing stays behind."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
