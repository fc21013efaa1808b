"""Processes of the nursery, seen by the one that orders, hears and kills them."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from reconnect.core.record import Record
from reconnect.stores.sqlite import SQLiteStore

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60.0


class Nursery:
    """Where processes come from; they are there within milliseconds."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sessions.db"
        self._address = str(folder / "socket")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._address)
        self._listener.listen()
        self._listener.settimeout(PATIENCE)
        self._lives: list[Life] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.stores.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ends: dict[int, int] = {}

    def life(self, **order: Any) -> Life:
        """A new process; it may be refused by the store, or be dead before it is up."""
        assert self._process.stdin is not None
        order = {"path": str(self.path), "socket": self._address} | order
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        connection, _ = self._listener.accept()
        self._lives.append(Life(connection, self, int(self._heard("born"))))
        return self._lives[-1]

    def stored(self) -> tuple[dict[str, Record], float]:
        """What the next owner finds, and how many seconds it took to become that."""
        began = time.monotonic()
        store = SQLiteStore(self.path)
        try:
            return {one.session: one for one in store.load_all()}, time.monotonic() - began
        finally:
            store.close()

    def end_of(self, pid: int) -> int:
        """Wait for it: the exit code of this process, or the negative number of a signal."""
        while pid not in self._ends:
            self._heard("dead")
        return self._ends[pid]

    def _heard(self, what: str) -> str:
        """The next thing of this kind that the nursery says."""
        assert self._process.stdout is not None
        while True:
            kind, _, rest = self._process.stdout.readline().partition(" ")
            if kind == "dead":
                pid, code = rest.split()
                self._ends[int(pid)] = int(code)
            if kind == what:
                return rest
            assert kind, "the nursery is dead"

    def close(self) -> None:
        """Nobody is left behind."""
        for life in self._lives:
            life.end()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()
        self._listener.close()


class Life:
    """One process, from this end of its socket."""

    def __init__(self, connection: socket.socket, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self._nursery = nursery
        self._socket = connection
        self._rest = b""
        self._unread: list[dict[str, Any]] = []
        self.over = False
        """All that it ever said has come, and it says no more."""
        self.works = False
        self.refused: str | None = None
        """Why the store did not let it in."""

    def tell(self, **line: Any) -> None:
        with suppress(OSError):  # it may be dead
            self._socket.sendall(json.dumps(line).encode() + b"\n")

    def read(self, wait: float = 0.0) -> list[dict[str, Any]]:
        """What it has said since the last call; waits for so long where that is nothing."""
        if not self._unread:
            self._listen(wait)
        lines, self._unread = self._unread, []
        return lines

    def until(self, predicate: Any) -> bool:
        """Listen until it is true, without reading anything; False if the process ends before."""
        ends_at = time.monotonic() + PATIENCE
        while not predicate() and not self.over:
            assert time.monotonic() < ends_at, "it neither lives nor dies"
            self._listen(0.1)
        return bool(predicate())

    def up(self) -> bool:
        """Wait until it works; False if it was refused, or died before."""
        return self.until(lambda: self.works or self.refused is not None) and self.works

    def signal(self, number: int) -> None:
        """Nothing happens if it is dead."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def end(self) -> int:
        """Kill it if it lives; gives its exit code when all it has said has come."""
        if not self.over:
            self.signal(signal.SIGKILL)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end."""
        self.until(lambda: False)
        self._socket.close()
        return self._nursery.end_of(self.pid)

    def _listen(self, wait: float) -> None:
        if self.over or not select.select([self._socket], [], [], wait)[0]:
            return
        try:
            chunk = self._socket.recv(1 << 18)
        except ConnectionError:
            chunk = b""
        self.over = not chunk
        # a last line that was cut short was never said
        *complete, self._rest = (self._rest + chunk).split(b"\n")
        for text in complete:
            line = json.loads(text)
            self.works = line.get("up", self.works)
            self.refused = line.get("detail", self.refused)
            self._unread.append(line)
