"""Bugs in what runs the protocol: control link, shells, store, tokens, telemetry."""

from __future__ import annotations

from math import inf
from typing import Any
from weakref import WeakKeyDictionary

from reconnect import tokens
from reconnect.coordinator import Coordinator
from reconnect.core.control import Control, Dialled
from reconnect.core.effects import Send
from reconnect.core.events import ReportArrived, TokenIssued
from reconnect.core.messages import View
from reconnect.core.record import Record
from reconnect.core.session import Session
from reconnect.mailbox import Mailbox, Stage
from reconnect.signaling.memory import MemoryClientSignaling
from reconnect.stores.memory import MemoryStore
from reconnect.telemetry.account import Account
from reconnect.testing.simulation.bug import Bug, Swap
from reconnect.wheel import Wheel
from reconnect.wiring import Wiring, _Dial

_before: WeakKeyDictionary[MemoryStore, list[Record]] = WeakKeyDictionary()
"""What a store was given before what it holds now."""
_older: dict[str, str] = {}
"""The digest of a token, and of the one before it."""


# -- the control link ------------------------------------------------------------------------------


def _waits_for_the_dial(real: Any, self: Control) -> float:
    return inf if self.dialled is Dialled.DIALLING else float(real(self))


def _no_dial_timeout(_real: Any, _self: MemoryClientSignaling) -> None:
    """The dial goes on."""


def _trusts_the_silence(real: Any, self: Control) -> float:
    return inf if self.dialled is Dialled.OPEN else float(real(self))


def _all_dials_are_heard(_real: Any, _self: _Dial) -> bool:
    return True


def _done_last_to_first(real: Any, self: Wiring, effect: Any) -> None:
    while self._effects:
        real(self, self._effects.pop())
    real(self, effect)


def _rings_once(real: Any, self: Wiring) -> None:
    if self.now() >= self.peer.deadline:
        real(self)


# -- the coordinator's shell -----------------------------------------------------------------------


def _told_before_it_is_saved(real: Any, self: Mailbox, save: Any, then: Any) -> None:
    then()
    real(self, save, _nothing)


def _nothing() -> None:
    """It has been told already."""


def _deaf_while_saving(real: Any, self: Mailbox, event: Any, check: Any = None) -> None:
    if self._stage is not Stage.SAVING:
        real(self, event, check)


def _no_reports_while_saving(real: Any, self: Mailbox, event: Any, check: Any = None) -> None:
    if self._stage is not Stage.SAVING or not isinstance(event, ReportArrived):
        real(self, event, check)


def _failure_is_success(real: Any, self: Mailbox, task: int, then: Any, result: Any) -> None:
    failed = self._stage is Stage.SAVING and isinstance(result, Exception)
    real(self, task, then, None if failed else result)


def _forgets_the_order(real: Any, self: Mailbox, now: float) -> None:
    self._order = None
    real(self, now)


def _does_not_look_again(real: Any, self: Mailbox) -> None:
    with Swap(Wheel, "arm", _never).made():
        real(self)


def _never(_real: Any, _self: Wheel, _key: Any, _when: float) -> None:
    """It comes up no more."""


def _keeps_the_first_instant(real: Any, self: Wheel, key: Any, when: float) -> None:
    if key not in self._tick_of:
        real(self, key, when)


def _never_rings(real: Any, self: Mailbox) -> None:
    if self._stage is not Stage.FREE:
        real(self)


def _performs_backwards(
    real: Any, self: Coordinator, session: str, effects: Any, late: float
) -> None:
    real(self, session, list(reversed(effects)), late)


def _sends_to_the_room(
    real: Any, self: Coordinator, session: str, effects: Any, late: float
) -> None:
    room = [one.number for one in self._seats.in_session(session) if one.mailbox is not None]
    said = []
    for effect in effects:
        if isinstance(effect, Send) and isinstance(effect.message, View):
            said += [Send(number, effect.message) for number in room]
        else:
            said.append(effect)
    real(self, session, said, late)


# -- the store -------------------------------------------------------------------------------------


def _overwrites(real: Any, self: MemoryStore, record: Record, *, expected: int) -> None:
    found = self.load(record.session)
    real(self, record, expected=expected if found is None else found.version)


def _says_so_too_early(real: Any, self: MemoryStore, record: Record, *, expected: int) -> None:
    waiting = _before.setdefault(self, [])
    for one in waiting:
        real(self, one, expected=one.version - 1)
    waiting[:] = [record]
    if expected == 0:
        real(self, record, expected=expected)
        waiting.clear()


def _keeps_the_last_one(real: Any, self: MemoryStore, record: Record, *, expected: int) -> None:
    found = self.load(record.session)
    if found is not None:
        _before[self] = [found]
    real(self, record, expected=expected)


def _gives_the_last_one(real: Any, self: MemoryStore) -> Any:
    return tuple(_before.get(self) or real(self))


# -- tokens ----------------------------------------------------------------------------------------


def _opens_everything(_real: Any, _token: object, _digest: str | None) -> bool:
    return True


def _remembers_tokens(real: Any, self: Session, event: Any, *, now: float) -> Any:
    before = self.members[event.player].token_digest if isinstance(event, TokenIssued) else None
    effects = real(self, event, now=now)
    if before is not None:
        _older[event.digest] = before
    return effects


def _voids_nothing(real: Any, token: object, digest: str | None) -> bool:
    older = None if digest is None else _older.get(digest)
    return bool(real(token, digest)) or (older is not None and _voids_nothing(real, token, older))


def _knows_only_what_is_in_memory(real: Any, self: Mailbox, player: str) -> Any:
    if self.session is None or player not in self.session.members:
        return real(self, player)
    return {self.session.members[player].token_digest}


# -- telemetry -------------------------------------------------------------------------------------


def _begins_another(real: Any, self: Account, *args: Any) -> None:
    self._open = None
    real(self, *args)


def _forgets_what_was_open(real: Any, self: Account, session: Any, now: float) -> None:
    self._open = None
    real(self, session, now)


SILENT = Swap(Control, "silence_timeout", _waits_for_the_dial)

SHELL_BUGS = (
    Bug(
        "dial",
        "A dial that is not answered is given up.",
        "A client waits for ever.",
        (SILENT,),
    ),
    Bug(
        "dial-adapter",
        "A dial that is not answered is given up, by the client and by the adapter.",
        "A client waits for ever.",
        (SILENT, Swap(MemoryClientSignaling, "_unanswered", _no_dial_timeout)),
    ),
    Bug(
        "silence",
        "A coordinator that is silent is dialled anew.",
        "A client waits for ever on a connection that is half open.",
        (Swap(Control, "silence_timeout", _trusts_the_silence),),
    ),
    Bug(
        "old-dial",
        "Nothing of an older dial is heard.",
        "A client believes a connection that it has closed.",
        (Swap(_Dial, "current", _all_dials_are_heard),),
        survives="The adapter says nothing of any connection but the last.",
    ),
    Bug(
        "wiring-order",
        "What a client orders is done in the order in which it was ordered.",
        "It hangs up on the coordinator that it has just dialled.",
        (Swap(Wiring, "_perform", _done_last_to_first),),
    ),
    Bug(
        "wiring-timer",
        "A timer that comes too early is set again.",
        "A client that waits for nothing else never wakes up.",
        (Swap(Wiring, "_rang", _rings_once),),
    ),
    Bug(
        "M12",
        "Nothing is told before it is durable.",
        "A server that crashes takes back what it has said.",
        (Swap(Mailbox, "_save", _told_before_it_is_saved),),
    ),
    Bug(
        "mailbox-deaf",
        "What comes during a save waits for its turn.",
        "It never happens.",
        (Swap(Mailbox, "post", _deaf_while_saving),),
    ),
    Bug(
        "mailbox-reports",
        "Reports that come during a save wait for their turn.",
        "They are lost.",
        (Swap(Mailbox, "post", _no_reports_while_saving),),
        survives="A report is a whole state, and the next one says it again.",
    ),
    Bug(
        "mailbox-failure",
        "A save that fails is a crash of the session.",
        "What was never written is told.",
        (Swap(Mailbox, "_work_ended", _failure_is_success),),
    ),
    Bug(
        "mailbox-order",
        "What the application ordered is ordered again when its save has failed.",
        "A token that was handed out opens nothing.",
        (Swap(Mailbox, "_throw_away", _forgets_the_order),),
        rare=True,
    ),
    Bug(
        "mailbox-timer",
        "A deadline that comes up early is looked at again.",
        "Nobody notices that a player has gone, until another one says something.",
        (Swap(Mailbox, "due", _does_not_look_again),),
    ),
    Bug(
        "mailbox-time",
        "A session is told that time has passed.",
        "No deadline is ever reached by itself.",
        (Swap(Mailbox, "due", _never_rings),),
    ),
    Bug(
        "wheel",
        "A deadline that moves is moved on the wheel.",
        "It comes up when it was due before.",
        (Swap(Wheel, "arm", _keeps_the_first_instant),),
        survives="Some deadline comes within a second, and the next is looked up then.",
    ),
    Bug(
        "coordinator-order",
        "What a session orders is done in the order in which it was ordered.",
        "A connection is closed before the reason was sent on it.",
        (Swap(Coordinator, "_perform", _performs_backwards),),
    ),
    Bug(
        "room",
        "A view goes to one connection.",
        "Clients read what was said to others.",
        (Swap(Coordinator, "_perform", _sends_to_the_room),),
    ),
    Bug(
        "store-overwrites",
        "A save compares before it sets.",
        "A save that comes late brings an older session back.",
        (Swap(MemoryStore, "save", _overwrites),),
    ),
    Bug(
        "store-early",
        "What a store says it has saved is durable.",
        "A crash loses what everybody has been told.",
        (Swap(MemoryStore, "save", _says_so_too_early),),
    ),
    Bug(
        "store-older",
        "A store gives what was saved last.",
        "After a restart the session is what it was before.",
        (
            Swap(MemoryStore, "save", _keeps_the_last_one),
            Swap(MemoryStore, "load_all", _gives_the_last_one),
        ),
    ),
    Bug(
        "token-any",
        "Only its token opens a seat.",
        "Anything opens it.",
        (Swap(tokens, "matches", _opens_everything),),
    ),
    Bug(
        "token-void",
        "A token is void as soon as there is a newer one.",
        "It opens the seat for ever.",
        (
            Swap(Session, "handle", _remembers_tokens),
            Swap(tokens, "matches", _voids_nothing),
        ),
    ),
    Bug(
        "token-early",
        "A token opens its seat until a newer one is stored.",
        "It is called void while the newer one is being saved, and may be lost.",
        (Swap(Mailbox, "digests", _knows_only_what_is_in_memory),),
    ),
    Bug(
        "outage-twice",
        "Telemetry keeps one record of an outage, however often it was paused.",
        "It counts one for each pause.",
        (Swap(Account, "_paused", _begins_another),),
    ),
    Bug(
        "outage-restarted",
        "A record that is open goes on after a restart of the server.",
        "The outage is counted again.",
        (Swap(Account, "began", _forgets_what_was_open),),
    ),
)
