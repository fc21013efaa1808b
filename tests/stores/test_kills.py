"""A coordinator that is killed at any point breaks no promise that anybody has heard.

Real processes, a real database, SIGKILL: before and after every begin, write, commit and send.
"""

import random
import signal
import time
from collections import Counter
from statistics import median

from tests.stores.evening import POLICY, Evening
from tests.stores.nursery import POINTS

KILLS = 240
TURNS = 150
DEEP = {"send": 60}
"""Of how many times that a process comes to a point one is drawn; it sends more than it saves."""
DEPTH = 20


def test_whatever_was_acknowledged_survives_a_kill_at_any_point(nursery, capsys):
    """No acknowledged state is lost and no seat is another's, over more than 200 kills in a row.

    The same games go on from life to life: whoever had a seat gets in again with the same token
    and generation, and hears of no older state than before.
    """
    seed = random.randrange(1 << 32)
    chance, evening = random.Random(seed), Evening(random.Random(seed))
    killed: Counter[str] = Counter()
    opened: list[float] = []
    began = time.monotonic()
    for number in range(KILLS):
        point = POINTS[number % len(POINTS)]
        times = chance.randint(1, DEEP.get(point.split()[1], DEPTH))
        life = nursery.life(point=point, times=times, policy=POLICY)
        if life.up():
            evening.play(life, turns=TURNS)
        assert life.refused is None
        killed["any instant" if life.works and not life.over else point] += 1
        assert life.end() == -signal.SIGKILL
        evening.end(life)
        records, seconds = nursery.stored()
        opened.append(seconds)
        where = f"seed {seed}, life {number}: killed {point} ({times})"
        assert evening.book.lost(records) == [], where
        assert evening.book.wrong_seats(records) == [], where
    took = time.monotonic() - began
    with capsys.disabled():
        print(
            f"\nD1: {KILLS} kills in {took:.0f} s,",
            ", ".join(f"{count} {point}" for point, count in sorted(killed.items())),
            f"\n    {evening.book.views} answers to players of {len(records)} sessions,",
            f"{sum(record.outages for record in records.values())} outages;",
            "0 acknowledged states lost, 0 wrong seats;",
            f"store taken over in {median(opened) * 1000:.0f} ms (median)",
        )
    assert all(killed[point] >= KILLS / len(POINTS) / 2 for point in POINTS), killed
    assert evening.book.views > 20 * KILLS
    assert sum(record.outages for record in records.values()) > KILLS / 10
