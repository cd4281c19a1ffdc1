"""A real MQTT broker for tests: mosquitto as a process of its own on a free port of this machine.

It can be killed and started again on the same port. `tools/install-broker.sh` installs it.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Mosquitto:
    """A broker on `port`, made by `running_broker`."""

    def __init__(self, folder: Path, settings: tuple[str, ...]) -> None:
        self.folder, self.port = folder, free_port()
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        settings = self.folder / "mosquitto.conf"
        lines = (f"listener {self.port} 127.0.0.1", "persistence false", "max_queued_messages 0", *self._settings)
        settings.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([program(), "-c", settings], stdout=log, stderr=log)
        for _ in range(500):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
                return
            assert self._process.poll() is None, (self.folder / "log").read_text(encoding="utf-8")
            time.sleep(0.01)
        raise RuntimeError(f"mosquitto does not answer:\n{(self.folder / 'log').read_text(encoding='utf-8')}")

    def kill(self) -> None:
        """End it at once, as a power cut does. Safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def freeze(self) -> None:
        """Stop it in its tracks: connections stay open, nothing goes through."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def program() -> str:
    """The broker's program."""
    named = os.environ.get("CYTOLOOP_MOSQUITTO")
    found = named or shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    assert found, "the Sparkplug tests need mosquitto: sh tools/install-broker.sh, or name it in CYTOLOOP_MOSQUITTO"
    return found


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running_broker(*settings: str) -> Iterator[Mosquitto]:
    """A fresh broker, gone at the end. `settings`: lines of mosquitto.conf(5); none: whoever comes is let in."""
    folder = Path(tempfile.mkdtemp(prefix="cytoloop-mqtt-"))  # readable to the user as whom a broker of root runs
    folder.chmod(0o755)
    broker = Mosquitto(folder, settings or ("allow_anonymous true",))
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
        shutil.rmtree(folder)
