import pytest

from reconnect.testing.virtual import STEPS_PER_INSTANT_MAX, VirtualRuntime


def order_of(seed):
    runtime = VirtualRuntime(seed)
    seen = []
    for number in range(20):
        runtime.call_at(1.0, lambda number=number: seen.append(number))
    runtime.run(2.0)
    return seen


def test_time_passes_only_when_asked():
    """Time stands still between calls, jumps to what is due, and ends where run says."""
    runtime = VirtualRuntime(start=10.0)
    seen = []
    for when in (13.0, 11.0, 12.0):
        runtime.call_at(when, lambda: seen.append(runtime.now()))
    assert runtime.now() == 10.0
    runtime.run(2.0)
    assert seen == [11.0, 12.0]
    assert runtime.now() == 12.0
    runtime.run(100.0)
    assert seen == [11.0, 12.0, 13.0]
    assert runtime.now() == 112.0


def test_never_from_inside():
    """A timer for the past fires at the present instant, but not inside call_at."""
    runtime = VirtualRuntime(start=5.0)
    seen = []
    runtime.call_at(1.0, lambda: seen.append(runtime.now()))
    assert seen == []
    runtime.run(0.0)
    assert seen == [5.0]


def test_ties_by_seed():
    """What is due at one instant comes in an order that the seed alone decides."""
    assert order_of(1) == order_of(1)
    assert sorted(order_of(1)) == [*range(20)]
    assert len({tuple(order_of(seed)) for seed in range(5)}) == 5


def test_step():
    """A step does one thing; without anything to do it says so and no time passes."""
    runtime = VirtualRuntime()
    seen = []
    runtime.call_at(1.0, lambda: seen.append("a"))
    runtime.call_at(2.0, lambda: seen.append("b"))
    assert runtime.pending == 2
    assert runtime.step()
    assert (seen, runtime.now(), runtime.pending) == (["a"], 1.0, 1)
    assert runtime.step()
    assert not runtime.step()
    assert runtime.now() == 2.0


def test_cancel():
    """A cancelled timer does not fire; cancelling twice or afterwards does nothing."""
    runtime = VirtualRuntime()
    seen = []
    cancel = runtime.call_at(1.0, lambda: seen.append("a"))
    late = runtime.call_at(1.0, lambda: seen.append("b"))
    cancel()
    cancel()
    runtime.run(1.0)
    late()
    assert seen == ["b"]
    assert runtime.pending == 0


def test_run_until():
    """run_until stops at the instant at which its predicate becomes true, or at its limit."""
    runtime = VirtualRuntime()
    seen = []
    runtime.call_at(3.0, lambda: seen.append("a"))
    assert runtime.run_until(lambda: seen, limit=10.0)
    assert runtime.now() == 3.0
    assert runtime.run_until(lambda: seen, limit=0.0)
    assert not runtime.run_until(lambda: len(seen) == 2, limit=10.0)
    assert runtime.now() == 13.0
    assert runtime.run_until(lambda: runtime.now() >= 14.0, limit=1.0)


def test_failing_callback():
    """What a callback raises reaches the test; the rest can be run afterwards."""
    runtime = VirtualRuntime()
    seen = []

    def boom():
        raise ValueError("seen by the test")

    runtime.call_at(1.0, boom)
    runtime.call_at(2.0, lambda: seen.append("a"))
    with pytest.raises(ValueError, match="seen by the test"):
        runtime.run(5.0)
    runtime.run(5.0)
    assert seen == ["a"]


def test_time_that_stands_still():
    """A callback that sets itself again for the same instant is found, not run for ever."""
    runtime = VirtualRuntime()

    def again():
        runtime.call_at(runtime.now(), again)

    runtime.call_at(1.0, again)
    with pytest.raises(RuntimeError, match="time stands still at 1 s"):
        runtime.run(2.0)


def test_many_instants_are_no_loop():
    """The bound is on one instant, not on a run."""
    runtime = VirtualRuntime()
    count = 0

    def again():
        nonlocal count
        count += 1
        if count <= STEPS_PER_INSTANT_MAX + 10:
            runtime.call_at(runtime.now() + 1e-3, again)

    again()
    runtime.run(1000.0)
    assert count == STEPS_PER_INSTANT_MAX + 11


def test_work():
    """A job is done at a later instant, its end heard at a later one still, within the delay."""
    runtime = VirtualRuntime(3, work_delay=(0.1, 0.2))
    seen = []
    runtime.work(
        lambda: seen.append(("job", runtime.now())) or 7,
        lambda result: seen.append((result, runtime.now())),
    )
    assert seen == []
    runtime.run(1.0)
    (first, begun), (second, heard) = seen
    assert (first, second) == ("job", 7)
    assert 0 < begun < heard
    assert 0.1 <= heard <= 0.2


def test_work_that_fails():
    """What a job raises is handed over."""
    runtime = VirtualRuntime()
    heard = []
    runtime.work(lambda: 1 // 0, heard.append)
    runtime.run(1.0)
    assert isinstance(heard[0], ZeroDivisionError)


def test_work_by_seed():
    """How long work takes is decided by the seed."""

    def ends(seed):
        runtime = VirtualRuntime(seed)
        seen = []
        for _ in range(10):
            runtime.work(lambda: None, lambda result: seen.append(runtime.now()))
        runtime.run(1.0)
        return seen

    assert ends(1) == ends(1)
    assert ends(1) != ends(2)


class TestProcess:
    def test_own_clock(self):
        """A process may have a clock that runs faster and shows something else."""
        runtime = VirtualRuntime()
        process = runtime.process(rate=1.1, offset=100.0)
        seen = []
        process.call_at(111.0, lambda: seen.append((runtime.now(), process.now())))
        runtime.run(20.0)
        [(outer, inner)] = seen
        assert outer == pytest.approx(10.0)
        assert 111.0 <= inner < 111.0 + 1e-9
        assert process.now() == pytest.approx(122.0)

    @pytest.mark.parametrize("rate", [0.98, 1.0, 1.0 / 3.0, 1.1])
    @pytest.mark.parametrize("offset", [0.0, 1e6 + 0.1])
    def test_never_early(self, rate, offset):
        """However its clock runs, no timer fires before its time by that clock."""
        runtime = VirtualRuntime()
        process = runtime.process(rate=rate, offset=offset)
        early = []
        for number in range(500):
            due = offset + number * 0.0173
            process.call_at(due, lambda due=due: early.append(process.now() < due))
        runtime.run(100.0)
        assert early == [False] * 500

    def test_a_clock_that_is_set_forward_wakes_nobody(self):
        """What is due by then happens when it would have, or as soon as anything happens."""
        runtime = VirtualRuntime()
        process = runtime.process()
        seen = []

        def at(when):
            return process.call_at(when, lambda: seen.append((when, runtime.now())))

        for when in (2.0, 5.0, 6.0, 5000.0):
            cancel = at(when)
            if when == 6.0:
                cancel()
        runtime.run(1.0)
        process.jump(3600.0)
        runtime.run(0.5)
        assert seen == []
        runtime.run(1.0)
        assert seen == [(2.0, 2.0), (5.0, 2.0)]

    def test_kill(self):
        """Nothing of a killed process happens any more: neither timers nor work."""
        runtime = VirtualRuntime()
        process, other = runtime.process(), runtime.process()
        seen = []
        process.call_at(1.0, lambda: seen.append("timer"))
        other.call_at(1.0, lambda: seen.append("other"))
        process.work(lambda: seen.append("job"), lambda result: seen.append("done"))
        process.kill()
        runtime.run(2.0)
        assert seen == ["other"]

    def test_killed_between_job_and_done(self):
        """What was written before the kill is written, but nobody hears of it."""
        runtime = VirtualRuntime(work_delay=(1.0, 1.0))
        process = runtime.process()
        seen = []
        process.work(lambda: seen.append("job"), lambda result: seen.append("done"))
        assert runtime.run_until(lambda: seen)
        process.kill()
        runtime.run(2.0)
        assert seen == ["job"]

    def test_stall(self):
        """What is due while a process hangs happens afterwards, cancelled timers excepted."""
        runtime = VirtualRuntime()
        process = runtime.process()
        seen = []
        process.call_at(1.0, lambda: seen.append(runtime.now()))
        cancel = process.call_at(1.0, lambda: seen.append("cancelled"))
        process.work(lambda: None, lambda result: seen.append(runtime.now()))
        process.stall(5.0)
        runtime.run(2.0)
        cancel()
        assert seen == []
        runtime.run(10.0)
        assert seen == [5.0, 5.0]
