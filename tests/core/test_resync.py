"""Resync brings games together: who has none gets one, who lacks something is given it."""

import json
from collections import deque
from random import Random
from zlib import crc32

import pytest

from reconnect.core.resync import HEAD, Ask, Circle, Code, Consult, Resync, Say, Step, Stranded
from reconnect.errors import RemoteProtocolError

BOB = Circle(["bob"])
NOBODY = Circle([])
HERE, OTHERS = 7, 8
"""Two rosters."""


def word(code: Code, epoch: int, data: bytes = b"", *, roster: int = HERE) -> bytes:
    return HEAD.pack(code, epoch, roster) + data


class Toy:
    """A game that is a set of inputs: a mark says how many, `since` gives all of them."""

    def __init__(self, inputs: set[str], resync: Resync) -> None:
        self.inputs = inputs
        self.resync = resync
        self.seen: dict[str, int] = {}
        """The members by its last view, and their generations."""
        self.stranded = False

    def answer(self, asked: Consult) -> bytes:
        match asked.ask:
            case Ask.MARK:
                return b"%d" % len(self.inputs)
            case Ask.SINCE | Ask.SNAPSHOT:
                return json.dumps(sorted(self.inputs)).encode()
            case Ask.MERGE:
                self.inputs |= set(json.loads(asked.data))
            case Ask.RESTORE:
                self.inputs = set(json.loads(asked.data))
        return b""


def beginning(*, marks: bool, snapshots: bool, has_state: bool = False, epoch: int = 1) -> Resync:
    """One in a first round, of this epoch."""
    resync = Resync(marks, snapshots, has_state)
    resync.begin(epoch, HERE)
    return resync


class Table:
    """Toys joined by streams: in order, and never lost; who is served next is chance.

    Views travel apart from them: some see that others are there sooner, some later.
    """

    def __init__(self, *players: str, seed: int = 0, marks: bool = True, snapshots: bool = True):
        self.toys = {
            player: Toy({f"{player}{n}" for n in range(3)}, Resync(marks, snapshots, True))
            for player in players
        }
        self.random = Random(seed)
        self.members = dict.fromkeys(players, 1)
        self.epoch = 1
        self.streams: dict[tuple[str, int, str, int], deque[bytes]] = {}
        self.cut: set[frozenset[str]] = set()
        self.hub: str | None = None
        """Of a star; else everybody has a link to everybody."""
        self.halt(1)

    def reload(self, player: str) -> None:
        old = self.toys[player].resync
        self.toys[player] = Toy(set(), Resync(old.marks, old.snapshots))
        self.members[player] += 1
        self.view(player)

    def drop(self, player: str) -> None:
        del self.toys[player], self.members[player]

    def view(self, player: str) -> None:
        """The player hears who is there."""
        toy = self.toys[player]
        toy.seen = dict(self.members)
        toy.resync.begin(self.epoch, crc32(str(toy.seen).encode()))

    def halt(self, epoch: int, *players: str) -> None:
        self.epoch = epoch
        for player in players or tuple(self.toys):
            self.view(player)

    def circle(self, player: str) -> Circle:
        others = [other for other in self.toys[player].seen if other != player]
        if self.hub not in (None, player):
            others = [one for one in others if one == self.hub]
        return Circle(others, is_hub=player == self.hub)

    def do(self, player: str, steps: list[Step]) -> None:
        toy = self.toys[player]
        for step in steps:
            match step:
                case Say(peer, message):
                    pair = player, toy.seen[player], peer, toy.seen[peer]
                    self.streams.setdefault(pair, deque()).append(message)
                case Consult(ask, peer, asked_in):
                    answer = toy.answer(step)
                    self.do(player, toy.resync.consulted(ask, peer, asked_in, answer))
                case Stranded():
                    toy.stranded = True

    def settle(self, times: int = 600) -> None:
        for _ in range(times):
            player = self.random.choice(list(self.toys))
            if self.random.random() < 0.2:
                self.view(player)
            circle = self.circle(player)
            proven = [one for one in circle.needed if frozenset((one, player)) not in self.cut]
            self.do(player, self.toys[player].resync.due(proven, circle))
            full = [pair for pair, queue in self.streams.items() if queue]
            if full:
                self.deliver(*self.random.choice(full))

    def deliver(self, sender: str, sent_by: int, receiver: str, sent_to: int) -> None:
        """One message; those of clients that are gone get lost, of newer ones they wait."""
        queue = self.streams[sender, sent_by, receiver, sent_to]
        known = self.toys[receiver].seen.get(sender, sent_by + 1) if receiver in self.toys else 0
        if self.members.get(receiver) != sent_to or known > sent_by:
            queue.clear()
        elif known == sent_by:
            self.do(receiver, self.toys[receiver].resync.heard(sender, queue.popleft()))

    def done(self) -> list[str]:
        return [
            player
            for player, toy in self.toys.items()
            if toy.seen == self.members and toy.resync.done(self.circle(player))
        ]


@pytest.mark.parametrize("seed", range(20))
def test_marks_make_everybody_hold_everything(seed: int):
    """After mark, since and merge with every peer, all have the union of what all had."""
    table = Table("alice", "bob", "carol", seed=seed)
    union = set().union(*(toy.inputs for toy in table.toys.values()))
    table.halt(2)
    table.settle()
    assert table.done() == ["alice", "bob", "carol"]
    assert all(toy.inputs == union for toy in table.toys.values())


@pytest.mark.parametrize("seed", range(20))
def test_a_reloaded_player_gets_the_game_and_then_the_rest(seed: int):
    """It restores the snapshot of the first that has one, then brings it together with all."""
    table = Table("alice", "bob", "carol", seed=seed)
    union = table.toys["alice"].inputs | table.toys["carol"].inputs
    table.reload("bob")
    table.halt(2)
    table.settle()
    assert table.done() == ["alice", "bob", "carol"]
    assert all(toy.inputs == union for toy in table.toys.values())


@pytest.mark.parametrize("seed", range(20))
def test_the_first_who_has_a_game_is_asked(seed: int):
    """With two reloaded players of three, the third one's game is everybody's."""
    table = Table("alice", "bob", "carol", seed=seed)
    table.reload("alice")
    table.reload("bob")
    table.halt(2)
    table.settle()
    assert table.done() == ["alice", "bob", "carol"]
    assert all(toy.inputs == {"carol0", "carol1", "carol2"} for toy in table.toys.values())


@pytest.mark.parametrize("seed", range(20))
def test_a_hub_that_has_just_started_answers_when_it_knows(seed: int):
    """Hub and spoke are both new: the spoke gets the game that the hub gets from another one."""
    table = Table("alice", "bob", "carol", seed=seed)
    table.hub = "alice"
    table.reload("alice")
    table.reload("carol")
    table.halt(2)
    table.settle()
    assert sorted(table.done()) == ["alice", "bob", "carol"]
    assert table.toys["carol"].inputs >= {"bob0", "bob1", "bob2"}


@pytest.mark.parametrize("seed", range(20))
def test_a_hub_tells_what_the_others_hold(seed: int):
    """What only one of them holds is known to all before anybody resumes."""
    table = Table("alice", "bob", "carol", seed=seed)
    table.hub = "alice"
    union = set().union(*(toy.inputs for toy in table.toys.values()))
    table.halt(2)
    table.settle()
    assert table.done() == ["alice", "bob", "carol"]
    assert all(toy.inputs == union for toy in table.toys.values())


@pytest.mark.parametrize("seed", range(20))
def test_a_star_in_which_nobody_has_a_game_begins(seed: int):
    """The hub has asked all of them, and then says so."""
    table = Table("alice", "bob", "carol", seed=seed)
    table.hub = "alice"
    for player in table.toys:
        table.reload(player)
    table.halt(2)
    table.settle()
    assert sorted(table.done()) == ["alice", "bob", "carol"]


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("gone", ["dropped", "reloaded"])
@pytest.mark.parametrize("giver", ["alice", "carol"])
def test_who_had_no_game_may_have_been_given_one_since(giver: str, gone: str, seed: int):
    """Two are new, and only one of them gets the game before its giver is gone: both play it."""
    table = Table("alice", "bob", "carol", seed=seed)
    game = set(table.toys[giver].inputs)
    for player in [player for player in table.toys if player != giver]:
        table.reload(player)
    table.cut.add(frozenset(("bob", giver)))
    table.halt(2)
    table.settle()
    assert "bob" not in table.done()
    if gone == "dropped":
        table.drop(giver)
    else:
        table.reload(giver)
        table.cut.clear()
    table.settle()
    assert table.done() == list(table.toys)
    assert all(toy.inputs == game for toy in table.toys.values())


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("hub", [None, "bob"])
def test_whoever_goes_and_comes_all_play_one_game_in_the_end(hub: str | None, seed: int):
    """Players are dropped and reloaded, and views late: what any of the rest held, all hold."""
    table = Table("alice", "bob", "carol", "dave", seed=seed)
    table.hub = hub
    table.halt(2)
    chance = Random(seed)
    for _ in range(chance.randint(1, 5)):
        table.settle(chance.randint(0, 40))
        player = chance.choice(list(table.toys))
        if player == hub or len(table.toys) == 2 or chance.random() < 0.6:
            table.reload(player)
        else:
            table.drop(player)
    held = set().union(*(toy.inputs for toy in table.toys.values()))
    table.settle(2500)
    assert table.done() == list(table.toys)
    assert all(toy.inputs >= held for toy in table.toys.values())
    assert len({frozenset(toy.inputs) for toy in table.toys.values()}) == 1


@pytest.mark.parametrize("seed", range(20))
def test_what_came_from_one_who_is_gone_is_told_again(seed: int):
    """An input that one alone was given, after it had said all that it held, is with everybody."""
    table = Table("alice", "bob", "carol", seed=seed)
    table.halt(2)
    table.settle()
    table.toys["carol"].inputs.add("late")
    table.reload("bob")
    table.settle()
    assert table.done() == ["alice", "bob", "carol"]
    assert all("late" in toy.inputs for toy in table.toys.values())


@pytest.mark.parametrize("marks", [True, False])
def test_where_nobody_has_a_game_all_begin(marks: bool):
    """At the first start everybody is asked and nobody has anything: that is agreement, too."""
    table = Table("alice", "bob", marks=marks)
    for player in ("alice", "bob"):
        table.reload(player)
    assert table.done() == []
    table.halt(1)
    table.settle()
    assert table.done() == ["alice", "bob"]


def test_without_marks_nothing_is_exchanged():
    """A game over `send` alone is in step already."""
    table = Table("alice", "bob", marks=False)
    table.halt(2)
    table.settle()
    assert table.done() == ["alice", "bob"]
    assert table.toys["alice"].inputs == {"alice0", "alice1", "alice2"}


def test_a_game_that_cannot_be_handed_over_strands_the_newcomer():
    """It is told so, and must not play a game of its own."""
    table = Table("alice", "bob", marks=False, snapshots=False)
    table.reload("bob")
    table.halt(2)
    table.settle()
    assert table.toys["bob"].stranded
    assert table.done() == ["alice"]


@pytest.mark.parametrize("seed", range(20))
def test_the_next_one_is_asked_when_the_first_cannot_hand_its_game_over(seed: int):
    """Of three, one has a game and no way to give it away; the newcomer gets the other one's."""
    table = Table("alice", "bob", "carol", seed=seed)
    table.toys["alice"].resync.snapshots = False
    table.reload("bob")
    table.halt(2)
    table.settle()
    assert not table.toys["bob"].stranded
    assert table.done() == ["alice", "bob", "carol"]


@pytest.mark.parametrize("seed", range(20))
def test_who_can_be_given_a_game_by_nobody_is_stranded(seed: int):
    """Only when all have been asked: one cannot hand its game over, the other has none either."""
    table = Table("alice", "bob", "carol", seed=seed)
    table.toys["alice"].resync.snapshots = False
    table.reload("bob")
    table.reload("carol")
    table.cut.add(frozenset(("bob", "carol")))
    table.halt(2)
    table.settle()
    assert not table.toys["bob"].stranded
    assert not table.toys["carol"].stranded
    table.cut.clear()
    table.settle()
    assert table.toys["bob"].stranded
    assert table.toys["carol"].stranded
    assert table.done() == []


def test_an_application_that_fails_to_make_a_snapshot_says_so():
    """A snapshot that turns out too long is answered like one that cannot be had."""
    resync = beginning(marks=False, snapshots=True, has_state=True, epoch=2)
    resync.heard("bob", word(Code.WANT, 2))
    (asked,) = resync.due(["bob"], BOB)
    assert asked == Consult(Ask.SNAPSHOT, "bob", 1)
    assert resync.cannot("bob", 1) == [Say("bob", word(Code.NO_SNAPSHOT, 2))]
    assert resync.cannot("bob", 0) == []


def test_nobody_is_asked_over_a_link_that_is_not_proven():
    """The first who may have a game is waited for, not passed over."""
    table = Table("alice", "bob", "carol")
    table.reload("carol")
    table.cut.add(frozenset(("alice", "carol")))
    table.halt(2)
    table.settle()
    assert "carol" not in table.done()
    table.cut.clear()
    table.settle()
    assert table.done() == ["alice", "bob", "carol"]


@pytest.mark.parametrize("seed", range(10))
def test_an_epoch_that_begins_in_between_begins_it_anew(seed: int):
    """What was said in the older epoch is ignored, what came early for the newer one is kept."""
    table = Table("alice", "bob", "carol", seed=seed)
    table.reload("bob")
    table.halt(2)
    for _ in range(5):
        others = Circle(["alice", "carol"])
        table.do("bob", table.toys["bob"].resync.due(others.needed, others))
    table.halt(3, "alice")
    table.settle()
    table.halt(3)
    table.settle()
    assert table.done() == ["alice", "bob", "carol"]


def test_beginning_the_same_epoch_again_changes_nothing():
    """Only a newer epoch voids what has been brought together."""
    table = Table("alice", "bob")
    table.halt(2)
    table.settle()
    table.halt(2)
    assert table.done() == ["alice", "bob"]


def test_early_words_of_the_newest_epoch_are_kept_one_of_each():
    """A far end that is ahead cannot fill our memory."""
    resync = beginning(marks=True, snapshots=True, has_state=True)
    for epoch in (3, 2, 4, 4, 4):
        for code in (Code.MARK, Code.WANT, Code.SINCE):
            assert resync.heard("bob", word(code, epoch, b"x")) == []
    assert resync._early == {"bob": (4, HERE, [(Code.MARK, b"x"), (Code.WANT, b"x")])}
    resync.begin(5, HERE)
    assert resync._early == {}


def test_early_words_are_answered_when_their_epoch_begins():
    """A mark that came before we stopped is answered after."""
    resync = beginning(marks=True, snapshots=True, has_state=True)
    resync.heard("bob", word(Code.MARK, 2, b"7"))
    resync.begin(2, HERE)
    assert Consult(Ask.SINCE, "bob", 2, b"7") in resync.due(["bob"], BOB)


@pytest.mark.parametrize("code", [Code.SINCE, Code.NOTHING_SINCE, Code.NO_STATE, Code.SNAPSHOT])
def test_answers_that_nobody_asked_for_are_ignored(code: Code):
    """A far end cannot push its game on us."""
    resync = beginning(marks=True, snapshots=True)
    assert resync.heard("bob", word(code, 1, b"forged")) == []
    assert not resync.done(BOB)


def test_no_snapshot_is_only_believed_when_one_was_wanted():
    """A far end cannot throw us out of our own game."""
    resync = beginning(marks=False, snapshots=True, has_state=True)
    assert resync.heard("bob", word(Code.NO_SNAPSHOT, 1)) == []


def test_one_restore_at_a_time():
    """A second snapshot of the same epoch is not restored over the first."""
    resync = beginning(marks=False, snapshots=True)
    resync.due(["bob"], BOB)
    assert len(resync.heard("bob", word(Code.SNAPSHOT, 1, b"s"))) == 1
    assert resync.heard("bob", word(Code.SNAPSHOT, 1, b"s")) == []


def test_a_game_that_is_being_restored_is_waited_for():
    """Its giver is replaced meanwhile by a client without a game: nobody is asked any more."""
    resync = beginning(marks=False, snapshots=True)
    resync.due(["bob"], BOB)
    assert len(resync.heard("bob", word(Code.SNAPSHOT, 1, b"s"))) == 1
    resync.begin(1, OTHERS)
    assert resync.due(["bob"], BOB) == []
    resync.heard("bob", word(Code.WANT, 1, roster=OTHERS))
    assert resync.due(["bob"], BOB) == []
    assert not resync.done(NOBODY)
    resync.consulted(Ask.RESTORE, "bob", 1, b"")
    assert resync.due(["bob"], BOB) == [Consult(Ask.SNAPSHOT, "bob", 2)]
    assert resync.done(BOB)


def test_an_answer_of_an_older_epoch_is_dropped_but_a_restored_game_stays():
    """The application took its time: what it says of an older epoch is of no use any more."""
    resync = beginning(marks=True, snapshots=True, epoch=2)
    resync.begin(3, HERE)
    assert resync.consulted(Ask.MARK, "bob", 1, b"7") == []
    assert resync.consulted(Ask.RESTORE, "bob", 1, b"") == []
    assert resync.has_state


@pytest.mark.parametrize("junk", [b"", b"\x01", HEAD.pack(99, 1, HERE), HEAD.pack(0, 1, HERE)])
def test_junk_is_refused(junk: bytes):
    """What is no resync message raises, and nothing else."""
    with pytest.raises(RemoteProtocolError):
        Resync(marks=True, snapshots=True).heard("bob", junk)


def test_words_of_an_epoch_that_is_still_to_come_are_kept_over_another():
    """A far end may be two epochs ahead."""
    resync = beginning(marks=True, snapshots=True, has_state=True)
    resync.heard("bob", word(Code.MARK, 3, b"7"))
    resync.begin(2, HERE)
    assert resync.due(["bob"], BOB) == [Consult(Ask.MARK, "bob", 2)]
    resync.begin(3, HERE)
    assert Consult(Ask.SINCE, "bob", 3, b"7") in resync.due(["bob"], BOB)


def test_a_mark_is_answered_when_there_is_a_game_to_answer_from():
    """Until then it is kept."""
    resync = beginning(marks=True, snapshots=True)
    resync.heard("bob", word(Code.MARK, 1, b"7"))
    assert resync.due(["bob"], BOB) == [Say("bob", word(Code.WANT, 1))]
    assert resync.due(["bob"], BOB) == []
    resync.consulted(Ask.RESTORE, "bob", 1, b"")
    assert resync.due(["bob"], BOB)[0] == Consult(Ask.SINCE, "bob", 1, b"7")


def test_a_game_in_which_nothing_can_be_lacking_says_so():
    """It sends with `send` alone; the far end need not wait for what it lacks."""
    resync = beginning(marks=False, snapshots=True, has_state=True)
    resync.heard("bob", word(Code.MARK, 1, b"7"))
    assert resync.due(["bob"], BOB) == [Say("bob", word(Code.NOTHING_SINCE, 1))]
    other = beginning(marks=True, snapshots=True, has_state=True)
    other.due(["bob"], BOB)
    other.heard("bob", word(Code.NOTHING_SINCE, 1))
    assert other.done(BOB)


def test_what_came_early_counts_as_asked():
    """Who asked before we stopped does not ask again."""
    resync = beginning(marks=True, snapshots=True, has_state=True)
    resync.heard("bob", word(Code.WANT, 2))
    resync.begin(2, HERE)
    with pytest.raises(RemoteProtocolError):
        resync.heard("bob", word(Code.WANT, 2))


def test_where_others_are_all_begins_anew():
    """A peer's next client asks again, and is asked again."""
    resync = beginning(marks=True, snapshots=True, has_state=True)
    for number, roster in ((1, HERE), (2, OTHERS)):
        resync.begin(1, roster)
        resync.heard("bob", word(Code.WANT, 1, roster=roster))
        resync.heard("bob", word(Code.MARK, 1, b"7", roster=roster))
        assert resync.due(["bob"], BOB) == [
            Consult(Ask.SNAPSHOT, "bob", number),
            Consult(Ask.SINCE, "bob", number, b"7"),
            Consult(Ask.MARK, "bob", number),
        ]
        resync.heard("bob", word(Code.SINCE, 1, b"rest", roster=roster))


def test_what_was_asked_in_an_older_round_is_no_answer_in_the_newer_one():
    """The same question, in the same epoch, and yet another: a newer client may hold less."""
    resync = beginning(marks=True, snapshots=True, has_state=True)
    resync.due(["bob"], BOB)
    resync.begin(1, OTHERS)
    assert resync.due(["bob"], BOB) == [Consult(Ask.MARK, "bob", 2)]
    for ask in (Ask.MARK, Ask.SINCE, Ask.SNAPSHOT, Ask.MERGE):
        assert resync.consulted(ask, "bob", 1, b"older") == []
    assert resync.cannot("bob", 1) == []
    assert not resync.done(BOB)
    newer = Say("bob", word(Code.SINCE, 1, b"newer", roster=OTHERS))
    assert resync.consulted(Ask.SINCE, "bob", 2, b"newer") == [newer]


def test_answers_of_another_round_are_ignored():
    """They may have been true there."""
    resync = beginning(marks=True, snapshots=True)
    resync.due(["bob"], BOB)
    for code in (Code.NO_STATE, Code.NO_SNAPSHOT, Code.SNAPSHOT):
        assert resync.heard("bob", word(code, 1, roster=OTHERS)) == []
    assert resync.due(["bob"], BOB) == []
    assert not resync.done(BOB)


def test_questions_of_a_round_that_is_over_here_are_replaced_by_newer_ones():
    """A far end that hears later of who is there asks twice; the second time counts."""
    resync = beginning(marks=False, snapshots=True, has_state=True)
    resync.begin(1, OTHERS)
    resync.heard("bob", word(Code.WANT, 1))
    assert resync.due(["bob"], BOB) == []
    resync.heard("bob", word(Code.WANT, 1, roster=OTHERS + 1))
    resync.begin(1, OTHERS + 1)
    assert resync.due(["bob"], BOB) == [Consult(Ask.SNAPSHOT, "bob", 3)]
