"""One coordinator after the other on the same store: in order, suddenly, and out of a coma.

Real processes, real signals.
"""

import random
import signal
import time
from pathlib import Path

import pytest

from tests.stores.evening import POLICY, Evening, Steady
from tests.stores.lives import PATIENCE

MESH = {"topology": "mesh", "outage_timeout": 30, "retention": 3600}
"""Nobody is paused by a control link that is away for up to 4 s."""
SHORT = {"topology": "mesh", "outage_timeout": 3, "retention": 3600}
"""A lease of 1 s, so that a hanging owner is relieved after 2.3 s."""


@pytest.fixture
def evening():
    return Evening(Steady(), busy=1)


def pens(evening):
    return [pen for table in evening.tables.values() for pen in table.pens.values()]


def playing(evening):
    """Whether everybody plays."""
    everybody = pens(evening)
    states = {(pen.state, pen.phase) for pen in everybody}
    return everybody and states == {("connected", "playing")}


def answered(evening, life):
    """Play until everybody has had an answer of this life."""
    before = evening.book.views
    assert evening.play_until(life, lambda: evening.book.views >= before + 4)


def test_a_second_coordinator_is_refused_with_advice(nursery, evening):
    """It says who has the store and what to do; the first one and its players notice nothing."""
    first = nursery.life(policy=MESH)
    assert evening.play_until(first, lambda: playing(evening))
    second = nursery.life(policy=MESH)
    assert not second.up()
    assert f"process {first.pid}" in second.refused
    assert "stop it first, or give this one a store of its own" in second.refused
    assert second.ended() == 0
    answered(evening, first)
    assert playing(evening)
    (promises,) = evening.book.sessions.values()
    assert (promises.epoch, promises.outages) == (1, 0)


@pytest.mark.parametrize("pause", [0.0, 2.0])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_quick_successor_pauses_nobody(number, pause, nursery, evening):
    """Stopped in order or killed: the next one starts at once, and everybody plays on."""
    first = nursery.life(policy=MESH)
    assert evening.play_until(first, lambda: playing(evening))
    first.signal(number)
    assert first.ended() == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    evening.end(first)
    time.sleep(pause)
    began = time.monotonic()
    second = nursery.life(policy=MESH)
    assert second.up()
    assert time.monotonic() - began < 4  # and not 11 s, as after an owner that hangs
    answered(evening, second)
    assert playing(evening)
    (promises,) = evening.book.sessions.values()
    assert (promises.epoch, promises.outages) == (1, 0)
    assert evening.book.wronged == []


def test_handing_over_loses_nothing(nursery, capsys):
    """SIGTERM in the midst of everything, twenty times; whoever had a seat gets in again."""
    chance = random.Random()
    evening = Evening(chance)
    gaps = []
    life = nursery.life(policy=POLICY)
    for _ in range(20):
        assert life.up()
        evening.play(life, turns=chance.randint(5, 60))
        life.signal(signal.SIGTERM)
        assert life.ended() == 0
        evening.end(life)
        began = time.monotonic()
        life = nursery.life(policy=POLICY)
        assert life.up()
        gaps.append(time.monotonic() - began)
        assert evening.book.wronged == []
    life.end()
    records, _ = nursery.stored()
    assert evening.book.lost(records) == []
    assert evening.book.wrong_seats(records) == []
    assert evening.book.views > 100
    with capsys.disabled():
        print(
            f"\nD8: 20 hand-overs, {evening.book.views} answers to players of {len(records)}",
            "sessions: 0 lost, 0 wrong seats; the successor is up after",
            f"{sorted(gaps)[10] * 1000:.0f} ms (median), {max(gaps) * 1000:.0f} ms (most)",
        )


def test_whoever_hangs_is_relieved_and_answers_nobody_when_it_wakes_up(nursery, evening):
    """Stopped for longer than any lease: a successor takes over, with nothing lost.

    What was sent to the older one while it hung would let players play on whom the successor
    counts as stopped. It answers none of it, and closes.
    """
    first = nursery.life(policy=SHORT, takeover_after=1.0)
    assert evening.play_until(first, lambda: playing(evening))
    first.signal(signal.SIGSTOP)
    began = time.monotonic()
    second = nursery.life(policy=SHORT, takeover_after=1.0)
    assert second.up()
    assert time.monotonic() - began >= 2.2
    late = {}
    for pen in pens(evening):
        first.tell(conn=pen.conn, says=pen.report())
        late[pen.conn] = pen.seq
    first.signal(signal.SIGCONT)
    assert first.ended() == 0
    said = first.read()
    heard = {conn: [] for conn in late}
    for line in said:
        if line.get("hears") is not None:
            heard[line["conn"]].append(line["hears"])
    for conn, messages in heard.items():
        assert messages[-1]["type"] == "bye"
        # what it had said before it hung may have been under way
        assert all(message.get("ack", 0) < late[conn] for message in messages)
    assert said[-1] == {"gone": "closed"}

    evening.end(first)
    assert evening.play_until(second, lambda: playing(evening))
    assert evening.book.wronged == []
    second.end()
    records, _ = nursery.stored()
    assert evening.book.lost(records) == []
    assert evening.book.wrong_seats(records) == []


def stop_in_a_write(life):
    """It holds the database's own lock, and nobody knows when it goes on."""
    life.signal(signal.SIGUSR1)
    status = Path(f"/proc/{life.pid}/stat")
    ends_at = time.monotonic() + PATIENCE
    while status.read_text("ascii").rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < ends_at, "it does not stop"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGCONT, signal.SIGKILL])
def test_whoever_hangs_in_a_write_is_named_and_its_end_awaited(number, nursery, evening):
    """Nobody can relieve it. A second one hears, in bounded time, which process is to be ended.

    If it is continued instead, it goes on as the owner; after its end the next one starts.
    """
    first = nursery.life(policy=SHORT, takeover_after=1.0)
    assert evening.play_until(first, lambda: playing(evening))
    stop_in_a_write(first)
    began = time.monotonic()
    second = nursery.life(policy=SHORT, takeover_after=1.0)
    assert not second.up()
    assert time.monotonic() - began < 20  # the limit of 2.3 s, and 1.5 s for the lock
    assert f"process {first.pid}" in second.refused
    assert "hangs in the middle of a write" in second.refused
    assert "kill -9" in second.refused
    assert second.ended() == 0
    first.signal(number)
    if number == signal.SIGKILL:
        assert first.ended() == -signal.SIGKILL
        evening.end(first)
        first = nursery.life(policy=SHORT)
        assert first.up()
    assert evening.play_until(first, lambda: playing(evening))
    assert evening.book.wronged == []
    first.end()
    records, _ = nursery.stored()
    assert evening.book.lost(records) == []
    assert evening.book.wrong_seats(records) == []
