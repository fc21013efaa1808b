"""A hostile player: has a good token, takes the seat, and then says whatever does the most harm."""

from __future__ import annotations

from random import Random
from typing import Any

from reconnect.core.messages import PROTOCOL_VERSION, Claim, Phase, Report
from reconnect.core.wire import encode
from reconnect.ports import ClientSignaling

INTERVAL = 0.05  # s between two messages
NUMBERS: tuple[Any, ...] = (0, 1, 2, 3, 7, 255, 2**31, 2**53 - 1, -1, 1.5, None, "1", True, [], {})
WORDS: tuple[Any, ...] = (
    "",
    "halted",
    "ready",
    "playing",
    "left",
    "link_lost",
    "offer",
    "💥",
    "x" * 5000,
    None,
    3,
)


class Intruder:
    """Speaks on a control link of its own until `stop`; everything comes from the seed."""

    def __init__(
        self,
        signaling: ClientSignaling,
        *,
        session: str,
        player: str,
        token: str,
        others: list[str],
        seed: str,
    ) -> None:
        self.player = player
        self._session = session
        self._claim = Claim(player, token)
        self._others = others
        self._signaling = signaling
        self._random = Random(seed)
        self._stopped = False
        self._gen = self._epoch = self._seq = self._version = 0
        signaling.open(self)

    def stop(self) -> None:
        """Say nothing more."""
        self._stopped = True
        self._signaling.close()

    # -- what its control link says ----------------------------------------------------------------

    def opened(self) -> None:
        self._say(self._report(Phase.HALTED), self._claim)
        self._later()

    def received(self, message: Any) -> None:
        """Learn just enough of a view to be believed."""
        self._gen = message.get("gen", self._gen) or self._gen
        self._epoch = message.get("epoch", self._epoch) or self._epoch
        self._version = message.get("version", self._version) or self._version

    def closed(self, cause: str) -> None:  # noqa: ARG002 - whatever it was, it stays away
        self._stopped = True

    # -- what it says ------------------------------------------------------------------------------

    def _later(self) -> None:
        runtime = self._signaling.runtime
        runtime.call_at(runtime.now() + INTERVAL, self._turn)

    def _turn(self) -> None:
        if self._stopped:
            return
        tricks = (self._lie, self._lie, self._mutilate, self._signal, self._data, self._junk)
        self._random.choice(tricks)()
        self._later()

    def _lie(self) -> None:
        """A well-formed report that is not true."""
        phase = self._random.choice([Phase.HALTED, Phase.READY, Phase.PLAYING])
        self._epoch = max(0, self._epoch + self._random.choice([-1, 0, 0, 0, 1]))
        self._say(self._report(phase))

    def _mutilate(self) -> None:
        """A report with one field that is none."""
        form = encode(self._report(Phase.HALTED), session=self._session)
        field = self._random.choice(sorted(form))
        form[field] = self._random.choice([*NUMBERS, *WORDS])
        self._signaling.send(form)

    def _signal(self) -> None:
        form: dict[str, Any] = {
            "type": "signal",
            "to": self._random.choice([*self._others, "nobody", self.player]),
            "gen_from": self._gen,
            "gen_to": self._random.choice([1, 2, 3]),
            "attempt_id": self._random.choice(["a", "1.1.1", "2.1.1"]),
            "n": self._random.randrange(5),
            "kind": self._random.choice(["offer", "answer", "candidate", "nonsense"]),
            "payload": self._random.choice(["{}", "{", "[]", '{"connection": 1}', "x" * 2000]),
        }
        self._send(form)

    def _data(self) -> None:
        form = {
            "type": "data",
            "to": self._random.choice(self._others or ["nobody"]),
            "payload": self._random.choice(["", "AAAA", "!!!", "A" * 1600, 7]),
        }
        self._send(form)

    def _junk(self) -> None:
        word = self._random.choice(["report", "view", "bye", "error", "signal_ack", "hello"])
        self._send({"type": word, "deep": [[[[]]]]})

    def _send(self, form: dict[str, Any]) -> None:
        self._signaling.send({"v": PROTOCOL_VERSION, "session": self._session, **form})

    def _report(self, phase: Phase) -> Report:
        self._seq += 1
        return Report(
            gen=self._gen,
            seq=self._seq,
            epoch=self._epoch,
            phase=phase,
            version=self._version,
            cause="link_lost" if phase is not Phase.PLAYING else None,
            frame=self._random.choice([0, 5, 1000, 2**52]),
        )

    def _say(self, report: Report, claim: Claim | None = None) -> None:
        self._signaling.send(encode(report, session=self._session, claim=claim))


class Forger(Intruder):
    """Has a token that opens no seat of this player's; `AssertionError` if it opens one."""

    def received(self, message: Any) -> None:
        assert message.get("type") in ("error", "bye"), "T1: a token opened a seat that is not its"
