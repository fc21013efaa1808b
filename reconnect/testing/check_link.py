"""Hold a links adapter to the words of `reconnect.ports.Link`, with both its ends in one loop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Set
from functools import partial
from typing import Any, TypeAlias

from hypothesis import strategies as st

from reconnect.core.messages import AttemptKind, SignalKind
from reconnect.ports import FRAME_MAX
from reconnect.testing.checks.ends import (
    ABANDONED,
    BEGUN,
    CHANNEL,
    FAILED,
    GOES_ON,
    PACKETS,
    SAID,
    SENT,
    STALE,
    End,
    LinkScene,
    Make,
)
from reconnect.testing.checks.promise import Promise, explore
from reconnect.testing.checks.scene import Times, run_clean

QUIET = 0.2  # s; in which nothing may come that should not
PATIENCE = 20.0  # s; the most that anything may take on a busy machine
MALFORMED = ("", "nonsense", "[]", '"text"', "null")

MENDS = Promise("Links.mends", "What its links can do to mend themselves.")
KIND = Promise("Links.kind", "What the client's program is: `python` or `browser`.")

Story: TypeAlias = Callable[[LinkScene], Coroutine[Any, Any, None]]


def check_link(
    make: Make,
    *,
    examples: int = 5,
    patience: float = PATIENCE,
    quiet: float = QUIET,
    lingering: Collection[str] = (),
) -> None:
    """Raise `BrokenPromise`, an `AssertionError`, if a link does not keep a word of its port.

    `make` gives the links of two clients, alice's and bob's, which can reach each other; it is
    called for each story anew, in a loop of its own. What one end says to the other is carried
    over by the check: at once, late, or not at all. The path itself has to be good.

    After all promises one by one come so many `examples` of random packets; the fewest that go
    wrong are shown. `patience` is how many seconds anything may take, and `quiet` for how many it
    is awaited that nothing comes, where nothing should. `lingering` are the coroutines of tasks
    that a library leaves to end by themselves, by their qualified names.

    It is called from a test that is not itself asynchronous.
    """
    times = Times(patience=patience, quiet=quiet, lingering=lingering)

    def play(story: Story) -> None:
        async def played() -> None:
            scene = LinkScene(make, times)
            await story(scene)
            await scene.leave()

        run_clean(played, times)

    for story in STORIES:
        play(story)
    explore(packets, lambda drawn: play(partial(all_packets_arrive, drawn)), examples=examples)


# -- connecting and sending ------------------------------------------------------------------------


async def it_says_what_it_is(scene: LinkScene) -> None:
    """The far end is told, and attempts are chosen by it."""
    for links in scene.links:
        kind, mends = getattr(links, "kind", None), getattr(links, "mends", None)
        scene.expect(kind in ("python", "browser"), KIND, f"`kind` is {kind!r}")
        saw = f"`mends` is {mends!r}; without REBUILD no link is ever made"
        scene.expect(isinstance(mends, Set) and AttemptKind.REBUILD in mends, MENDS, saw)


async def either_end_may_offer(scene: LinkScene) -> None:
    """And the first packets, sent as soon as they can be, are not heard before the success."""
    for end in scene.ends:
        end.on_channel = partial(end.send, b"first")
    await scene.connects()
    await scene.connects(bob_offers=True)
    alice, bob = scene.pair(2)
    for end in (alice, bob):
        end.on_channel = partial(end.send, b"first")
    await scene.connects(bob_offers=True, ends=(alice, bob))
    for end in scene.all:
        scene.expect(not end.failures, FAILED, f"{end.me} heard failed of {end.failures}")


async def the_largest_packets_arrive(scene: LinkScene) -> None:
    """From one byte to 1,150, whatever the bytes are; a text is no packet."""
    await scene.connects()
    wanted = [b"\x00", b"\xff", bytes(FRAME_MAX), bytes(range(256)) * 4, b"\x80" * FRAME_MAX]
    await scene.arrive(wanted, PACKETS)


async def a_larger_packet_is_refused(scene: LinkScene) -> None:
    """With a `ValueError`, at once."""
    await scene.connects()
    large = bytes(FRAME_MAX + 1)
    for end in scene.ends:
        scene.done.append(f"{end.me}: send({len(large)} bytes)")
        end.sent.add(large)
        try:
            end.link.send(large)
        except ValueError:
            continue
        except Exception as error:
            saw = f"a packet of {len(large)} bytes raised {error!r}, which is no ValueError"
            raise scene.broken(PACKETS, saw) from error
        raise scene.broken(PACKETS, f"a packet of {len(large)} bytes was not refused")
    await scene.round_trip(PACKETS)


async def nothing_is_sent_without_a_channel(scene: LinkScene) -> None:
    """Before the first attempt, in it, and after the end; and nobody says anything by himself."""
    for end in scene.ends:
        scene.expect(end.send(b"early") is False, SENT, f"{end.me} sent before any attempt")
    await scene.quiet()
    scene.hold()
    scene.attempt()
    await scene.quiet()
    for end in scene.ends:
        scene.expect(end.send(b"early") is False, SENT, f"{end.me} sent without an open channel")
        scene.expect(True not in end.channels, CHANNEL, f"{end.me} heard channel(True)")
    scene.release()
    await scene.succeeds("1.1")
    scene.alice.close()
    scene.expect(scene.alice.send(b"late") is False, SENT, "alice sent after close()")
    await scene.quiet()
    if scene.bob.channels[-1] is False:
        scene.expect(scene.bob.send(b"late") is False, SENT, "bob sent after channel(False)")


# -- mending ---------------------------------------------------------------------------------------


async def what_there_was_goes_on(scene: LinkScene) -> None:
    """While a rebuild says nothing, while it is made, and behind it; whoever offers."""
    for bob_offers in (False, True):
        await scene.connects()
        scene.hold()
        name = scene.attempt(bob_offers=bob_offers)
        for _ in range(3):
            await scene.round_trip(GOES_ON)
        await offered(scene, scene.bob if bob_offers else scene.alice)
        await scene.round_trip(GOES_ON)
        scene.release()
        await scene.round_trip(GOES_ON)
        await scene.succeeds(name)


async def what_is_abandoned_changes_nothing(scene: LinkScene) -> None:
    """Its late signals neither; and what is unknown cannot be abandoned."""
    for end in scene.ends:
        end.abandon("unknown")
        end.hear("unknown", SignalKind.OFFER, "{}")
    await scene.connects()
    for end in scene.ends:
        end.abandon("unknown")
    await scene.round_trip(ABANDONED)
    scene.hold()
    name = scene.attempt()
    for end in scene.ends:
        end.abandon("unknown")
    await offered(scene, scene.alice)
    for end in scene.ends:
        end.abandon(name)
    await scene.round_trip(ABANDONED)
    scene.release()
    await scene.quiet()
    await scene.round_trip(ABANDONED)
    for end in scene.ends:
        saw = f"{end.me} heard channel(False), because an attempt was abandoned"
        scene.expect(False not in end.channels, ABANDONED, saw)
    await scene.connects()


async def unknown_attempts_are_not_abandoned(scene: LinkScene) -> None:
    """The current one goes on."""
    name = scene.attempt()
    for end in scene.ends:
        end.abandon("unknown")
    await succeeds_or(scene, name, ABANDONED)


async def a_newer_attempt_voids_the_older(scene: LinkScene) -> None:
    """Nothing more is said of that, and what is said to it is not heard."""
    scene.hold()
    scene.attempt()
    await offered(scene, scene.alice)
    late, scene.alice.held = scene.alice.held, []
    scene.release()
    newer = scene.attempt()
    for said in late:
        scene.bob.hear(*said)
    await succeeds_or(scene, newer, STALE)
    scene.attempt()
    newest = scene.attempt(bob_offers=True)
    await succeeds_or(scene, newest, BEGUN)
    for said in late:
        scene.bob.hear(*said)
    scene.bob.hear("unknown", SignalKind.OFFER, "nonsense")
    await scene.quiet()
    await scene.round_trip(STALE)
    for end in scene.ends:
        right = end.succeeded_ids == [newer, newest] and not end.failures
        saw = f"{end.me} heard succeeded of {end.succeeded_ids}, failed of {end.failures}"
        scene.expect(right, STALE, saw)


async def what_makes_no_sense_fails(scene: LinkScene) -> None:
    """Said by the one who offers or by the one who answers, with and without a link before."""
    for joined in (False, True):
        for payload in MALFORMED:
            await refuses(scene, payload)
        if joined:
            await scene.round_trip(FAILED)
        await scene.connects()


async def refuses(scene: LinkScene, payload: str) -> None:
    """Neither end takes this for a description."""
    name = scene.name()
    scene.bob.attempt(name, offers=False)
    scene.bob.hear(name, SignalKind.OFFER, payload)
    await scene.fails(scene.bob, name)
    scene.hold()
    name = scene.name()
    scene.alice.attempt(name, offers=True)
    await offered(scene, scene.alice)
    scene.alice.hear(name, SignalKind.ANSWER, payload)
    await scene.fails(scene.alice, name)
    scene.alice.held.clear()
    scene.release()


async def what_it_cannot_do_fails(scene: LinkScene) -> None:
    """Each kind that is not in `mends`; what there was goes on."""
    await scene.connects()
    for end, links in zip(scene.ends, scene.links, strict=True):
        for kind in AttemptKind:
            if kind not in links.mends:
                name = scene.name()
                end.attempt(name, offers=True, kind=kind)
                await scene.fails(end, name)
                await scene.round_trip(FAILED)
    await scene.connects()


async def a_restart_keeps_the_channel(scene: LinkScene) -> None:
    """Whoever offers, and time and again; where there is nothing to restart, it fails."""
    if not all(AttemptKind.RESTART in links.mends for links in scene.links):
        return
    name = scene.attempt(kind=AttemptKind.RESTART)
    await scene.fails(scene.alice, name)
    scene.bob.abandon(name)
    await scene.connects()
    for bob_offers in (False, True, False):
        scene.hold()
        name = scene.attempt(kind=AttemptKind.RESTART, bob_offers=bob_offers)
        await scene.round_trip(GOES_ON)
        scene.release()
        await scene.round_trip(GOES_ON)
        await succeeds_or(scene, name, MENDS)
    for end in scene.ends:
        saw = f"{end.me} heard channel(False) in a restart"
        scene.expect(False not in end.channels, GOES_ON, saw)


# -- several, and the end --------------------------------------------------------------------------


async def links_do_not_touch(scene: LinkScene) -> None:
    """Two lives of two players have links of their own, and the end of one is its own."""
    await scene.connects()
    newer = scene.pair(2)
    await scene.connects(ends=newer)
    await scene.round_trip(PACKETS)
    for end in scene.ends:
        end.close()
    await scene.round_trip(PACKETS, ends=newer)
    await scene.connects(ends=newer)
    await scene.quiet()


async def a_closed_link_is_silent(scene: LinkScene) -> None:
    """Whatever comes, whatever it is told, and whatever it was doing."""
    await scene.connects()
    name = scene.attempt()
    for end in (scene.alice, scene.alice):
        for _ in range(20):
            scene.bob.send(b"unheard")
        end.close()
    scene.alice.attempt("late", offers=True)
    scene.alice.hear(name, SignalKind.ANSWER, "{}")
    scene.alice.abandon(name)
    await scene.quiet()
    scene.bob.send(b"unheard")
    scene.bob.close()
    await scene.quiet()


async def a_close_in_the_midst_is_silence(scene: LinkScene) -> None:
    """Who closes while a packet is heard hears no other one."""
    await scene.connects()
    scene.alice.on_received = scene.alice.close
    for number in range(20):
        scene.bob.send(b"step %d" % number)
    await scene.until(
        lambda: scene.alice.closed or not scene.bob.send(b"and again"),
        PACKETS,
        lambda: "20 packets were sent, and none came",
    )
    await scene.quiet()


STORIES: list[Story] = [
    it_says_what_it_is,
    either_end_may_offer,
    the_largest_packets_arrive,
    a_larger_packet_is_refused,
    nothing_is_sent_without_a_channel,
    what_there_was_goes_on,
    unknown_attempts_are_not_abandoned,
    what_is_abandoned_changes_nothing,
    a_newer_attempt_voids_the_older,
    what_makes_no_sense_fails,
    what_it_cannot_do_fails,
    a_restart_keeps_the_channel,
    links_do_not_touch,
    a_closed_link_is_silent,
    a_close_in_the_midst_is_silence,
]


async def offered(scene: LinkScene, end: End) -> None:
    """The end that offers has said so."""
    await scene.until(
        lambda: any(kind == SignalKind.OFFER for _, kind, _ in end.held),
        SAID,
        lambda: f"{end.me} is to offer, and said {[kind for _, kind, _ in end.held]}",
    )


async def succeeds_or(scene: LinkScene, name: str, promise: Promise) -> None:
    """The attempt succeeds; if not, this is what is broken."""
    await scene.until(
        lambda: all(name in end.succeeded_ids for end in scene.ends),
        promise,
        lambda: f"attempt {name!r} did not succeed for both",
    )
    await scene.round_trip(promise)


# -- random packets --------------------------------------------------------------------------------

packets = st.lists(
    st.binary(min_size=1, max_size=FRAME_MAX) | st.builds(bytes, st.integers(1, FRAME_MAX)),
    min_size=1,
    max_size=12,
)


async def all_packets_arrive(drawn: list[bytes], scene: LinkScene) -> None:
    """Each as it was sent, both ways, across a rebuild."""
    await scene.connects()
    await scene.arrive(drawn, PACKETS)
    name = scene.attempt(bob_offers=True)
    await scene.arrive([*drawn, b"last"], GOES_ON)
    await scene.succeeds(name)
