"""A coordinator in virtual time, and clients whose every message is written by hand."""

from __future__ import annotations

from typing import Any

import structlog

from reconnect.coordinator import Coordinator
from reconnect.core.record import Record
from reconnect.handle import SessionHandle
from reconnect.policy import Policy
from reconnect.signaling.memory import MemorySignaling
from reconnect.stores.memory import MemoryStore
from reconnect.testing.virtual import VirtualRuntime

BIRTH = 1_700_000_000.0  # what the wall clock shows when virtual time begins
WORK_MAX = 0.02  # s; the longest that a virtual runtime's work takes


class StubbornRuntime(VirtualRuntime):
    """Work may hang: then neither is it done nor does anybody hear of it, until `release`."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed, start=100.0, work_delay=(0.001, WORK_MAX))
        self.hangs = False
        self.stuck: list[tuple[Any, Any]] = []

    def work(self, job: Any, done: Any) -> None:
        if self.hangs:
            self.stuck.append((job, done))
        else:
            super().work(job, done)

    def release(self) -> None:
        """What hung is done after all."""
        self.hangs = False
        stuck, self.stuck = self.stuck, []
        for job, done in stuck:
            self.work(job, done)


class FaultyStore(MemoryStore):
    """Raises `faults` from the next saves, and `lies` from saves that are durable all the same."""

    def __init__(self, *, blocking: bool = False) -> None:
        super().__init__()
        self.blocking = blocking
        self.faults: list[Exception | None] = []
        self.lies: list[Exception] = []
        self.load_faults: list[Exception] = []
        self.saves: list[Record] = []
        self.closed = False
        self.forgotten: list[str] = []

    def save(self, record: Record, *, expected: int) -> None:
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        super().save(record, expected=expected)
        self.saves.append(record)
        if self.lies:
            raise self.lies.pop(0)

    def load(self, session: str) -> Record | None:
        if self.load_faults:
            raise self.load_faults.pop(0)
        return super().load(session)

    def forget(self, session: str) -> None:
        super().forget(session)
        self.forgotten.append(session)

    def close(self) -> None:
        self.closed = True


class Hand:
    """A client that says what it is told to say, and writes down what it hears."""

    def __init__(self, house: House, player: str, token: str, session: str) -> None:
        self.house = house
        self.player = player
        self.token = token
        self.session = session
        self.gen = 0
        self.seq = 0
        self.epoch = 0
        self.phase = "halted"
        self.version = 0
        self.frame = 0
        self.heard: list[dict[str, Any]] = []
        self.closings: list[str] = []
        self.line = house.signaling.client(player, runtime=house.runtime)

    # -- what the signaling says -------------------------------------------------------------------

    def opened(self) -> None:
        pass

    def received(self, message: Any) -> None:
        self.heard.append(message)
        if message["type"] == "view":
            self.version = message["version"]
            self.gen = message["gen"]

    def closed(self, cause: str) -> None:
        self.closings.append(cause)

    # -- what it does ------------------------------------------------------------------------------

    def dial(self) -> None:
        self.closings.clear()
        self.line.open(self)
        self.house.settle()

    def say(self, message: Any) -> None:
        """Send anything, and let it arrive."""
        self.line.send(message)
        self.house.settle()

    def report_with(self, **fields: Any) -> dict[str, Any]:
        """The next report, as this client stands; `fields` are put over it."""
        self.seq += 1
        return {
            "v": 1,
            "session": self.session,
            "type": "report",
            "gen": self.gen,
            "seq": self.seq,
            "epoch": self.epoch,
            "phase": self.phase,
            "version": self.version,
            "frame": self.frame,
        } | fields

    def report(self, phase: str | None = None, epoch: int | None = None, **fields: Any) -> None:
        """Report, with another phase or epoch from now on."""
        self.phase = self.phase if phase is None else phase
        self.epoch = self.epoch if epoch is None else epoch
        self.say(self.report_with(**fields))

    def claim(self, **fields: Any) -> None:
        """Dial and claim the seat with the first report."""
        self.dial()
        self.say(self.report_with(player=self.player, token=self.token) | fields)

    def attach(self) -> None:
        """Claim the seat; a new client takes it with the generation that it is offered."""
        self.claim()
        if self.seq == 1:
            self.report()

    def hang_up(self) -> None:
        self.line.close()
        self.house.settle()

    # -- what it has heard -------------------------------------------------------------------------

    @property
    def last(self) -> dict[str, Any]:
        return self.heard[-1]

    @property
    def view(self) -> dict[str, Any]:
        """The last whole view."""
        return next(one for one in reversed(self.heard) if "state" in one)

    @property
    def views(self) -> list[str]:
        """The states of all whole views."""
        return [one["state"] for one in self.heard if "state" in one]

    @property
    def errors(self) -> list[str]:
        return [one["code"] for one in self.heard if one["type"] == "error"]

    @property
    def types(self) -> list[str]:
        return [one["type"] for one in self.heard]


class House:
    """A coordinator, its store, and the clients it talks to."""

    def __init__(
        self,
        *,
        store: MemoryStore | None = None,
        policy: Policy | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        self.runtime = StubbornRuntime(seed)
        self.signaling = MemorySignaling(self.runtime)
        self.store = MemoryStore() if store is None else store
        self.policy = policy or Policy(outage_timeout=30)
        self.options: dict[str, Any] = {"logger": Log()} | options
        self.coordinator = self.start()

    def start(self) -> Coordinator:
        """The coordinator of the process that runs from now on."""
        self.process = self.signaling.runtime = self.runtime.process()
        self.coordinator = Coordinator(
            signaling=self.signaling,
            store=self.store,
            policy=self.policy,
            wall=lambda: BIRTH + self.runtime.now(),
            **self.options,
        )
        return self.coordinator

    def kill(self) -> None:
        """The process dies: nothing of it happens any more, and connections break."""
        self.process.kill()
        self.signaling.stop()

    def settle(self) -> None:
        """Let arrive what was sent, and be saved what is saved, if the store blocks."""
        self.runtime.run(4 * WORK_MAX if self.store.blocking else 0.0)

    def run(self, seconds: float) -> None:
        self.runtime.run(seconds)

    def keep(self, seconds: float, *hands: Hand) -> None:
        """Let time pass while these clients report as they should."""
        end = self.runtime.now() + seconds
        while self.runtime.now() < end:
            self.run(min(self.policy.heartbeat_interval, end - self.runtime.now()))
            for hand in hands:
                hand.report()

    def client(self, handle: SessionHandle, player: str) -> Hand:
        """A client with a token of its own, not yet connected."""
        token = handle.invite(player)
        self.settle()
        return Hand(self, player, token, handle.id)

    def players(self, handle: SessionHandle) -> list[Hand]:
        """An attached client for each player."""
        hands = [self.client(handle, player) for player in handle.players]
        for hand in hands:
            hand.attach()
        return hands

    def game(self, *players: str, **options: Any) -> tuple[SessionHandle, list[Hand]]:
        """A session in which everybody plays."""
        handle = self.coordinator.open(list(players or ("ann", "ben")), **options)
        self.settle()
        hands = self.players(handle)
        self.resume(*hands)
        return handle, hands

    def resume(self, *hands: Hand) -> None:
        """All become ready for the epoch they are shown, are resumed, and play."""
        for hand in hands:
            hand.report("halted", hand.view["epoch"])
        for hand in hands:
            hand.report("ready", hand.view["epoch"])
        self.keep(hands[0].view["resume"]["start_in_ms"] / 1000, *hands)
        for hand in hands:
            hand.report("playing")

    def record(self, handle: SessionHandle) -> Record | None:
        return self.store.load(handle.id)


class Log:
    """A structlog logger that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self._log = structlog.wrap_logger(None, processors=[self._keep])

    def bind(self, **values: Any) -> Any:
        return self._log.bind(**values)

    def _keep(self, _logger: Any, level: str, line: Any) -> Any:
        self.lines.append(dict(line) | {"level": level})
        raise structlog.DropEvent

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]


class Diary:
    """A recorder that writes down what it is told, and may fail."""

    def __init__(self) -> None:
        self.entries: list[tuple[Any, ...]] = []
        self.fails = False
        self.closed = False

    def began(self, session: Any, *, now: float) -> None:
        self.entries.append(("began", session.id, session.state, now))
        self._fail()

    def handled(self, session: Any, event: Any, effects: Any, *, now: float) -> None:
        self.entries.append(("handled", session.id, event, list(effects), now))
        self._fail()

    def close(self) -> None:
        self.closed = True
        self._fail()

    def _fail(self) -> None:
        if self.fails:
            raise RuntimeError("the diary is full")

    @property
    def events(self) -> list[str]:
        return [type(entry[2]).__name__ for entry in self.entries if entry[0] == "handled"]
