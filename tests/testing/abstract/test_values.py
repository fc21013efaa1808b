from math import inf

import pytest
from attrs import define, field

from reconnect.core.messages import Phase
from reconnect.testing.abstract.numbers import Older, Renumbered
from reconnect.testing.abstract.values import (
    EPOCH,
    GEN,
    SENT,
    SEQ,
    Each,
    Form,
    Given,
    Instant,
    Items,
    Names,
    Number,
    Plain,
    Sent,
    Told,
)

PLACES = {(kind, owner): at for at, kind in enumerate((EPOCH, GEN, SEQ)) for owner in ("", "a")}


@define
class Thing:
    player: str
    epoch: int
    due: float | None = None
    words: str = "told"
    others: dict[str, "Thing"] = field(factory=dict)


def form(**more):
    return Form.of(
        Thing, owner="player", epoch=Number(EPOCH), due=Instant(-2.0), others=Items(), **more
    )


def test_what_is_written_down_lives_again():
    """Each field that is kept, as it was; an object of its own each time."""
    thing = Thing("a", 3, 1.0)
    written = form().write(thing)
    assert hash(written) is not None
    assert form().live(written) == thing
    assert form().live(written) is not form().live(written)
    assert form().write(None) is None
    assert form().live(None) is None
    assert form().seen(None, "", Older()) is None


def test_instants_are_whole_and_not_older_than_matters():
    """Rounded up, so that comparing with a whole now stays the same; never below the floor."""
    instant = Instant(-2.0)
    assert [instant.write(at) for at in (0.02, 1.0, -1.5, -9.0, inf, None)] == [
        *(1.0, 1.0, -1.0, -2.0, inf, None)
    ]
    later = [instant.seen(at, "", Older()) for at in (1.0, -2.0, inf, None)]
    assert later == [0.0, -2.0, inf, None]


def test_what_is_left_out_is_missing_or_as_at_first():
    """A rule that read what is missing would fail; what counts for nobody starts anew."""
    kept = Form.of(Thing, first={"words": lambda: "first"}, missing=("due",), others=Items())
    live = kept.live(kept.write(Thing("a", 3, 1.0)))
    assert live.words == "first"
    with pytest.raises(AttributeError):
        _ = live.due


def test_a_field_that_is_gone_is_noticed():
    """A form that names it cannot be made."""
    with pytest.raises(LookupError, match="Thing has no seq"):
        Form.of(Thing, seq=Number(SEQ))


def test_what_cannot_be_compared_needs_a_form():
    """A plain field that is a dict is a new one that nobody has thought of."""
    with pytest.raises(AssertionError, match="needs a form"):
        Plain().write({})


def test_numbers_change_wherever_they_are():
    """In fields, in lists of things, in dicts by player, and in what was told."""
    maps = {0: {3: 1}, 1: {5: 2}, 2: {7: 4, 8: 5}}
    visitor = Renumbered({**PLACES, (SENT, "a"): 2}, maps)
    assert form().seen(form().write(Thing("a", 3)), "", visitor)[1] == 1
    for by in (None, "player"):
        each = Each(form(), by)
        some = {"a": Thing("a", 3)} if by else (Thing("a", 3),)
        assert each.live(each.seen(each.write(some), "", visitor)) == (
            {"a": Thing("a", 1)} if by else (Thing("a", 1),)
        )
    assert Told().seen((3, Phase.READY, 5), "a", visitor) == (1, Phase.READY, 2)
    assert Told().seen(None, "a", visitor) is None
    assert Number(SEQ).seen(None, "a", visitor) is None
    sent = Sent(-4.0)
    assert sent.live(sent.seen(sent.write({8: -9.0, 7: 0.0}), "a", visitor)) == {4: 0.0, 5: -4.0}


def test_what_everybody_knows_is_there_or_not():
    """A policy is not written down, only whether it has been told; names are names."""
    given = Given("the policy")
    assert [given.live(given.write(what)) for what in ("some", None)] == ["the policy", None]
    names = Names(list)
    assert names.live(names.write(["a", "b"])) == ["a", "b"]
    for part in (given, names, Items(), Plain()):
        assert part.seen("same", "", Older()) == "same"
