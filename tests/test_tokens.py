"""Only the right token opens a seat, and nothing that is no token does harm."""

import hashlib
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect import tokens

FORGERIES = 20_000


def test_a_token_is_256_bits_in_characters_that_need_no_quoting():
    """43 characters of the URL-safe alphabet hold 256 bits."""
    for _ in range(100):
        token = tokens.mint()
        assert len(token) == 43
        assert set(token) <= set(string.ascii_letters + string.digits + "-_")


@pytest.mark.parametrize("other", ["", "x" * 129, "ä", "abc\n", b"abc", None, 7])
def test_what_cannot_be_a_token_is_told_from_one(other):
    """So that a line break behind it is noticed where it came from."""
    assert tokens.is_token(tokens.mint())
    assert tokens.is_token("x" * 128)
    assert not tokens.is_token(other)


def test_no_two_tokens_are_alike():
    """Neither the tokens nor their digests repeat."""
    minted = {tokens.mint() for _ in range(1000)}
    assert len(minted) == len({tokens.digest(token) for token in minted}) == 1000


def test_a_digest_is_sha_256_in_hex():
    """It can be computed by other means too."""
    assert tokens.digest("abc") == hashlib.sha256(b"abc").hexdigest()


def test_a_token_opens_its_own_seat_and_no_other():
    """Of all ordered pairs of 60 seats, only each seat with itself."""
    minted = [tokens.mint() for _ in range(60)]
    digests = [tokens.digest(token) for token in minted]
    opened = [
        (one, other)
        for one, token in enumerate(minted)
        for other, digest in enumerate(digests)
        if tokens.matches(token, digest)
    ]
    assert opened == [(seat, seat) for seat in range(60)]


def forged(token, chance):
    """One of the ways in which somebody may guess."""
    place = chance.randrange(len(token))
    match chance.randrange(8):
        case 0:
            other = chance.choice([one for one in string.ascii_letters if one != token[place]])
            return token[:place] + other + token[place + 1 :]
        case 1:
            return token[:place]
        case 2:
            return token + chance.choice(string.ascii_letters)
        case 3:
            return token.swapcase()
        case 4:
            return "".join(chance.choices(string.ascii_letters, k=43))
        case 5:
            return token.encode()
        case 6:
            return token * chance.randrange(2, 100)
        case _:
            return tokens.digest(token)


def test_no_forged_token_is_accepted():
    """Flipped, cut, extended, random, of another type, or the digest itself: none of them."""
    chance = random.Random(1)
    token = tokens.mint()
    digest = tokens.digest(token)
    accepted = [
        guess
        for guess in (forged(token, chance) for _ in range(FORGERIES))
        if guess != token and tokens.matches(guess, digest)
    ]
    assert accepted == []
    assert tokens.matches(token, digest)


class Sly(str):
    """Equal to everything."""

    __hash__ = str.__hash__

    def __eq__(self, other):
        return True


@pytest.mark.parametrize(
    "token",
    [
        None,
        True,
        0,
        1.5,
        b"",
        "",
        [],
        ["x"],
        {"token": "x"},
        object(),
        "x" * 10_000_000,
        "\ud800",
        "é" * 43,
        "\x00",
        Sly("x"),
        2**70,
        float("nan"),
    ],
    ids=lambda token: type(token).__name__,
)
def test_what_is_no_token_opens_nothing(token):
    """Odd types and sizes are simply not the token; nothing is raised."""
    assert tokens.matches(token, tokens.digest("x")) is False
    assert tokens.matches(token, None) is False


def test_a_string_that_only_behaves_like_the_token_is_not_the_token():
    """Not even one with the right characters: what comes from outside is a plain string."""
    token = tokens.mint()
    assert not tokens.matches(Sly(token), tokens.digest(token))


@given(st.text() | st.binary() | st.none() | st.integers(), st.none() | st.text())
def test_nothing_is_ever_raised(token, digest):
    """Neither a strange token nor a damaged digest is more than a refusal."""
    assert tokens.matches(token, digest) is False


@pytest.mark.parametrize("digest", ["", "é", "\ud800", "x" * 64, "a" * 63])
def test_a_damaged_digest_opens_nothing(digest):
    """What a store gives back in its place is nobody's digest."""
    assert tokens.matches(tokens.mint(), digest) is False


def test_a_seat_without_a_digest_cannot_be_opened():
    """Before the first invitation there is no right token."""
    assert tokens.matches(tokens.mint(), None) is False


def test_a_new_token_voids_the_older_one():
    """Only the newest digest is kept, and the older token does not match it."""
    old, new = tokens.mint(), tokens.mint()
    assert not tokens.matches(old, tokens.digest(new))
