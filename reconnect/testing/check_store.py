"""Hold a store to the words of `reconnect.ports.Store`, and of `Owned` where it is one."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

from reconnect.core.record import Record, Seat
from reconnect.core.table import State
from reconnect.errors import Conflict, StoreInUse
from reconnect.policy import Policy
from reconnect.ports import Owned, Store
from reconnect.testing.checks.history import histories, tell_twice
from reconnect.testing.checks.place import (
    BLOCKING,
    CLOSED,
    COMPARED,
    CONFLICT,
    DURABLE,
    EXPECTS_NONE,
    FORGOTTEN,
    IS_OWNED,
    LOADED,
    LOST,
    ONE_OWNER,
    ORDER,
    QUICKLY,
    REPEATED,
    WALK,
    Place,
    equal,
    make_record,
)
from reconnect.testing.checks.promise import explore
from reconnect.testing.checks.values import EXACT_MAX

PATIENCE = 30.0  # s; the longest that a thread may wait for the others
QUESTIONS = 1000
QUICK = 1.0  # s for so many questions; a look at a disk or over a network takes longer


def check_store(
    make: Callable[[], Store],
    *,
    reopen: Callable[[Store], Store] | None = None,
    examples: int = 50,
) -> None:
    """Raise `BrokenPromise`, an `AssertionError`, if the store does not keep a word of its port.

    `make` opens the store, each time at the same place, and is called many times. `reopen` gives
    what the next process finds, and is given the older store; by default that is closed, and
    `make` called again. A store that is gone with its object has `reopen=lambda store: store`.

    The records of the check have names of their own, and are forgotten at its end. After all
    promises one by one come so many `examples` of random histories, each of which is also done
    to a `MemoryStore`; the shortest that ends differently is shown.

    A death without `close()` is played by leaving a store open and making the next one. Where
    that is refused with `StoreInUse`, only a killed process can tell what a death leaves.
    """
    runs = itertools.count(1)

    def at_a_place(check: Callable[[Place], None]) -> None:
        place = Place(make, reopen, run=f"check-{time.time_ns():x}-{next(runs)}")
        try:
            check(place)
        finally:
            place.leave()

    for check in CHECKS:
        at_a_place(check)
    explore(
        histories,
        lambda history: at_a_place(lambda place: tell_twice(place, history)),
        examples=examples,
    )


# -- saved and loaded ------------------------------------------------------------------------------


def what_was_saved_is_loaded(place: Place) -> None:
    """By name, and with all the others; an unknown session has no record."""
    place.expect(place.load("s") is None, LOADED, "an unknown session has a record")
    place.holds(LOADED)
    place.saved(make_record("s"), expected=0, promise=EXPECTS_NONE)
    place.saved(make_record("t"), expected=0, promise=EXPECTS_NONE)
    place.holds(LOADED, make_record("s"), make_record("t"))


def nothing_of_a_record_is_lost(place: Place) -> None:
    """Instants to the last bit, seats with their digests, the policy, and the game's own data."""
    whole = make_record(
        "s",
        3,
        2,
        state=State.RESUMED,
        seats=(Seat("alice", 1, 2, True, "ab" * 32), Seat("bob")),
        players=("alice",),
        cause="link_lost",
        deadline=1.7e9 + 1 / 7,
        outage_started_at=1.7e9 + 1 / 3,
        outages=1,
        paused_total=0.1 + 0.2,
        resume_frame=7,
        resume_at=1.7e9,
        policy=Policy(topology="star", hub="alice", countdown=3, start_timeout=None),
        data={"map": "dust", "round": 3, "odds": [0.1, None, True, {"ß": "\ud800"}]},
    )
    now = time.time()  # what ended long ago may be forgotten
    over = make_record("t", 9, 4, state=State.ENDED, reason="timeout", ended_at=now + 1 / 9)
    for one in (whole, over):
        place.saved(one, expected=0)
    place.holds(LOADED, whole, over)
    place.reopen()
    place.holds(CLOSED, whole, over)


def any_name_is_a_name(place: Place) -> None:
    """Of up to 128 characters; what differs in anything is another session."""
    some = ("s", "S", "s ", "é", "e\u0301", "ünïcode 🎲", "'\"%_*?[", "../../s", place.longest)
    wanted = [make_record(name) for name in some]
    for one in wanted:
        place.saved(one, expected=0)
    place.holds(LOADED, *wanted)


def all_are_loaded_in_order(place: Place) -> None:
    """A coordinator lists its sessions in the order of their opening, also after a restart."""
    for name in "cab":
        place.saved(make_record(name), expected=0)
    place.saved(make_record("a", 2), expected=1)
    place.saved(make_record("c", 2), expected=1)
    place.forget("a")
    place.saved(make_record("a"), expected=0)
    wanted = [make_record("c", 2), make_record("b"), make_record("a")]
    place.holds(ORDER, *wanted)
    place.reopen()
    place.holds(ORDER, *wanted)


def a_walk_is_not_disturbed(place: Place) -> None:
    """What is walked through is what was there when the walk began."""
    for name in "abc":
        place.saved(make_record(name), expected=0)

    def walk() -> list[str]:
        walked = []
        for one in place.walk():
            walked.append(one.session)
            if len(one.session) == 1:
                place.forget(one.session)
                place.saved(make_record(one.session * 2), expected=0)
        return walked

    walked = place.do("walk through load_all(), forget each, save another", WALK, walk)
    place.expect(walked == ["a", "b", "c"], WALK, f"a walk through a, b, c came by {walked}")
    place.holds(WALK, make_record("aa"), make_record("bb"), make_record("cc"))


# -- compare-and-set -------------------------------------------------------------------------------


def a_newer_version_replaces_the_expected_one(place: Place) -> None:
    """Versions may be far apart."""
    place.saved(make_record(version=1), expected=0, promise=EXPECTS_NONE)
    place.saved(make_record(version=2), expected=1)
    place.saved(make_record(version=EXACT_MAX), expected=2)
    place.holds(COMPARED, make_record(version=EXACT_MAX))


def another_version_is_a_conflict(place: Place) -> None:
    """It says what was found, and leaves the stored record as it was."""
    place.saved(make_record(version=2), expected=0)
    for expected in (0, 1, 3, 99):
        place.refused(make_record(version=expected + 1, epoch=5), expected=expected, found=2)
    place.holds(CONFLICT, make_record(version=2))


def none_where_one_is_expected_is_a_conflict(place: Place) -> None:
    """A forgotten session does not come back by a late save."""
    place.refused(make_record(version=2), expected=1, found=None)
    place.saved(make_record(version=2), expected=0)
    place.forget("s")
    place.refused(make_record(version=3), expected=2, found=None)
    place.holds(CONFLICT)


def a_save_can_be_repeated(place: Place) -> None:
    """Whatever was expected at the first time, and in the next process too."""
    for _ in range(2):
        place.saved(make_record(version=1), expected=0, promise=REPEATED)
    for _ in range(2):
        place.saved(make_record(version=2), expected=1, promise=REPEATED)
    place.reopen()
    place.saved(make_record(version=2, data={}), expected=1, promise=REPEATED)
    place.holds(REPEATED, make_record(version=2))


def another_record_is_no_repetition(place: Place) -> None:
    """The same version is not the same record."""
    place.saved(make_record(version=1, data={"a": 1}), expected=0)
    for other in (make_record(version=1, epoch=2), make_record(version=1, data={"a": 2})):
        place.refused(other, expected=0, found=1)
    place.holds(CONFLICT, make_record(version=1, data={"a": 1}))


# -- forgotten, closed, and left -------------------------------------------------------------------


def what_is_forgotten_is_gone(place: Place) -> None:
    """Once or twice, and without harm to the others; then the name is free again."""
    place.saved(make_record("s", 3), expected=0)
    place.saved(make_record("t"), expected=0)
    for _ in range(2):
        place.forget("s")
    place.forget("nobody")
    place.holds(FORGOTTEN, make_record("t"))
    place.reopen()
    place.holds(FORGOTTEN, make_record("t"))
    place.saved(make_record("s"), expected=0, promise=FORGOTTEN)
    place.holds(FORGOTTEN, make_record("t"), make_record("s"))


def closing_forgets_nothing(place: Place) -> None:
    """A coordinator that starts there goes on where the older one stopped."""
    place.saved(make_record(), expected=0)
    place.close()
    place.reopen()
    place.holds(CLOSED, make_record())
    place.saved(make_record(version=2), expected=1, promise=CLOSED)
    place.reopen()
    place.holds(CLOSED, make_record(version=2))


def a_death_forgets_nothing(place: Place) -> None:
    """Nobody closes a store whose process dies."""
    place.saved(make_record("s"), expected=0)
    place.saved(make_record("t"), expected=0)
    place.saved(make_record("s", 2), expected=1)
    place.forget("t")
    if place.outlives and place.succeeds():
        place.holds(DURABLE, make_record("s", 2))


# -- threads and owners ----------------------------------------------------------------------------


def at_once(place: Place, *jobs: Callable[[], object]) -> list[object]:
    """What each returned, in a thread of its own; what one raises breaks the promise."""
    results: list[object] = [None] * len(jobs)
    start = threading.Barrier(len(jobs), timeout=PATIENCE)

    def run(number: int) -> None:
        start.wait()
        try:
            results[number] = jobs[number]()
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    place.done.append(f"{len(jobs)} threads at once")
    place.expect(not any(thread.is_alive() for thread in threads), BLOCKING, "a call never returns")
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, Conflict):
            saw = f"in another thread a call raised {type(result).__name__}: {result}"
            place.expect(False, BLOCKING, saw)
    return results


def threads_lose_nothing(place: Place) -> None:
    """The shell calls a store that blocks in worker threads, for many sessions at once."""
    if place.store.blocking:
        wanted = {f"s{number}": make_record(f"s{number}", 1, number) for number in range(8)}

        def saves(one: Record) -> Callable[[], object]:
            return lambda: (place.try_save(one, expected=0), place.store.load(one.session))

        at_once(place, *map(saves, wanted.values()))
        found = {one.session: one for one in place.load_all()}
        lost = sorted(wanted.keys() - found.keys())
        place.expect(not lost, BLOCKING, f"{lost} were saved by threads at once, and are lost")
        for name, one in wanted.items():
            place.expect(*equal(found[name], one, BLOCKING))


def of_those_who_expect_the_same_version_one_wins(place: Place) -> None:
    """Eight threads, one record: each version is written by one of them, all others conflict."""
    if not place.store.blocking:
        return  # the shell calls it in one thread
    threads = range(1, 9)
    for version in range(1, 6):

        def race(epoch: int, version: int = version) -> Callable[[], object]:
            one = make_record(version=version, epoch=epoch)
            return lambda: place.try_save(one, expected=version - 1)

        results = at_once(place, *map(race, threads))
        winners = [epoch for epoch, lost in zip(threads, results, strict=True) if lost is None]
        saw = f"{len(winners)} of {len(results)} threads replaced version {version - 1}, not 1"
        place.expect(len(winners) == 1, COMPARED, saw)
        for lost in results:
            right = not isinstance(lost, Conflict) or lost.found == version
            place.expect(right, CONFLICT, f"version {version} is stored, and it said: {lost}")
        place.holds(COMPARED, make_record(version=version, epoch=winners[0]))


def it_says_whether_it_blocks(place: Place) -> None:
    """In so many words: the shell asks."""
    blocking = getattr(place.store, "blocking", None)
    saw = f"`blocking` is {blocking!r}, neither True nor False"
    place.expect(isinstance(blocking, bool), BLOCKING, saw)


def one_coordinator_has_it(place: Place) -> None:
    """A second one is refused, or the first one loses it, and knows."""
    first = place.store
    if not isinstance(first, Owned):
        return
    place.expect(owned(place, first) is True, IS_OWNED, "owned() is not True of a new store")
    began = time.monotonic()
    asked = f"owned(), {QUESTIONS} times"
    place.do(asked, IS_OWNED, lambda: [first.owned() for _ in range(QUESTIONS)])
    took = time.monotonic() - began
    place.expect(took < QUICK, QUICKLY, f"{QUESTIONS} calls of owned() took {took:.1f} s")
    place.saved(make_record(), expected=0)
    if not (place.outlives and place.succeeds()):
        place.expect(owned(place, first), IS_OWNED, "it was not taken, and owned() is False")
        place.saved(make_record(version=2), expected=1, promise=ONE_OWNER)
        return
    place.expect(not owned(place, first), ONE_OWNER, "two stores at one place say owned()")
    place.holds(ONE_OWNER, make_record())
    second, place.store = place.store, first
    try:
        lost = place.do("the first one: save(...)", LOST, lambda: refused(place))
        place.expect(lost, LOST, "the store is lost, and the save raised no StoreInUse")
    finally:
        place.store = second
    place.holds(ONE_OWNER, make_record())


def owned(place: Place, store: Owned) -> bool:
    """What it says of itself."""
    return place.do("owned()", IS_OWNED, store.owned)


def refused(place: Place) -> bool:
    """Whether a save is refused because the store belongs to somebody else."""
    try:
        place.try_save(make_record(version=2), expected=1)
    except StoreInUse:
        return True
    return False


CHECKS: list[Callable[[Place], None]] = [
    it_says_whether_it_blocks,
    what_was_saved_is_loaded,
    nothing_of_a_record_is_lost,
    any_name_is_a_name,
    what_is_forgotten_is_gone,
    all_are_loaded_in_order,
    a_walk_is_not_disturbed,
    a_newer_version_replaces_the_expected_one,
    another_version_is_a_conflict,
    none_where_one_is_expected_is_a_conflict,
    a_save_can_be_repeated,
    another_record_is_no_repetition,
    closing_forgets_nothing,
    a_death_forgets_nothing,
    threads_lose_nothing,
    of_those_who_expect_the_same_version_one_wins,
    one_coordinator_has_it,
]
