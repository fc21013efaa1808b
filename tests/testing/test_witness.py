"""A client that remembers, and what can be known from several of them."""

import pytest
from attrs import define, field

from reconnect.testing.table import Table
from reconnect.testing.witness import said_so_far, what_is_wrong


@define
class Remembered:
    """What a `Witness` knows."""

    said: dict = field(factory=dict)
    taken: dict = field(factory=dict)
    hinted: set = field(factory=set)


def messages(text):
    return [bytes([letter]) for letter in text.encode()]


def wrong(said, *taken, due=None, hinted=False):
    """`said` by ann; taken by ben's programs."""
    ann = Remembered({"ben": messages(said)}, {}, {"ben"} if hinted else set())
    bens = [Remembered({}, {"ann": messages(one)}) for one in taken]
    lives = {"ann": [ann], "ben": bens}
    return what_is_wrong(lives, {("ann", "ben"): len(said) if due is None else due})


@pytest.mark.parametrize(
    ("said", "taken", "due"),
    [
        ("abc", ["abc"], 3),
        ("abcde", ["abc"], 3),  # the rest was sent later
        ("", [""], 0),
        ("abcdef", ["ab", "def"], 6),  # c is in the state that was handed over
        ("abcdef", ["", "cdef"], 6),
        ("abcdef", ["abc", ""], 6),  # nothing has been taken since; nobody can know
        ("aaaaaa", ["aa", "aa"], 6),
        ("abcabc", ["a", "c"], 6),  # the last of all places where it could be
    ],
)
def test_what_is_right_is_not_called_wrong(said, taken, due):
    """Every message once, in order; between two programs there may be a gap."""
    assert wrong(said, *taken, due=due) is None


@pytest.mark.parametrize(
    ("said", "taken", "sentence"),
    [
        ("abc", ["ab"], "ben, of ann's messages: 2 of 3 were taken"),
        ("abc", ["acb"], "number 2 is b'b', and was taken as b'c'"),
        ("abc", ["aabc"], "number 2 is b'b', and was taken as b'a'"),
        ("abc", ["abcc"], "4 were taken, and only 3 sent"),
        ("abcdef", ["abd", "ef"], "a program took 3 that were not sent in this order"),
        ("abcdef", ["abc", "df"], "the present program took 2 that were not sent in this order"),
        ("abcdef", ["abc", "cdef"], "the present program took 4 that were not sent in this order"),
        ("abcdef", ["abc", "de"], "the last 1 were not taken"),
    ],
)
def test_what_is_wrong_is_said(said, taken, sentence):
    """Lost, doubled, swapped."""
    assert sentence in wrong(said, *taken)


def test_a_long_message_is_not_quoted_whole():
    """A sentence stays one."""
    ann = Remembered({"ben": [b"x" * 1000]})
    lives = {"ann": [ann], "ben": [Remembered({}, {"ann": [b"y"]})]}
    sentence = what_is_wrong(lives, {("ann", "ben"): 1})
    assert "b'xxxx" in sentence
    assert len(sentence) < 150


def test_between_what_may_be_lost_the_rest_still_has_to_come_in_order():
    """Messages of `send_latest` are anywhere among the others."""
    assert wrong("abc", "?a?b?c?", hinted=True) is None
    assert "number 3, b'c'," in wrong("abc", "?a?c?b", hinted=True)
    assert wrong("abc", "?a", "c?", hinted=True) is None  # too little is known


def test_only_what_a_living_program_said_is_counted():
    """What one had sent that is gone, or to who is no member, nobody waits for."""
    one, other = Remembered({"ben": [b"1", b"2"], "cas": [b"1"]}), Remembered({"ann": [b"3"]})
    lives = {"ann": [one], "ben": [other, Remembered()]}
    assert said_so_far(lives, among=["ann", "ben"]) == {("ann", "ben"): 2}
    assert said_so_far(lives, among=["ann"]) == {("ann", "ben"): 0}


class Chatty:
    """Sends by every way there is."""

    def __init__(self, me):
        self.me, self.number = me, 0

    def turn(self):
        self.client.notices()
        self.client.receive()
        if self.client.playing and self.number < 10:
            self.number += 1
            self.client.send(b"all")
            self.client.send(b"one", to="ann" if self.me == "ben" else "ben")
            if self.me == "ann":
                self.client.send_latest(b"latest", to="ben")

    def snapshot(self):
        return b""

    def restore(self, snapshot):
        raise KeyError(self.me)


def test_a_witness_remembers_what_its_game_sent_and_took():
    """To all, to one, and what may be lost."""
    table = Table(Chatty, players=3)
    table.until_playing()
    table.run(3)
    ann, ben = table.present("ann").client, table.present("ben").client
    assert ann.said == {"ben": [b"all", b"one"] * 10, "cas": [b"all"] * 10}
    assert ann.hinted == {"ben"}
    assert [one for one in ben.taken["ann"] if one != b"latest"] == ann.said["ben"]
    assert ben.hinted == set()


def test_what_a_client_refuses_was_not_sent():
    """The game hears of it, and the witness counts nothing."""
    table = Table(Chatty)
    client = table.present("ann").client
    with pytest.raises(LookupError):
        client.send(b"x", to="nobody")
    assert not client.said


def test_what_a_game_raises_in_the_resync_is_remembered():
    """Players only see that somebody has left; a test sees the line."""
    table = Table(Chatty)
    table.until_playing()
    table.run(1)
    table.reload("ben")
    table.until(lambda: table.ended)
    (mistake,) = table.present("ben").client.mistakes
    assert mistake.startswith("restore() raised KeyError at ")
    assert "test_witness.py" in mistake
    assert f"ben.2: {mistake}" in table.explain()
