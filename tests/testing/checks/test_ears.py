"""What a listener of a signaling adapter takes for a broken word."""

import threading
from contextlib import nullcontext

import pytest

from reconnect.testing.checks import ears as promised
from reconnect.testing.checks.ears import Blame, ClientEars, ServerEars, can_be_had

OUT_OF_TURN = [
    (["received"], promised.DIALS_ONCE),
    (["opened", "opened"], promised.DIALS_ONCE),
    (["opened", "closed", "closed"], promised.ENDED),
    (["opened", "closed", "received"], promised.ENDED),
    (["closed", "opened"], promised.ENDED),
]
SERVER_OUT_OF_TURN = [
    (["opened", "opened"], promised.NAMED),
    (["opened", "closed", "opened"], promised.NAMED),
    (["received"], promised.RECEIVED),
    (["closed"], promised.SERVER_CLOSED),
    (["opened", "closed", "closed"], promised.SERVER_CLOSED),
    (["opened", "closed", "received"], promised.SERVER_CLOSED),
    (["opened", "leave", "received"], promised.SILENT),
    (["opened", "leave", "closed"], promised.SILENT),
]


@pytest.fixture
def blame():
    return Blame()


@pytest.mark.parametrize(("words", "promise"), OUT_OF_TURN)
def test_a_clients_word_out_of_turn(words, promise, blame):
    """The word that comes too early, too late or too often is noticed, and no other one."""
    ears = ClientEars(blame, nullcontext())
    said = {"received": ({},), "closed": ("lost",)}
    for number, word in enumerate(words):
        assert number == 0 or blame.all == []
        getattr(ears, word)(*said.get(word, ()))
    assert blame.all[0][0] == promise


@pytest.mark.parametrize(("words", "promise"), SERVER_OUT_OF_TURN)
def test_a_servers_word_out_of_turn(words, promise, blame):
    """The same, of one connection at the server."""
    ears = ServerEars(blame, nullcontext())
    for number, word in enumerate(words):
        assert number == 0 or blame.all == []
        getattr(ears, word)("conn", *([{}] if word == "received" else []))
    assert blame.all[0][0] == promise


def test_a_name_that_finds_nothing_is_blamed(blame):
    """A connection is the key of a dictionary."""
    ears = ServerEars(blame, nullcontext())
    ears.opened(("conn", 1))
    assert blame.all == []
    ears.opened(["conn", 2])
    assert blame.all == [(promised.OPENED, "['conn', 2] is no name: it cannot be hashed")]


def test_a_dial_in_order_is_not_blamed(blame):
    """Opened, messages, closed; or closed at once."""
    for words in (["opened", "received", "received", "closed"], ["closed"], ["opened"]):
        ears = ClientEars(blame, nullcontext())
        said = {"received": ({},), "closed": ("lost",)}
        for word in words:
            getattr(ears, word)(*said.get(word, ()))
    assert blame.all == []


def test_a_lock_that_is_held_cannot_be_had():
    """By anybody else; one that is free, or that is none, can."""
    lock = threading.RLock()
    assert can_be_had(lock)
    assert can_be_had(nullcontext())
    with lock:
        assert not can_be_had(lock)
    assert can_be_had(lock)


def test_a_word_in_another_thread_needs_the_lock(blame):
    """Under it all is well; without it, it is blamed."""
    lock = threading.RLock()
    ears = ClientEars(blame, lock)

    def say(word, *, held):
        with lock if held else nullcontext():
            word()

    for word, held in ((ears.opened, True), (lambda: ears.closed("lost"), False)):
        thread = threading.Thread(target=say, args=(word,), kwargs={"held": held})
        thread.start()
        thread.join()
        assert bool(blame.all) != held
    assert blame.all[0][0] == promised.HEARD_AT
