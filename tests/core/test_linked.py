"""What a client's links carry between two players who bring their games together."""

from zlib import crc32

import pytest

from reconnect.core.events import Consulted, ConsultFailed
from reconnect.core.frames import PieceKind
from reconnect.core.messages import Phase, Reason
from reconnect.core.notices import Ended, Gap
from reconnect.core.resync import HEAD, Ask, Code, Consult

from .peer_drama import ENDED, Far, PeerDrama

MESSAGE_MAX = 4000
OLDER = bytes(MESSAGE_MAX)
SNAPSHOT = b"game" * 100


def word(code: Code, epoch: int, data: bytes = b"", *, among: str = "ann:1 ben:1") -> bytes:
    """What is said among these clients, in this epoch."""
    roster = "".join(f"{one}\n" for one in among.split())
    return HEAD.pack(code, epoch, crc32(roster.encode())) + data


def halted(*, marks: bool = False, snapshots: bool = False, state: bool = True) -> PeerDrama:
    """A client whose links are proven, in epoch 1, with an application of these abilities."""
    drama = PeerDrama(stream_bytes_max=MESSAGE_MAX, message_max=MESSAGE_MAX)
    resync = drama.peer.resync
    resync.marks, resync.snapshots, resync.has_state = marks, snapshots, state
    drama.attach().recover().connect()
    return drama


def hears(drama: PeerDrama, *said: bytes) -> list[Consult]:
    """What the application is asked when ben says this."""
    drama.gives("ben", *said, kind=PieceKind.RESYNC)
    return drama.of_kind(Consult)


def said(drama: PeerDrama) -> bytes:
    """What ben has got, one after the other."""
    return b"".join(drama.far["ben"].got)


def fill(drama: PeerDrama) -> None:
    """Something of an older epoch is still on its way to ben, and leaves no room in the stream."""
    drama.far["ben"].mute = True
    drama.peer.links["ben"].stream.send(OLDER, PieceKind.RESYNC)


def answer(drama: PeerDrama, asked: Consult, data: bytes = b"") -> None:
    drama.hear(Consulted(asked.ask, asked.peer, asked.round, data))


def test_who_has_a_game_hands_it_over():
    """The application is asked for it, and what it says goes to the one who wants it."""
    drama = halted(snapshots=True)
    (asked,) = hears(drama, word(Code.WANT, 1))
    assert (asked.ask, asked.peer, asked.data) == (Ask.SNAPSHOT, "ben", b"")
    answer(drama, asked, b"game")
    assert said(drama) == word(Code.SNAPSHOT, 1, b"game")


def test_a_mark_goes_out_and_what_it_brings_is_merged():
    """Ready when the application has taken in what ben says it lacked, and not before."""
    drama = halted(marks=True)
    (asked,) = drama.of_kind(Consult)
    assert asked.ask is Ask.MARK
    answer(drama, asked, b"7")
    assert said(drama) == word(Code.MARK, 1, b"7")
    (asked,) = hears(drama, word(Code.SINCE, 1, b"rest"))
    assert (asked.ask, asked.peer, asked.data) == (Ask.MERGE, "ben", b"rest")
    assert drama.report_of_phase() is Phase.HALTED
    answer(drama, asked)
    assert drama.report_of_phase() is Phase.READY


@pytest.mark.parametrize(("code", "ability"), [(Code.MARK, "marks"), (Code.WANT, "snapshots")])
def test_nobody_is_asked_the_same_twice_in_an_epoch(code: Code, ability: str):
    """A far end that repeats itself keeps no application busy, and fills no queue."""
    drama = halted(**{ability: True})
    assert len(hears(drama, word(code, 1))) == 1
    assert hears(drama, *[word(code, 1)] * 20) == []
    assert drama.peer.malformed == 1


def test_one_answer_is_merged():
    """Whatever else the far end says it had left out."""
    drama = halted(marks=True)
    answer(drama, drama.of_kind(Consult)[0])
    assert len(hears(drama, *[word(Code.SINCE, 1)] * 5)) == 1


def test_a_late_answer_about_an_older_client_is_not_said_to_the_newer_one():
    """A slow application is asked the same again about each client, in one and the same epoch."""
    drama = halted(marks=True)
    (older,) = drama.of_kind(Consult)
    drama.far["ben"] = Far(gen=2)
    drama.views("reconnecting", 1)
    drama.connect()
    (newer,) = drama.of_kind(Consult)
    assert older.round < newer.round
    answer(drama, older, b"7")
    assert said(drama) == b""
    answer(drama, newer, b"9")
    assert said(drama) == word(Code.MARK, 1, b"9", among="ann:1 ben:2")


def test_who_has_played_has_a_game():
    """Nobody had one at first; in the next pause this client wants none, and hands its own over."""
    drama = halted(snapshots=True, state=False)
    hears(drama, word(Code.NO_STATE, 1))
    drama.resume()
    drama.far["ben"].got.clear()
    drama.views("reconnecting", 2)
    (asked,) = hears(drama, word(Code.WANT, 2))
    assert (asked.ask, asked.peer) == (Ask.SNAPSHOT, "ben")
    assert said(drama) == b""


def test_a_snapshot_waits_for_room_in_the_stream():
    """It goes when the far end has acknowledged what was said before."""
    drama = halted(snapshots=True)
    (asked,) = hears(drama, word(Code.WANT, 1))
    fill(drama)
    answer(drama, asked, SNAPSHOT)
    drama.far["ben"].mute = False
    drama.wait(1.0)
    assert said(drama) == OLDER + word(Code.SNAPSHOT, 1, SNAPSHOT)
    assert not drama.peer.ended


def test_what_waits_for_room_is_void_in_a_newer_epoch():
    """There it would be ignored; the room is for what is said then."""
    drama = halted(snapshots=True)
    (asked,) = hears(drama, word(Code.WANT, 1))
    fill(drama)
    answer(drama, asked, SNAPSHOT)
    assert len(drama.peer.todo) == 1
    drama.views("reconnecting", 2)
    assert drama.peer.todo == []


def test_what_waits_for_room_is_not_said_to_a_newer_client():
    """It has asked for nothing yet."""
    drama = halted(snapshots=True)
    (asked,) = hears(drama, word(Code.WANT, 1))
    fill(drama)
    answer(drama, asked, SNAPSHOT)
    drama.far["ben"].gen = 2
    drama.views("reconnecting", 1)
    assert drama.peer.todo == []


def test_a_snapshot_that_is_too_long_is_none():
    """Who wants it hears so, and the one whose game it is plays on."""
    drama = halted(snapshots=True)
    (asked,) = hears(drama, word(Code.WANT, 1))
    answer(drama, asked, bytes(MESSAGE_MAX))
    assert said(drama) == word(Code.NO_SNAPSHOT, 1)
    assert not drama.peer.ended


def test_a_snapshot_that_cannot_be_made_is_none():
    """The same for an application that raises."""
    drama = halted(snapshots=True)
    (asked,) = hears(drama, word(Code.WANT, 1))
    drama.hear(ConsultFailed(asked.ask, asked.peer, asked.round))
    assert said(drama) == word(Code.NO_SNAPSHOT, 1)
    assert not drama.peer.ended


def test_what_is_too_long_and_no_snapshot_ends_the_game_here():
    """A game with a hole in it must not be played."""
    drama = halted(marks=True)
    (asked,) = drama.of_kind(Consult)
    answer(drama, asked, bytes(MESSAGE_MAX))
    assert (drama.play_now, drama.peer.reason) == (ENDED, Reason.RESYNC_FAILED)


@pytest.mark.parametrize("ask", [Ask.MARK, Ask.SINCE, Ask.MERGE, Ask.RESTORE])
def test_an_application_that_fails_ends_the_game_here(ask: Ask):
    """It leaves, so that the others hear of it."""
    drama = halted(marks=True)
    drama.hear(ConsultFailed(ask, "ben", 1))
    assert (drama.play_now, drama.peer.reason) == (ENDED, Reason.RESYNC_FAILED)
    assert drama.report.phase is Phase.LEFT
    assert drama.notices == [Ended(Reason.RESYNC_FAILED)]


def test_who_cannot_be_given_a_game_leaves():
    """It has none of its own, and nobody who has one can hand it over."""
    drama = halted(state=False)
    assert said(drama) == word(Code.WANT, 1)
    hears(drama, word(Code.NO_SNAPSHOT, 1))
    assert (drama.play_now, drama.peer.reason) == (ENDED, Reason.NO_STATE)


def test_the_next_player_is_asked_when_one_cannot_give_a_game():
    """Nobody leaves before all have been asked."""
    all_three = "ann:1 ben:1 cid:1"
    drama = PeerDrama("ann", "ben", "cid")
    drama.peer.resync.has_state = False
    drama.peer.resync.snapshots = True
    drama.attach().recover().connect()
    assert (said(drama), drama.far["cid"].got) == (word(Code.WANT, 1, among=all_three), [])
    hears(drama, word(Code.NO_SNAPSHOT, 1, among=all_three))
    assert drama.far["cid"].got == [word(Code.WANT, 1, among=all_three)]
    assert not drama.peer.ended
    handed_over = word(Code.SNAPSHOT, 1, b"game", among=all_three)
    drama.gives("cid", handed_over, kind=PieceKind.RESYNC)
    (asked,) = drama.of_kind(Consult)
    assert (asked.ask, asked.peer, asked.data) == (Ask.RESTORE, "cid", b"game")


def test_what_an_older_client_did_not_acknowledge_is_counted():
    """A newer one takes its place: it is told of a gap, and the rest is `superseded`."""
    drama = PeerDrama().play()
    drama.far["ben"].mute = True
    drama.peer.links["ben"].stream.send(b"one")
    drama.peer.links["ben"].stream.send(b"two")
    drama.far["ben"].gen = 2
    drama.views("connected", 1)
    assert drama.peer.superseded == 2
    assert Gap("ben") in drama.notices
    assert any(fact.kind == "superseded" for fact in drama.reports[-1].facts)


def test_what_is_said_to_one_who_is_gone_is_dropped():
    """The application took its time; the player it speaks to has left meanwhile."""
    drama = PeerDrama("ann", "ben", "cid", stream_bytes_max=MESSAGE_MAX, message_max=MESSAGE_MAX)
    drama.peer.resync.snapshots = True
    drama.attach().recover().connect()
    (asked,) = hears(drama, word(Code.WANT, 1, among="ann:1 ben:1 cid:1"))
    drama.views("reconnecting", 1, players=[one for one in drama.players() if one.id != "ben"])
    answer(drama, asked, b"game")
    assert said(drama) == b""
    assert not drama.peer.ended
