"""The demo's game is deterministic, and its hashes notice everything."""

from random import Random

from reconnect.demo.game import HEIGHT, MOVES, WIDTH, Game


def play(seed: int, choices: int, frames: int = 200) -> Game:
    game = Game(["alice", "bob"], seed)
    random = Random(choices)
    for _ in range(frames):
        game.step({player: random.choice(list(MOVES)) for player in ("alice", "bob")})
    return game


def test_the_same_inputs_make_the_same_game():
    """Two copies that are given the same inputs have the same hash and the same board."""
    one, other = play(1, 2), play(1, 2)
    assert one.digest == other.digest
    assert one.board() == other.board()


def test_a_single_other_input_is_never_forgotten():
    """After one different input the hashes differ for ever, even if the boards meet again."""
    one, other = play(1, 2), play(1, 2)
    one.step({"alice": 1, "bob": 0})
    other.step({"alice": 3, "bob": 0})
    for game in (one, other):
        game.step({"alice": 3 if game is one else 1, "bob": 0})
        for _ in range(50):
            game.step({"alice": 0, "bob": 0})
    assert one.digest != other.digest


def test_players_gather_gems():
    """Players who choose by themselves score, so that there is something to watch."""
    game = Game(["alice", "bob"], 5)
    random = Random(6)
    for _ in range(300):
        game.step({player: game.choose(player, random) for player in game.scores})
    assert all(score > 3 for score in game.scores.values())


def test_the_board_shows_everybody():
    """The board has the size of the world, the initials of the players, and gems."""
    board = Game(["alice", "bob"], 1).board()
    assert len(board) == HEIGHT
    assert {len(row) for row in board} == {WIDTH}
    assert {"A", "B", "*"} <= set("".join(board))
