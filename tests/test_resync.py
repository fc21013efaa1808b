"""Games that are brought together after an outage, or handed over to a new program."""

import json

import pytest

from reconnect import Gap, Reason
from reconnect.core.resync import Ask, Consult
from reconnect.resync import ask
from tests.games import STEP, Game, Player


class Board:
    """A game that is a dict; it can be handed over and brought together."""

    def __init__(self) -> None:
        self.cells: dict[str, int] = {}
        self.asked: list[str] = []

    def snapshot(self) -> bytes:
        self.asked.append("snapshot")
        return json.dumps(self.cells).encode()

    def restore(self, snapshot: bytes) -> None:
        self.asked.append("restore")
        self.cells = json.loads(snapshot)

    def mark(self, peer: str) -> bytes:
        self.asked.append(f"mark {peer}")
        return json.dumps(sorted(self.cells)).encode()

    def since(self, peer: str, mark: bytes) -> bytes:
        self.asked.append(f"since {peer}")
        known = set(json.loads(mark))
        return json.dumps({k: v for k, v in self.cells.items() if k not in known}).encode()

    def merge(self, peer: str, data: bytes) -> None:
        self.asked.append(f"merge {peer}")
        self.cells |= json.loads(data)


class OnlySnapshots:
    def __init__(self, size: int = 10) -> None:
        self.size = size
        self.restored: bytes | None = None

    def snapshot(self) -> bytes:
        return bytes(self.size)

    def restore(self, snapshot: bytes) -> None:
        self.restored = snapshot


def reload(game: Game, name: str, board: object, *, orderly: bool = True) -> Player:
    if orderly:
        game.players[name].client.close()
    game.players[name] = player = game.join(name, resync=board)
    return player


def start(*names: str, boards: dict[str, object] | None = None) -> tuple[Game, dict[str, object]]:
    boards = {name: Board() for name in names} if boards is None else boards
    game = Game(*names)
    for name in names:
        game.players[name] = game.join(name, resync=boards[name])
    game.run(2)
    assert game.all_playing
    return game, boards


def test_at_the_first_start_nobody_is_asked_for_a_snapshot():
    """Nobody has a game yet; marks are exchanged, which find nothing."""
    _, boards = start("alice", "bob")
    assert boards["alice"].asked == ["mark bob", "since bob", "merge bob"]


def test_after_an_outage_the_games_are_brought_together():
    """What only one of three has, all have before anybody plays on."""
    game, boards = start("alice", "bob", "carol")
    for n, board in enumerate(boards.values()):
        board.cells[f"own {n}"] = n
    game.network.cut("alice", "bob")
    game.run(3)
    game.network.mend("alice", "bob")
    game.run(2)
    assert game.all_playing
    assert len({json.dumps(board.cells, sort_keys=True) for board in boards.values()}) == 1
    assert len(boards["bob"].cells) == 3


def test_a_reloaded_program_is_given_the_game():
    """It restores what the first of the others has, and plays on with them within 3 s."""
    game, boards = start("alice", "bob")
    boards["alice"].cells["score"] = boards["bob"].cells["score"] = 7
    boards["bob"] = Board()
    reload(game, "bob", boards["bob"])
    game.run(3)
    assert game.all_playing
    assert boards["bob"].cells == {"score": 7}
    assert boards["bob"].asked[0] == "restore"
    assert Gap("bob") in game.players["alice"].heard
    assert game.session.outages == 1


def test_what_the_old_program_sent_is_taken_once_and_the_rest_is_counted():
    """What had arrived before a reload is still received; what had not is `superseded`."""
    game, _ = start("alice", "bob")
    game.network.cut("alice", "bob")
    for player in game.players.values():
        player.client.send(b"777")
    reload(game, "bob", Board())
    game.run(1)
    game.network.mend("alice", "bob")
    game.run(3)
    assert game.all_playing
    assert game.players["alice"].client.stats()["superseded"] >= 1


def test_a_reload_after_a_crash_waits_for_the_fence():
    """Nothing spares it where the old program said no word: it may still be playing."""
    game, _ = start("alice", "bob")
    reload(game, "bob", Board(), orderly=False)
    game.run(3)
    assert not game.players["alice"].client.playing
    game.run(12)
    assert game.all_playing


def test_without_a_way_to_hand_it_over_a_reload_ends_with_a_reason():
    """The newcomer is told `no_state`, not a wrong game; the others are told that it left."""
    game, _ = start("alice", "bob", boards={"alice": None, "bob": None})
    reload(game, "bob", None)
    game.run(4)
    assert game.players["bob"].client.reason == Reason.NO_STATE
    assert game.players["alice"].client.reason == Reason.PLAYER_LEFT


@pytest.mark.parametrize("first", [None, OnlySnapshots(2 << 20)], ids=["none", "too long"])
def test_a_newcomer_asks_one_after_the_other_for_the_game(first: object):
    """The first player cannot hand its game over; the next one's is restored, and all play on."""
    game, _ = start(
        "alice",
        "bob",
        "carol",
        boards={"alice": first, "bob": OnlySnapshots(), "carol": OnlySnapshots(7)},
    )
    fresh = OnlySnapshots()
    reload(game, "bob", fresh)
    game.run(4)
    assert game.all_playing
    assert fresh.restored == bytes(7)


def test_a_newcomer_whom_nobody_can_give_a_game_leaves():
    """All of the others have been asked by then."""
    game, _ = start(
        "alice",
        "bob",
        "carol",
        boards={"alice": None, "bob": None, "carol": OnlySnapshots(2 << 20)},
    )
    reload(game, "bob", OnlySnapshots())
    game.run(4)
    assert game.players["bob"].client.reason == Reason.NO_STATE


def test_a_snapshot_that_is_too_long_is_none():
    """`message_max` bounds it; the newcomer hears `no_state`, and nobody crashes."""
    game, _ = start(
        "alice", "bob", boards={"alice": OnlySnapshots(2 << 20), "bob": OnlySnapshots()}
    )
    reload(game, "bob", OnlySnapshots())
    game.run(4)
    assert game.players["bob"].client.reason == Reason.NO_STATE


def test_a_large_snapshot_arrives_whole():
    """Half a megabyte goes over a lossy link in pieces."""
    game, _ = start(
        "alice", "bob", boards={"alice": OnlySnapshots(500_000), "bob": OnlySnapshots()}
    )
    fresh = OnlySnapshots()
    reload(game, "bob", fresh)
    game.run(6)
    assert game.all_playing
    assert fresh.restored == bytes(500_000)


@pytest.mark.parametrize("broken", ["mark", "since", "merge"])
def test_a_game_that_fails_in_it_does_not_play_on(broken: str, monkeypatch: pytest.MonkeyPatch):
    """An exception of the application ends the game for its player, with the reason."""
    game, boards = start("alice", "bob")

    def fail(*_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(boards["bob"], broken, fail)
    game.network.cut("alice", "bob")
    game.run(3)
    game.network.mend("alice", "bob")
    game.run(3)
    assert game.players["bob"].client.reason == Reason.RESYNC_FAILED


def test_a_snapshot_that_cannot_be_made_strands_only_the_newcomer():
    """The one whose game raised plays on as far as the policy lets the others go on."""
    game, boards = start("alice", "bob")

    def fail() -> bytes:
        raise ZeroDivisionError

    boards["alice"].snapshot = fail
    reload(game, "bob", Board())
    game.run(4)
    assert game.players["bob"].client.reason == Reason.NO_STATE
    assert game.players["alice"].client.reason == Reason.PLAYER_LEFT


@pytest.mark.parametrize("wrong", [Ask.SNAPSHOT, Ask.MARK, Ask.SINCE])
def test_only_bytes_are_an_answer(wrong: Ask, monkeypatch: pytest.MonkeyPatch):
    """Anything else is refused in words."""
    board = Board()
    monkeypatch.setattr(board, wrong, lambda *_: "text")
    with pytest.raises(TypeError, match="gave str, not bytes"):
        ask(board, Consult(wrong, "bob", 1, b"[]"))


def test_a_snapshot_for_a_game_that_cannot_restore_is_refused():
    """The error says what is missing."""
    with pytest.raises(TypeError, match=r"no restore\(\)"):
        ask(None, Consult(Ask.RESTORE, "bob", 1, b"x"))


def test_what_an_older_program_asked_is_not_answered_to_the_newer_one():
    """A slow game is asked by a peer's program, and that program is replaced before it answers.

    The newer one holds less: an answer to the older one's mark would leave it with a hole.
    """
    game, boards = start("alice", "bob", "carol")
    boards["bob"].cells["old"] = boards["carol"].cells["old"] = 1
    game.network.cut("alice", "bob")
    while game.players["carol"].client.playing:
        game.run(STEP)
    carol = game.players.pop("carol")
    game.run(1)
    boards["bob"] = Board()
    reload(game, "bob", boards["bob"])
    game.network.mend("alice", "bob")
    game.run(2)
    assert "restore" in boards["bob"].asked
    game.players["carol"] = carol
    game.run(2)
    assert game.all_playing
    assert boards["bob"].cells == boards["carol"].cells == {"old": 1}
