"""Each link here breaks one word of its port, and is told which."""

import asyncio
import json
import re
import threading

import pytest

from reconnect.core.messages import AttemptKind, SignalKind
from reconnect.links.memory import MemoryLink, MemoryLinks, MemorySpace
from reconnect.runtimes import AsyncioRuntime
from reconnect.testing import check_link
from reconnect.testing.check_link import check_link as check
from reconnect.testing.checks import ends
from reconnect.testing.checks.promise import BrokenPromise

QUIET = 0.03  # s; who speaks here speaks at once
PATIENCE = 1.0  # s; who waits for what never comes need not wait long


def made_of(link, **changes):
    """The links of both, of this kind."""

    class Links(MemoryLinks):
        def open(self, peer, generation, hears):
            return link(self, peer, generation, hears)

    def make():
        space, runtime = MemorySpace(), AsyncioRuntime()
        both = (
            Links("alice", space=space, runtime=runtime),
            Links("bob", space=space, runtime=runtime),
        )
        for links in both:
            for name, value in changes.items():
                setattr(links, name, value)
        return both

    return make


class Between:
    """Stands between a link and who hears it."""

    def __init__(self, hears):
        self.hears = hears

    def __getattr__(self, word):
        return getattr(self.hears, word)


def between(**words):
    """A link that says some words in another way."""
    kind = type("Hears", (Between,), words)

    class Translated(MemoryLink):
        def __init__(self, links, peer, generation, hears):
            super().__init__(links, peer, generation, kind(hears))

    return Translated


def late(word):
    """It is said, but only after a while."""

    def said(self, *arguments):
        asyncio.get_running_loop().call_later(0.02, getattr(self.hears, word), *arguments)

    return said


def never(word):
    return lambda self, *arguments: None


def twice(word):
    def said(self, *arguments):
        for _ in range(2):
            getattr(self.hears, word)(*arguments)

    return said


def in_a_thread(self, frame):
    threading.Thread(target=self.hears.received, args=(frame,)).start()


class CutsShort(MemoryLink):
    def send(self, frame):
        return super().send(frame[:1000])


class KeepsEmptyOnes(MemoryLink):
    """Only random packets show it: what has nothing but zeros in it is not worth sending."""

    def send(self, frame):
        return (1 < len(frame) < 1150 and not any(frame)) or super().send(frame)


class TakesAnything(MemoryLink):
    """What is too long is said to be sent, and is lost."""

    def send(self, frame):
        return len(frame) > 1150 or super().send(frame)


class ChokesOnLarge(MemoryLink):
    def send(self, frame):
        if len(frame) > 1150:
            raise RuntimeError("no")
        return super().send(frame)


class SaysItIsSent(MemoryLink):
    def send(self, frame):
        super().send(frame)
        return True


class RaisesWithoutChannel(MemoryLink):
    def send(self, frame):
        if not self._channel:
            raise ConnectionError("no channel")
        return super().send(frame)


class StartsAfresh(MemoryLink):
    """An attempt throws away what there was."""

    def attempt(self, attempt_id, *, kind, offers, ice_servers):
        self._connection = None
        super().attempt(attempt_id, kind=kind, offers=offers, ice_servers=ice_servers)


class ClosesWhenAbandoned(MemoryLink):
    def abandon(self, attempt_id):
        if self._attempt is not None and self._attempt.id == attempt_id:
            self._connection = None
        super().abandon(attempt_id)


class AbandonsWhatever(MemoryLink):
    def abandon(self, attempt_id):
        self._void()


class KnowsEveryAttempt(MemoryLink):
    def abandon(self, attempt_id):
        if self._attempt is None or self._attempt.id != attempt_id:
            raise KeyError(attempt_id)
        super().abandon(attempt_id)


class AbandonsNothing(MemoryLink):
    def abandon(self, attempt_id):
        pass


class HearsAnyAttempt(MemoryLink):
    """Signals are taken for the current attempt's, whatever they are of."""

    def signal(self, attempt_id, kind, payload):
        if self._attempt is not None:
            super().signal(self._attempt.id, kind, payload)


class KeepsOlderAttempts(MemoryLink):
    """An older attempt goes on speaking."""

    def _describe(self, attempt, kind):
        self._hears.signal(attempt.id, kind, json.dumps({"connection": attempt.connection}))
        if attempt is self._attempt:
            address = json.dumps({"address": attempt.local})
            self._hears.signal(attempt.id, SignalKind.CANDIDATE, address)
            attempt.described = attempt.described or kind is SignalKind.ANSWER
            self._begin(attempt)


class IgnoresWhatMakesNoSense(MemoryLink):
    def signal(self, attempt_id, kind, payload):
        try:
            json.loads(payload).items()
        except (ValueError, AttributeError):
            return
        super().signal(attempt_id, kind, payload)


class ChokesOnWhatMakesNoSense(MemoryLink):
    def signal(self, attempt_id, kind, payload):
        json.loads(payload).items()
        super().signal(attempt_id, kind, payload)


class FailsForGood(MemoryLink):
    """After a failure the older connection is gone."""

    def _fail(self, attempt, cause):
        super()._fail(attempt, cause)
        self._channel = False


class WaitsInSilence(MemoryLink):
    """What it cannot do it does not do, and does not say so."""

    def attempt(self, attempt_id, *, kind, offers, ice_servers):
        if kind is not AttemptKind.RELAY:
            super().attempt(attempt_id, kind=kind, offers=offers, ice_servers=ice_servers)


class OffersAlone(MemoryLink):
    """Alice offers, whoever is told to."""

    def attempt(self, attempt_id, *, kind, offers, ice_servers):
        offers = self.player == "alice"
        super().attempt(attempt_id, kind=kind, offers=offers, ice_servers=ice_servers)


class OnlyRebuilds(MemoryLink):
    """As stock aiortc does; and it says so."""

    def attempt(self, attempt_id, *, kind, offers, ice_servers):
        if kind is AttemptKind.RESTART:
            kind = AttemptKind.RELAY
        super().attempt(attempt_id, kind=kind, offers=offers, ice_servers=ice_servers)


class SaysTooMuch(MemoryLink):
    """Not all that it wants carried is for the far end of an attempt."""

    def _begin(self, attempt):
        super()._begin(attempt)
        if attempt.described:
            self._hears.signal(attempt.id, "greeting", "hello")


class SpeaksWhenClosed(MemoryLink):
    def close(self):
        hears = self._hears
        super().close()
        if hears is not None:
            hears.channel(False)


class HearsWhenClosed(MemoryLink):
    """What is on its way is still handed over."""

    def close(self):
        hears = self._hears
        super().close()
        self._hears = hears


class ClosesAll(MemoryLink):
    """All links of a client end with one."""

    def close(self):
        for link in list(dict.fromkeys(self._space._links.values())):
            if link.player == self.player and link is not self and self._hears is not None:
                link._channel, link._hears = False, None
        super().close()


class ClosesOnce(MemoryLink):
    def close(self):
        if self._hears is None:
            raise RuntimeError("closed twice")
        super().close()


class LeavesATask(MemoryLink):
    def close(self):
        self.task = asyncio.get_running_loop().create_task(asyncio.sleep(3600))
        super().close()


class OpensNothing(MemoryLink):
    def __init__(self, links, peer, generation, hears):
        raise OSError("no socket left")


async def fails_to_close():
    raise OSError("closed already")


BROKEN = [
    (made_of(OpensNothing), ends.NEVER_RAISES),
    (made_of(MemoryLink, kind=None), check_link.KIND),
    (made_of(MemoryLink, mends=None), check_link.MENDS),
    (made_of(MemoryLink, closed=fails_to_close), ends.ENDS),
    (made_of(between(received=lambda self, frame: self.hears.received(None))), ends.PACKETS),
    (made_of(MemoryLink, kind="lua"), check_link.KIND),
    (made_of(MemoryLink, mends=frozenset()), check_link.MENDS),
    (made_of(OnlyRebuilds), check_link.MENDS),
    (made_of(OffersAlone), ends.SAID),
    (made_of(SaysTooMuch), ends.SAID),
    (made_of(between(succeeded=late("succeeded"))), ends.SUCCEEDED),
    (made_of(between(succeeded=never("succeeded"))), ends.SUCCEEDED),
    (made_of(between(succeeded=twice("succeeded"))), ends.SUCCEEDED),
    (made_of(between(channel=never("channel"))), ends.CHANNEL),
    (made_of(between(failed=never("failed"))), ends.FAILED),
    (made_of(between(failed=twice("failed"))), ends.BEGUN),
    (made_of(between(received=in_a_thread)), ends.HEARD_AT),
    (made_of(CutsShort), ends.PACKETS),
    (made_of(TakesAnything), ends.PACKETS),
    (made_of(ChokesOnLarge), ends.PACKETS),
    (made_of(SaysItIsSent), ends.SENT),
    (made_of(RaisesWithoutChannel), ends.NEVER_RAISES),
    (made_of(StartsAfresh), ends.GOES_ON),
    (made_of(ClosesWhenAbandoned), ends.ABANDONED),
    (made_of(AbandonsWhatever), ends.ABANDONED),
    (made_of(KnowsEveryAttempt), ends.NEVER_RAISES),
    (made_of(AbandonsNothing), ends.BEGUN),
    (made_of(HearsAnyAttempt), ends.STALE),
    (made_of(KeepsOlderAttempts), ends.BEGUN),
    (made_of(IgnoresWhatMakesNoSense), ends.FAILED),
    (made_of(ChokesOnWhatMakesNoSense), ends.NEVER_RAISES),
    (made_of(FailsForGood), ends.FAILED),
    (made_of(WaitsInSilence), ends.FAILED),
    (made_of(SpeaksWhenClosed), ends.SILENT),
    (made_of(HearsWhenClosed), ends.SILENT),
    (made_of(ClosesAll), ends.PACKETS),
    (made_of(ClosesOnce), ends.NEVER_RAISES),
    (made_of(LeavesATask), ends.ENDS),
]


def verdict(make, **options):
    with pytest.raises(BrokenPromise) as caught:
        check(make, patience=PATIENCE, quiet=QUIET, **options)
    return caught.value


@pytest.mark.parametrize(("make", "promise"), BROKEN)
def test_a_broken_word_is_named(make, promise):
    """Whatever a link does wrong, the sentence of its port that it breaks is quoted."""
    error = verdict(make)
    assert error.promise == promise, error
    assert f'"{promise.words}"' in str(error)


def test_a_good_link_passes():
    """With restarts and without, and when it carries more than it has to."""
    check(made_of(MemoryLink), quiet=QUIET)
    check(made_of(OnlyRebuilds, mends=frozenset({AttemptKind.REBUILD})), quiet=QUIET, examples=1)


def test_random_packets_are_tried():
    """What nobody thought of is found all the same, and how large it was is told."""
    error = verdict(made_of(KeepsEmptyOnes), examples=20)
    assert error.promise == ends.PACKETS
    assert error.saw.endswith("never came")
    (size,) = re.findall(r"a packet of (\d+) bytes", error.saw)
    assert int(size) < 1150
