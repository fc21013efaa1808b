"""Hold the runtimes that signaling adapters bring to the words of `reconnect.ports.Runtime`."""

from __future__ import annotations

from attrs import define, field

from reconnect.ports import Cancel, Runtime
from reconnect.testing.checks.promise import Promise
from reconnect.testing.checks.scene import Scene

AHEAD = 0.05  # s until a timer of the check

NEVER_BACK = Promise("Runtime.now", "Seconds that never go back")
CALLED_ONCE = Promise(
    "Runtime.call_at", "Call once, at or after `when`; never from inside this call."
)
TAKEN_BACK = Promise(
    "Cancel", "Takes a timer back; calling it twice, or after the timer has fired, does nothing."
)
WORKED = Promise(
    "Runtime.work", "Run `job` where it may block, then `done` with what it returned or raised."
)


class OnPurpose(Exception):
    """What a job raises."""


@define(eq=False)
class Heard:
    """What came of the timers and jobs of one runtime."""

    inside: bool = True
    """Whether the call that it is heard in has not returned."""
    instants: list[float] = field(factory=list)
    cancelled: int = 0
    results: list[object] = field(factory=list)


async def the_runtimes_keep_their_word(scene: Scene) -> None:
    """Of both ends: clock, timers, and work."""
    caller = await scene.dial()
    for whose, runtime in (("server", scene.server.runtime), ("client", caller.client.runtime)):
        await keeps_its_word(scene, runtime, whose)


async def keeps_its_word(scene: Scene, runtime: Runtime, whose: str) -> None:
    """Whatever is heard is heard once, at the right time, on the loop or under the lock."""
    heard = Heard()
    scene.done.append(f"{whose}: runtime.call_at(...), runtime.work(...)")

    def fire() -> None:
        scene.blame.where(f"a timer of the {whose}", runtime.lock)
        scene.blame.expect(not heard.inside, CALLED_ONCE, "it was called from inside call_at")
        heard.instants.append(runtime.now())

    def never() -> None:
        heard.cancelled += 1

    def done(result: object) -> None:
        scene.blame.where(f"work of the {whose}", runtime.lock)
        heard.results.append(result)

    def fail() -> None:
        raise OnPurpose

    def set_timers() -> list[Cancel]:
        return [runtime.call_at(at, fire) for at in (began - 1.0, began, when)]

    def work() -> None:
        runtime.work(lambda: 7, done)
        runtime.work(fail, done)

    with runtime.lock:
        began = scene.ask(NEVER_BACK, f"now() of the {whose}", runtime.now)
        scene.expect(isinstance(began, int | float), NEVER_BACK, f"now() gave {began!r}")
        when = began + AHEAD
        call_at = f"call_at(...) of the {whose}"
        taken_back = scene.ask(CALLED_ONCE, call_at, lambda: runtime.call_at(when, never))
        fired = scene.ask(CALLED_ONCE, call_at, set_timers)
        for cancel in (taken_back, *fired):
            saw = f"call_at(...) of the {whose} gave {cancel!r}, which takes nothing back"
            scene.expect(callable(cancel), TAKEN_BACK, saw)
        for _ in range(2):
            scene.ask(TAKEN_BACK, f"a Cancel of the {whose}", taken_back)
        heard.inside = False
        scene.ask(WORKED, f"work(...) of the {whose}", work)
    await scene.until(
        lambda: len(heard.instants) >= 3,
        CALLED_ONCE,
        lambda: f"3 timers were set, and {len(heard.instants)} have fired",
    )
    await scene.until(
        lambda: len(heard.results) >= 2,
        WORKED,
        lambda: f"2 jobs were given, and {len(heard.results)} were heard of",
    )
    with runtime.lock:
        for cancel in fired:
            scene.ask(TAKEN_BACK, f"a Cancel of the {whose}", cancel)
    await scene.quiet()
    instants = [began, *heard.instants]
    scene.expect(instants == sorted(instants), NEVER_BACK, f"now() gave {instants}")
    early = when - heard.instants[-1]
    scene.expect(early <= 0, CALLED_ONCE, f"the {whose}'s timer fired {early:.4f} s early")
    saw = f"3 timers were set, and they fired {len(heard.instants)} times"
    scene.expect(len(heard.instants) == 3, CALLED_ONCE, saw)
    saw = "a timer that was taken back has fired"
    scene.expect(heard.cancelled == 0, TAKEN_BACK, saw)
    kinds = sorted(str(one if one == 7 else type(one).__name__) for one in heard.results)
    scene.expect(kinds == ["7", "OnPurpose"], WORKED, f"done was given {heard.results}")
