"""A runtime that an adapter brings is held to its word too."""

from contextlib import asynccontextmanager

import pytest

from reconnect.runtimes import AsyncioRuntime
from reconnect.signaling.memory import MemorySignaling
from reconnect.testing.checks import runtime
from reconnect.testing.checks.promise import BrokenPromise
from reconnect.testing.checks.runtime import keeps_its_word, the_runtimes_keep_their_word
from reconnect.testing.checks.scene import Times, played


def checked(runtime):
    @asynccontextmanager
    async def setting():
        signaling = MemorySignaling(runtime())
        yield signaling, signaling.client
        signaling.stop()

    played(setting, the_runtimes_keep_their_word, Times(patience=1.0, quiet=0.06))


class Early(AsyncioRuntime):
    def call_at(self, when, callback):
        return super().call_at(when - 0.02, callback)


class Inside(AsyncioRuntime):
    """What is due is called at once."""

    def call_at(self, when, callback):
        if when <= self.now() - 0.5:
            callback()
            return lambda: None
        return super().call_at(when, callback)


class ForGood(AsyncioRuntime):
    def call_at(self, when, callback):
        super().call_at(when, callback)
        return lambda: None


class Twice(AsyncioRuntime):
    def call_at(self, when, callback):
        super().call_at(when, callback)
        return super().call_at(when, callback)


class NeverLate(AsyncioRuntime):
    """What is due already is not called at all."""

    def call_at(self, when, callback):
        if when <= self.now() - 0.5:
            return lambda: None
        return super().call_at(when, callback)


class Backwards(AsyncioRuntime):
    """The clock is set while somebody waits for a timer."""

    fired = 0

    def now(self):
        return super().now() - 0.02 * (self.fired % 2)

    def call_at(self, when, callback):
        def call():
            self.fired += 1
            callback()

        return super().call_at(when, call)


class Silent(AsyncioRuntime):
    """Who fails is not heard of."""

    def work(self, job, done):
        super().work(job, lambda result: None if isinstance(result, Exception) else done(result))


class Raises(AsyncioRuntime):
    def work(self, job, done):
        super().work(job, lambda result: done(str(result)))


class GivesNothingBack(AsyncioRuntime):
    def call_at(self, when, callback):
        super().call_at(when, callback)


class GivesOnce(AsyncioRuntime):
    """What is taken back cannot be taken back again."""

    def call_at(self, when, callback):
        cancels = [super().call_at(when, callback)]
        return lambda: cancels.pop()()


class KnowsNoTime(AsyncioRuntime):
    def now(self):
        return None


class SetsNoTimers(AsyncioRuntime):
    def call_at(self, when, callback):
        raise NotImplementedError


class DoesNotWork(AsyncioRuntime):
    def work(self, job, done):
        raise NotImplementedError


BROKEN = {
    GivesNothingBack: runtime.TAKEN_BACK,
    GivesOnce: runtime.TAKEN_BACK,
    DoesNotWork: runtime.WORKED,
    Early: runtime.CALLED_ONCE,
    Inside: runtime.CALLED_ONCE,
    Twice: runtime.CALLED_ONCE,
    NeverLate: runtime.CALLED_ONCE,
    ForGood: runtime.TAKEN_BACK,
    Backwards: runtime.NEVER_BACK,
    Silent: runtime.WORKED,
    Raises: runtime.WORKED,
}


@pytest.mark.parametrize(("runtime", "promise"), BROKEN.items())
def test_a_broken_word_is_named(runtime, promise):
    """Whatever a runtime does wrong, the sentence of its port that it breaks is quoted."""
    with pytest.raises(BrokenPromise) as caught:
        checked(runtime)
    assert caught.value.promise == promise, caught.value


@pytest.mark.parametrize(
    ("kind", "promise"), [(KnowsNoTime, runtime.NEVER_BACK), (SetsNoTimers, runtime.CALLED_ONCE)]
)
def test_what_no_adapter_could_use_is_named_too(kind, promise):
    """Where an adapter would fail before its runtime is asked for anything."""

    @asynccontextmanager
    async def setting():
        signaling = MemorySignaling(AsyncioRuntime())
        yield signaling, signaling.client
        signaling.stop()

    async def story(scene):
        await keeps_its_word(scene, kind(), "server")

    with pytest.raises(BrokenPromise) as caught:
        played(setting, story, Times(patience=1.0, quiet=0.06))
    assert caught.value.promise == promise, caught.value


def test_a_good_runtime_passes():
    """The one that most adapters bring."""
    checked(AsyncioRuntime)
