"""Bugs in what joins two players: detector, ladder, signals, stream, resync."""

from __future__ import annotations

from math import inf
from typing import Any

from attrs import evolve

from reconnect.core.detector import Detector
from reconnect.core.frames import Frame, Piece, PieceKind, decode, encode, near
from reconnect.core.incoming import Incoming
from reconnect.core.ladder import Attempt, Ladder
from reconnect.core.link import PeerLink
from reconnect.core.linked import Linked
from reconnect.core.mending import Mending
from reconnect.core.messages import Signal, SignalKind
from reconnect.core.outgoing import Outgoing
from reconnect.core.resync import HEAD, Resync
from reconnect.core.signals import Signals
from reconnect.testing.simulation.bug import Bug, Swap, peer_to_peer
from reconnect.testing.simulation.setting import Setting

LONG = 1e6  # s; longer than any game


def _has_streams(setting: Setting) -> bool:
    return setting.policy.topology != "server"


# -- detector --------------------------------------------------------------------------------------


def _never_lost(_real: Any, _self: Detector) -> float:
    return inf


def _busy_for_ever(_real: Any, self: Detector, _now: float, *, seconds: float) -> None:
    if seconds:
        self._silent_from = inf


def _never_late(_real: Any, _self: Detector, _now: float) -> float:
    return 0.0


# -- ladder, mending, signals ----------------------------------------------------------------------


def _any_attempt_succeeds(real: Any, self: Mending, attempt_id: str, now: float) -> None:
    attempt = self.ladder.attempt
    real(self, attempt_id if attempt is None else attempt.id, now)


def _never_tries_again(real: Any, self: Ladder, now: float) -> Attempt:
    attempt: Attempt = real(self, now)
    if self.next_at != inf:
        self.next_at = now + LONG
    return attempt


def _attempt_lasts_for_ever(real: Any, self: Ladder) -> float:
    return inf if self.attempt is not None else float(real(self))


def _both_offer(_real: Any, _self: Linked, _far: Any, _view: Any) -> bool:
    return True


def _any_attempt_is_current(
    real: Any, self: Mending, effects: Any, signal: Signal, now: float, link: Any
) -> None:
    attempt = self.ladder.attempt
    if attempt is not None and signal.kind in (SignalKind.ANSWER, SignalKind.CANDIDATE):
        signal = evolve(signal, attempt_id=attempt.id)
    real(self, effects, signal, now, link)


def _says_it_once(real: Any, self: Signals, now: float) -> list[Signal]:
    real(self, now)
    return []


def _any_generation(_real: Any, _self: Signals, _signal: Signal) -> bool:
    return True


def _hears_twice(real: Any, self: Signals, signal: Signal) -> bool:
    real(self, signal)
    return True


# -- stream ----------------------------------------------------------------------------------------


def _all_is_acknowledged(_real: Any, _self: PeerLink) -> bool:
    return True


def _takes_it_twice(real: Any, self: Incoming, piece: Piece, now: float) -> None:
    if near(piece.seq, self.expected) < self.expected and piece.last and not self.partial:
        self.inbox[piece.kind].append(piece.data)
        self.inbox_bytes += len(piece.data)
        self.inbox_messages += 1
    real(self, piece, now)


def _last_comes_first(real: Any, self: Incoming, kind: PieceKind) -> list[bytes]:
    return list(reversed(real(self, kind)))


def _new_number(real: Any, self: Outgoing) -> Any:
    _, sent = real(self)
    self.unsent += 1
    self.accepted += 1
    sent.piece = evolve(sent.piece, seq=self.unsent - 1)
    return self.unsent - 1, sent


def _hears_other_generations(real: Any, self: PeerLink, packet: bytes, now: float) -> None:
    frame = decode(packet, self.tag)
    real(self, encode(Frame(self.generation, self.mine, frame.records), self.tag), now)


def _acknowledges_what_is_missing(real: Any, self: Incoming, piece: Piece, now: float) -> None:
    hole = near(piece.seq, self.expected) - self.expected
    if hole > 0 and near(piece.seq, self.expected) < self.limit and not self.early:
        self.expected += hole
    real(self, piece, now)


# -- resync ----------------------------------------------------------------------------------------


def _does_not_wait_for_the_merge(_real: Any, self: Resync, *where: Any) -> bool:
    return self._settled(*where)


def _needs_no_state(_real: Any, _self: Resync, *_where: Any) -> bool:
    return True


def _knows_at_once(_real: Any, _self: Resync, _circle: Any) -> bool:
    return True


def _goes_on_in_the_same_round(real: Any, self: Resync, epoch: int, _roster: int) -> None:
    if epoch != self.epoch:
        real(self, epoch, 0)


def _takes_any_epoch(real: Any, self: Resync, peer: str, message: bytes) -> Any:
    code, *_ = HEAD.unpack_from(message)
    return real(self, peer, HEAD.pack(code, self.epoch, self.roster) + message[HEAD.size :])


def _keeps_what_was_merged(real: Any, self: Resync, epoch: int, roster: int) -> None:
    peers = self._peers
    real(self, epoch, roster)
    self._peers = {**peers, **self._peers}


LINK_BUGS = (
    Bug(
        "detector-deaf",
        "Silence is a loss.",
        "A dead link is never noticed.",
        (Swap(Detector, "_lost_at", _never_lost),),
        shows=peer_to_peer,
    ),
    Bug(
        "detector-busy",
        "Only so much silence is excused by having been announced.",
        "A link that dies after it is never noticed.",
        (Swap(Detector, "busy", _busy_for_ever),),
        shows=peer_to_peer,
    ),
    Bug(
        "detector-stall",
        "A stall of our own loop is no silence of the far end.",
        "A program that hung for a moment takes everybody else for gone.",
        (Swap(Detector, "_late", _never_late),),
        shows=peer_to_peer,
        survives="The far end calls a stall that is long enough a loss itself.",
    ),
    Bug(
        "ladder-abandoned",
        "An attempt that was given up can succeed no more.",
        "A link counts as mended by what mends nothing.",
        (Swap(Mending, "succeeded", _any_attempt_succeeds),),
        shows=peer_to_peer,
        survives="A link is mended when data has made the round trip, whatever attempts say.",
    ),
    Bug(
        "ladder-once",
        "After an attempt that failed comes the next one.",
        "One bad moment ends the game.",
        (Swap(Ladder, "over", _never_tries_again),),
        shows=peer_to_peer,
    ),
    Bug(
        "ladder-endless",
        "An attempt has only so much time.",
        "One whose answer is lost is waited for until the game is over.",
        (Swap(Ladder, "deadline", _attempt_lasts_for_ever),),
        shows=peer_to_peer,
    ),
    Bug(
        "glare",
        "One of two ends makes the offers.",
        "Both do, and neither hears the other's.",
        (Swap(Linked, "_initiates", _both_offer),),
        shows=peer_to_peer,
    ),
    Bug(
        "attempt-id",
        "What is said of an older attempt is ignored.",
        "Two attempts are mixed into one that works for neither end.",
        (Swap(Mending, "arrived", _any_attempt_is_current),),
        shows=peer_to_peer,
        survives="An attempt that comes to nothing is followed by the next one.",
    ),
    Bug(
        "signal-lost",
        "A signal is repeated until it is acknowledged.",
        "An offer that is lost is lost for good.",
        (Swap(Signals, "repeat", _says_it_once),),
        shows=peer_to_peer,
        survives="An attempt that comes to nothing is followed by the next one.",
    ),
    Bug(
        "signal-generation",
        "A signal is for one generation.",
        "A program hears what was said to the one before it.",
        (Swap(Signals, "concern", _any_generation),),
        shows=peer_to_peer,
        survives="The coordinator passes signals on between present generations only.",
    ),
    Bug(
        "signal-twice",
        "A signal is heard once, and in its turn.",
        "An offer that is repeated begins the attempt again.",
        (Swap(Signals, "accept", _hears_twice),),
        shows=peer_to_peer,
        survives="An offer of the present attempt is ignored, the rest does no harm.",
    ),
    Bug(
        "stream-barrier",
        "Nobody resumes before all that was sent before the pause is acknowledged.",
        "The game goes on with inputs missing.",
        (Swap(PeerLink, "synced", _all_is_acknowledged),),
        shows=_has_streams,
        survives="It is sent after the resume, and the game of the tables waits for it.",
    ),
    Bug(
        "stream-twice",
        "A piece that comes twice is taken in once.",
        "The game hears a message twice.",
        (Swap(Incoming, "piece", _takes_it_twice),),
        shows=_has_streams,
    ),
    Bug(
        "stream-order",
        "Messages are handed over in the order in which they were sent.",
        "The game hears the last one first.",
        (Swap(Incoming, "take", _last_comes_first),),
        shows=_has_streams,
    ),
    Bug(
        "stream-number",
        "A piece that is sent again keeps its number.",
        "The hole that it leaves is never filled.",
        (Swap(Outgoing, "_again", _new_number),),
        shows=peer_to_peer,
    ),
    Bug(
        "stream-hole",
        "Only a piece that has come is acknowledged.",
        "The far end forgets what never arrived.",
        (Swap(Incoming, "piece", _acknowledges_what_is_missing),),
        shows=peer_to_peer,
    ),
    Bug(
        "stream-generation",
        "A packet is for one generation, from one generation.",
        "A program is given what was meant for the one before it.",
        (Swap(PeerLink, "received", _hears_other_generations),),
        shows=_has_streams,
    ),
    Bug(
        "resync-merge",
        "Nobody is ready before what the others hold is taken in.",
        "The game begins with inputs missing.",
        (Swap(Resync, "done", _does_not_wait_for_the_merge),),
        shows=_has_streams,
        survives="The streams bring it after the resume, and the game waits for it.",
    ),
    Bug(
        "resync-state",
        "A new program begins with the game of the others.",
        "It begins from nothing, in the middle of theirs.",
        (Swap(Resync, "_settled", _needs_no_state),),
        shows=_has_streams,
    ),
    Bug(
        "resync-knows",
        "Who may still be given a game says nothing.",
        "A program begins anew, and the one that told it so is given the game by a third.",
        (Swap(Resync, "_knows", _knows_at_once),),
        shows=_has_streams,
    ),
    Bug(
        "resync-roster",
        "When others are there, the games are brought together anew.",
        "What somebody said who is gone, or heard from them, is missing.",
        (Swap(Resync, "begin", _goes_on_in_the_same_round),),
        shows=_has_streams,
    ),
    Bug(
        "resync-epoch",
        "What was said in another epoch is void.",
        "An answer to an older question is taken for the newer one's.",
        (Swap(Resync, "heard", _takes_any_epoch),),
        shows=_has_streams,
        survives="What was true of a game that stands still is true in the next epoch.",
    ),
    Bug(
        "resync-begin",
        "In each epoch the games are brought together anew.",
        "What was merged before the last pause counts for this one.",
        (Swap(Resync, "begin", _keeps_what_was_merged),),
        shows=_has_streams,
    ),
)
