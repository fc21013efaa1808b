"""The wheel: one timer for many deadlines, none of them early, none of them late."""

from hypothesis import given, settings
from hypothesis import strategies as st

from reconnect.testing.virtual import VirtualRuntime
from reconnect.wheel import TICKS_PER_SECOND, Wheel

TICK = 1 / TICKS_PER_SECOND
EPSILON = 1e-9

instants = st.floats(-10, 1000, allow_nan=False) | st.integers(0, 100_000).map(lambda n: n / 100)


class Fired:
    """A wheel on a virtual runtime, and what it did when."""

    def __init__(self, start: float = 0.0) -> None:
        self.runtime = VirtualRuntime(start=start)
        self.wheel = Wheel(self.runtime, self.due)
        self.log: list[tuple[object, float]] = []

    def due(self, key: object) -> None:
        self.log.append((key, self.runtime.now()))


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 50), instants), st.floats(0, 1e6))
def test_every_key_fires_once_never_early_and_at_most_one_tick_late(deadlines, start):
    """Whatever the instants, past ones included, and whatever the clock shows at the start."""
    fired = Fired(start)
    for key, when in deadlines.items():
        fired.wheel.arm(key, start + when)
    fired.runtime.run(1100)
    assert sorted(key for key, _ in fired.log) == sorted(deadlines)
    for key, at in fired.log:
        when = max(start + deadlines[key], start)
        assert when <= at <= when + TICK + EPSILON
    assert len(fired.wheel) == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), instants | st.none(), st.floats(0, 3))))
def test_the_last_word_on_a_key_counts(orders):
    """Armed again, earlier or later, or disarmed: only the last order is carried out."""
    fired = Fired()
    expected: dict[int, float] = {}
    for key, when, passes in orders:
        if when is None:
            fired.wheel.disarm(key)
            expected.pop(key, None)
        else:
            fired.wheel.arm(key, when)
            expected[key] = max(when, fired.runtime.now())
        fired.runtime.run(passes)
        for done, at in fired.log:
            assert at <= expected.pop(done) + TICK + EPSILON
        fired.log.clear()
    fired.runtime.run(1100)
    assert sorted(key for key, _ in fired.log) == sorted(expected)
    assert all(at >= expected[key] for key, at in fired.log)


def test_a_thousand_keys_need_one_timer():
    """However many deadlines there are, the runtime has one timer of ours."""
    fired = Fired()
    for key in range(1000):
        fired.wheel.arm(key, 1000.0 - key)
    assert fired.runtime.pending == 1


def test_what_is_armed_from_within_waits_for_the_next_tick():
    """A key that is always overdue comes up a hundred times a second, and time goes on."""
    fired = Fired()

    def again(key):
        fired.due(key)
        fired.wheel.arm(key, 0.0)

    fired.wheel = Wheel(fired.runtime, again)
    fired.wheel.arm("late", 0.0)
    fired.runtime.run(1.0)
    assert 99 <= len(fired.log) <= 101


def test_a_key_can_be_disarmed_by_one_of_the_same_tick():
    """Who comes up first may take the others back."""
    fired = Fired()

    def alone(key):
        fired.due(key)
        for other in "abc":
            fired.wheel.disarm(other)

    fired.wheel = Wheel(fired.runtime, alone)
    for key in "abc":
        fired.wheel.arm(key, 1.0)
    fired.runtime.run(2.0)
    assert [key for key, _ in fired.log] == ["a"]


def test_keys_of_one_tick_come_up_in_the_order_of_their_arming():
    """Nothing is left to chance, so that a simulation can be repeated."""
    fired = Fired()
    keys = [f"session {n}" for n in range(100)]
    for key in keys:
        fired.wheel.arm(key, 1.0)
    fired.runtime.run(2.0)
    assert [key for key, _ in fired.log] == keys


def test_at_infinity_nothing_comes_up():
    """A key that is armed at infinity is disarmed."""
    fired = Fired()
    fired.wheel.arm("key", 1.0)
    fired.wheel.arm("key", float("inf"))
    fired.runtime.run(1e6)
    assert fired.log == []
    assert len(fired.wheel) == 0


def test_deadlines_that_move_leave_nothing_behind():
    """A key that is armed for far away and taken back, again and again, costs no memory."""
    fired = Fired()
    for n in range(10_000):
        fired.wheel.arm("key", 1e6 + n)
    assert len(fired.wheel._ticks) < 200


def test_an_error_in_one_key_does_not_stop_the_wheel():
    """What comes later comes all the same."""
    fired = Fired()

    def fails(key):
        fired.due(key)
        if key == "bad":
            raise RuntimeError

    fired.wheel = Wheel(fired.runtime, fails)
    fired.wheel.arm("bad", 1.0)
    fired.wheel.arm("good", 2.0)
    try:
        fired.runtime.run(3.0)
    except RuntimeError:
        fired.runtime.run(3.0)
    assert [key for key, _ in fired.log] == ["bad", "good"]


def test_a_closed_wheel_is_silent():
    """After `close()` nothing comes up, whether it was armed before or is armed later."""
    fired = Fired()
    fired.wheel.arm("before", 1.0)
    fired.wheel.close()
    fired.wheel.arm("after", 1.0)
    fired.wheel.close()
    fired.runtime.run(2.0)
    assert fired.log == []
    assert fired.runtime.pending == 0
