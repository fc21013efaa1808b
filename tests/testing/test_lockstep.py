"""The built-in game notices everything."""

import json

import pytest

from reconnect.testing.lockstep import Broken, Lockstep, differing
from reconnect.testing.table import Table


class Wire:
    """The client of a game that is played by hand."""

    def __init__(self, *players, playing=True):
        self.players, self.playing = players, playing
        self.sent, self.incoming, self.frame = [], [], 0

    def notices(self):
        return []

    def receive(self):
        incoming, self.incoming = self.incoming, []
        return incoming

    def send(self, data, *, to):
        self.sent.append((to, json.loads(data)))


def game(me="ann", *, players=("ann", "ben"), **options):
    made = Lockstep(me, **options)
    made.client = Wire(*players)
    return made


def hears(made, sender, number, inputs, *, program=None, **more):
    said = {"inputs": inputs, **more}
    made.client.incoming.append((sender, json.dumps([program or sender, number, said]).encode()))
    made.turn()


def test_inputs_are_given_ahead_and_a_step_waits_for_those_of_all():
    """Nobody guesses."""
    ann = game()
    ann.turn()
    frames = [said["inputs"][0][0] for _, (_, _, said) in ann.client.sent]
    assert frames == [0, 1, 2, 3]
    assert ann.frame == 0
    hears(ann, "ben", 1, [(0, "ben", 5)])
    assert ann.frame == ann.client.frame == 1


def test_nothing_is_sent_while_nobody_plays():
    """And no step is taken, but what comes is taken in."""
    ann = game()
    ann.client.playing = False
    hears(ann, "ben", 1, [(0, "ben", 5)])
    assert ann.client.sent == []
    assert ann.frame == 0
    assert ann.inputs == {(0, "ben"): 5}


def test_every_state_follows_from_all_inputs():
    """One input more or less, and two players differ."""

    def state(move):
        ann = game(seed=7)
        for frame in range(5):
            hears(ann, "ben", frame + 1, [(frame, "ben", move if frame == 2 else 1)])
        return ann

    one, same, other = state(1), state(1), state(2)
    assert one.frame == 5
    assert differing([one, same]) is None
    assert differing([one, same, other]) == "ann and ann differ in frame 3"
    assert one.states[2] == other.states[2]


def test_every_program_draws_moves_that_nobody_else_knows():
    """The same again from the same seed; another life of a player has others."""

    def moves(program, seed):
        one = game(program=program, seed=seed)
        one.turn()
        return one.inputs

    assert moves("ann.1", 1) == moves("ann.1", 1)
    assert moves("ann.1", 1) != moves("ann.2", 1)
    assert moves("ann.1", 1) != moves("ann.1", 2)


@pytest.mark.parametrize("numbers", [(1, 3), (1, 1), (2, 1)])
def test_a_message_lost_doubled_or_swapped_breaks_the_game(numbers):
    """Messages of one program are numbered without a hole."""
    ann = game()
    first, second = numbers
    hears(ann, "ben", first, [])
    with pytest.raises(Broken, match=f"heard message {second} of ben after {first}"):
        hears(ann, "ben", second, [])


def test_a_new_program_begins_where_it_likes():
    """What an older one said is not held against it."""
    ann = game()
    hears(ann, "ben", 7, [], program="ben.1")
    hears(ann, "ben", 1, [], program="ben.2")
    assert ann.heard == {"ben.1": 7, "ben.2": 1}


def test_a_message_of_somebody_else_breaks_the_game():
    """A program's name is that of its player."""
    ann = game(players=("ann", "ben", "cas"))
    with pytest.raises(Broken, match=r"ann heard cas\.1 from ben"):
        hears(ann, "ben", 1, [], program="cas.1")


def test_an_input_that_changes_breaks_the_game():
    """Two players must never hold different ones."""
    ann = game()
    hears(ann, "ben", 1, [(2, "ben", 5)])
    with pytest.raises(Broken, match="two inputs of ben for frame 2"):
        hears(ann, "ben", 2, [(2, "ben", 6)])


def test_a_game_is_handed_over_with_the_inputs_that_are_held():
    """They were delivered once, and are not sent again."""
    ann = game()
    hears(ann, "ben", 1, [(0, "ben", 5), (1, "ben", 6), (4, "ben", 7)])
    hears(ann, "ben", 2, [])
    new = game("ben", program="ben.2")
    new.restore(ann.snapshot())
    assert new.frame == new.client.frame == 2
    assert new.state == ann.state
    assert new.inputs == ann.inputs


def test_what_somebody_lacks_is_told_and_merged():
    """All that is held is so little that there is no need of a mark."""
    ann, cas = game(players=("ann", "ben", "cas")), game("cas", players=("ann", "ben", "cas"))
    hears(ann, "ben", 1, [(0, "ben", 5)])
    cas.merge("ann", ann.since("cas", cas.mark("ann")))
    assert cas.inputs[0, "ben"] == 5
    assert cas.everybody == ("ann", "ben", "cas")


def test_in_a_star_the_hub_passes_everything_on():
    """Spokes speak to the hub alone."""
    hub = game("ann", players=("ann", "ben", "cas"), hub="ann")
    hears(hub, "ben", 1, [(0, "ben", 5)])
    assert [to for to, (_, _, said) in hub.client.sent if [0, "ben", 5] in said["inputs"]] == [
        "ben",
        "cas",
    ]
    spoke = game("ben", players=("ann", "ben", "cas"), hub="ann")
    spoke.turn()
    assert {to for to, _ in spoke.client.sent} == {"ann"}


def test_how_many_inputs_of_who_is_gone_count_is_said_by_one():
    """The first of the others tells what it holds, and all step alike."""
    ann, cas = game(players=("ann", "ben", "cas")), game("cas", players=("ann", "ben", "cas"))
    for one in (ann, cas):
        one.turn()
        one.client.players = ("ann", "cas")
    hears(ann, "ben", 1, [(0, "ben", 5)])  # the last one, which never reached Cas
    assert ann.cuts == {"ben": 1}
    cas.turn()
    assert cas.frame == 0
    for number, (to, (program, _, said)) in enumerate(ann.client.sent, start=1):
        if to == "cas":
            cas.client.incoming.append((program, json.dumps([program, number, said]).encode()))
    cas.heard.clear()
    cas.client.incoming = [
        (sender, json.dumps([program, at, said]).encode())
        for at, (sender, data) in enumerate(cas.client.incoming, start=1)
        for program, _, said in [json.loads(data)]
    ]
    cas.turn()
    assert cas.cuts == {"ben": 1}
    assert cas.inputs[0, "ben"] == 5


def test_two_that_have_no_frame_in_common_do_not_differ():
    """There is nothing to compare."""
    one, other = game(), game("ben")
    one.states, other.states = {1: 5}, {2: 6}
    assert differing([one, other]) is None


def test_where_the_server_is_the_game_programs_only_look():
    """A spectator reads its notices, so that it may be told to play."""
    table = Table(topology="server")
    table.until_playing()
    assert all(not hasattr(one, "frame") for one in table.games().values())
