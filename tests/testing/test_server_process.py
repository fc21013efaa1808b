"""A server whose blocking work takes longer."""

from reconnect.testing.server_process import ServerProcess
from reconnect.testing.virtual import VirtualRuntime


def served(delay):
    runtime = VirtualRuntime(0, work_delay=(0.01, 0.02))
    return runtime, ServerProcess(runtime.process(rate=1.5, offset=7.0), delay=delay)


def test_without_a_delay_work_takes_as_long_as_ever():
    """It is the process it was made of, with the same clock."""
    runtime, process = served(lambda: 0.0)
    done = []
    process.work(lambda: 1, done.append)
    runtime.run(0.02)
    assert done == [1]
    assert process.now() == 7.0 + 1.5 * 0.02


def test_a_delay_is_on_top_and_asked_for_each_time():
    """A store becomes slow, and quick again."""
    delays = [3.0, 0.0]
    runtime, process = served(lambda: delays.pop(0))
    done = []
    process.work(lambda: "slow", done.append)
    process.work(lambda: "quick", done.append)
    runtime.run(1.9)  # 3 s of the process are 2 s of the runtime
    assert done == ["quick"]
    runtime.run(0.2)
    assert done == ["quick", "slow"]
    assert delays == []


def test_what_is_killed_meanwhile_does_no_work():
    """A save that had not begun is not made."""
    runtime, process = served(lambda: 1.0)
    done = []
    process.work(lambda: done.append("work"), done.append)
    process.kill()
    runtime.run(5.0)
    assert done == []
