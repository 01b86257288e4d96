"""scripts/quickstart.sh as a person runs it: in a terminal, ended by Ctrl-C. Run by `tests/clients/run.sh quickstart`.

The file is not named test_*, so that the client tests do not run it: it builds weir.
"""

import os
import pathlib
import pty
import select
import signal
import socket
import subprocess
import time

import pytest

from harness.processes import free_port, until

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = str(REPOSITORY / "scripts/quickstart.sh")
PORTS = ("WEIR_PORT", "WEIR_ADMIN_PORT", "WEIR_GPU_A_PORT", "WEIR_GPU_B_PORT")
BUILD_SECONDS = 900
CTRL_C = b"\x03"


class Terminal:
    """A program in a terminal and a session of its own, what it writes, and when each piece came."""

    def __init__(self, command, environment):
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # an ignored signal would stay ignored in a script
            os.execvpe(command[0], command, environment)
        self.text, self.pieces = "", []

    def read_until(self, wanted, seconds):
        deadline = time.monotonic() + seconds
        while wanted not in self.text:
            left = deadline - time.monotonic()
            assert left > 0, f"{wanted!r} did not appear within {seconds} s:\n{self.text}"
            assert self._read(left), f"ended before {wanted!r} appeared:\n{self.text}"

    def read_to_end(self, seconds):
        deadline = time.monotonic() + seconds
        while self._read(max(0.0, deadline - time.monotonic())):
            assert time.monotonic() < deadline, f"did not end within {seconds} s:\n{self.text}"
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def type(self, keys):
        os.write(self.screen, keys)

    def _read(self, seconds):
        """False at the end of the program's output."""
        if not select.select([self.screen], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self.screen, 65_536)
        except OSError:  # how Linux tells that the last program left the terminal
            return False
        self.pieces.append((time.monotonic(), piece))
        self.text += piece.decode(errors="replace").replace("\r\n", "\n")
        return bool(piece)


def processes_of_session(session):
    """The command lines of what still runs in a session."""
    found = []
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session:
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def surroundings(tmp_path):
    """Free ports and an empty folder for temporary files."""
    return dict(os.environ, TMPDIR=str(tmp_path), **{name: str(free_port()) for name in PORTS})


@pytest.mark.timeout(BUILD_SECONDS + 60)
def test_the_quickstart_answers_and_leaves_nothing_behind(surroundings, tmp_path):
    terminal = Terminal([SCRIPT], surroundings)
    terminal.read_until("Ctrl-C ends everything", BUILD_SECONDS)
    assert seconds_of_streaming(terminal) > 0.5, f"the first answer came in one piece:\n{terminal.text}"
    for command in what_it_says_to_paste(terminal.text):
        assert paste(command), f"nothing came of:\n{command}"
    assert os.listdir(tmp_path), "the logs are not where this test looks for what is left behind"

    terminal.type(CTRL_C)
    assert terminal.read_to_end(15) == 130
    assert "nothing is left running" in terminal.text
    until(lambda: not processes_of_session(terminal.pid), 2, "no process is left behind")
    assert not [name for name in PORTS if listens(int(surroundings[name]))]
    assert os.listdir(tmp_path) == []


def seconds_of_streaming(terminal):
    """From the first to the last piece of the answer."""
    before, after = "as it arrives", "weir serves at"
    seen, times = "", []
    for when, piece in terminal.pieces:
        seen += piece.decode(errors="replace")
        if before in seen and after not in seen and piece.strip():
            times.append(when)
    return times[-1] - times[0]


def what_it_says_to_paste(text):
    """The blocks between the empty lines that follow the invitation."""
    blocks = text.partition("Paste into another terminal:")[2].split("\n\n")
    commands = [block.strip() for block in blocks if block.strip().startswith(("curl ", "python3 ", "node "))]
    assert len(commands) == 4, text
    return commands


def paste(command):
    """Runs it where the openai packages are installed; its output."""
    ran = subprocess.run(
        ["bash", "-euc", command],
        cwd=REPOSITORY / "tests/clients/node",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
    return ran.stdout.strip()


@pytest.mark.parametrize("taken", PORTS)
def test_a_taken_port_is_told_before_anything_is_built(surroundings, taken):
    with socket.create_server(("127.0.0.1", int(surroundings[taken]))):
        ran = subprocess.run([SCRIPT], env=surroundings, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert ran.returncode == 69
    assert f"port {surroundings[taken]} is taken" in ran.stderr
    assert f"{taken}=" in ran.stderr
    assert "building" not in ran.stderr
