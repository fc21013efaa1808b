"""Exact types, bounds that hold on both sides, and sentences without what was received."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect.core import checks
from reconnect.errors import RemoteProtocolError
from tests.core.wire_values import ids, words

CLEAN = ["a", "alice@example.org", "Zoë", "数独", "👩‍👧", "a b", "\xa0", "x" * 128]
UNCLEAN = ["a\nb", "\x00", "\x7f", "\x9b31m", "\u2028", "\ud800", "a\udfff"]


@given(st.integers(-3, 12))
def test_a_whole_number_is_taken_within_its_bounds(number):
    """Both bounds are allowed, and nothing beyond them."""
    if 0 <= number <= 9:
        assert checks.whole(number, "n", most=9) == number
    else:
        with pytest.raises(RemoteProtocolError, match="n is not a whole number from 0 to 9"):
            checks.whole(number, "n", most=9)


@pytest.mark.parametrize("value", [True, False, 1.0, "5", 2**70, -1, None, b"1", [1]])
def test_what_only_looks_like_a_whole_number_is_refused(value):
    """A bool is no number, a float is no whole number, and "5" is neither."""
    for check in (checks.whole, checks.seconds):
        with pytest.raises(RemoteProtocolError):
            check(value, "n")


@pytest.mark.parametrize(
    ("value", "is_one"), [(0, True), (2**53 - 1, True), (2**53, False), (-1, False), (1.0, False)]
)
def test_a_count_is_what_javascript_counts_exactly(value, is_one):
    """From 0 to 2**53 - 1; a bool is none."""
    assert checks.is_count(value) is is_one
    assert not checks.is_count(True)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), True, "1", 2**70])
def test_what_is_no_finite_number_is_refused(value):
    """Neither NaN nor infinity has a place in JSON."""
    with pytest.raises(RemoteProtocolError, match="n is not a finite number"):
        checks.real(value, "n")


def test_a_number_may_come_without_its_fraction():
    """JavaScript writes 1.0 as 1."""
    assert type(checks.real(1, "n")) is float
    assert checks.real(-0.5, "n") == -0.5


@given(st.integers(0, checks.MS_MAX))
def test_milliseconds_survive_the_way_to_seconds_and_back(ms):
    """Up to the bound no duration changes on the way."""
    assert round(checks.seconds(ms, "n") * 1000) == ms


@pytest.mark.parametrize("value", [0, 1, "true", None, [True]])
def test_only_true_and_false_are_flags(value):
    """Nothing is true by being there."""
    with pytest.raises(RemoteProtocolError, match="up is not true or false"):
        checks.flag(value, "up")


@pytest.mark.parametrize("value", [True, False])
def test_a_flag_is_taken_as_it_is(value):
    """True stays True and False stays False."""
    assert checks.flag(value, "up") is value


@pytest.mark.parametrize("value", CLEAN)
def test_names_in_every_language_are_ids(value):
    """Letters, spaces, joined emoji: whatever is no control character."""
    assert checks.is_id(value)
    assert checks.identity(value, "id") == value


@pytest.mark.parametrize("value", [*UNCLEAN, "", "x" * 129, 5, None, b"a", ["a"]])
def test_what_could_forge_a_line_or_cannot_be_written_is_no_id(value):
    """Control characters, line separators, lone surrogates, nothing and too much."""
    assert not checks.is_id(value)
    with pytest.raises(RemoteProtocolError):
        checks.identity(value, "id")


@pytest.mark.parametrize("value", [*UNCLEAN, "x" * 65, 5, None])
def test_a_word_is_short_and_clean(value):
    """What is said to the program may be said, and what is refused to a far end is refused."""
    assert not checks.is_word(value)
    with pytest.raises(RemoteProtocolError):
        checks.word(value, "cause")


def test_a_word_may_be_empty_or_missing_where_that_is_said():
    """`word_or_none` takes None and nothing else instead of a string."""
    assert checks.is_word("")
    assert checks.word_or_none("x" * 64, "cause") == "x" * 64
    assert checks.word_or_none(None, "cause") is None
    with pytest.raises(RemoteProtocolError):
        checks.word_or_none(0, "cause")


@given(ids, words)
def test_the_strategies_draw_what_is_allowed(name, word):
    """What the tests of the messages are made of passes."""
    assert checks.is_id(name)
    assert checks.is_word(word)


def test_a_block_may_have_lines():
    """An SDP is made of them."""
    assert checks.block("v=0\r\ns=ü\x00", "payload", 9) == "v=0\r\ns=ü\x00"


@pytest.mark.parametrize("value", ["a\ud800", b"v=0", None])
def test_a_block_is_text_with_a_utf8_form(value):
    """Whoever passes it on can encode it."""
    with pytest.raises(RemoteProtocolError):
        checks.block(value, "payload", 9)


def test_what_is_too_long_is_told_from_what_is_wrong():
    """Strings, lists and objects beyond their bound have the code `too_large`."""
    for check, fits in (
        (lambda value: checks.line(value, "detail", 2), "ab"),
        (lambda value: checks.block(value, "payload", 2), "ab"),
        (lambda value: checks.items(value, "facts", 2), [1, 2]),
        (lambda value: checks.mapping(value, "links", 2), {1: 1, 2: 2}),
    ):
        assert check(fits) is fits
        longer = {**fits, 3: 3} if isinstance(fits, dict) else fits + type(fits)("c")
        with pytest.raises(RemoteProtocolError, match="is longer than 2") as caught:
            check(longer)
        assert caught.value.code == "too_large"


@pytest.mark.parametrize("value", [(), "ab", None, {1}, {}.keys()])
def test_only_lists_and_dicts_are_lists_and_objects(value):
    """Nothing that merely behaves like one."""
    with pytest.raises(RemoteProtocolError, match="facts is not a list"):
        checks.items(value, "facts", 9)
    with pytest.raises(RemoteProtocolError, match="links is not an object"):
        checks.mapping(value, "links")


def test_one_of_a_few_words():
    """The word itself; neither another one nor what cannot even be looked up."""
    choices = {"up": 1, "down": 2}
    assert checks.one_of("down", "side", choices) == 2
    for value in ("left", None, 1, [], {}):
        with pytest.raises(RemoteProtocolError, match="side is not one of up, down"):
            checks.one_of(value, "side", choices)


@pytest.mark.parametrize("value", ["CANARY\n", "CANARY" * 50, b"CANARY", ["CANARY"]])
def test_no_sentence_repeats_what_was_received(value):
    """It may be a token, or poison for a log."""
    for check in (checks.identity, checks.word, checks.whole, checks.real, checks.flag):
        with pytest.raises(RemoteProtocolError) as caught:
            check(value, "field")
        assert "CANARY" not in repr(caught.value)
        assert "field" in str(caught.value)
