"""Hold both ends of a signaling adapter to the words of `reconnect.ports`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Hashable
from contextlib import suppress
from functools import partial
from typing import Any

from attrs import frozen
from hypothesis import strategies as st

from reconnect.core.messages import PROTOCOL_VERSION
from reconnect.testing.checks.ears import (
    DIALS_ONCE,
    ENDED,
    NAMED,
    OLDER_UNHEARD,
    SERVER_CLOSED,
    ClientEars,
)
from reconnect.testing.checks.promise import Promise, explore
from reconnect.testing.checks.runtime import the_runtimes_keep_their_word
from reconnect.testing.checks.scene import (
    CLIENT_FIFO,
    SERVER_FIFO,
    Caller,
    Scene,
    Setting,
    Times,
    played,
    run_clean,
)
from reconnect.testing.checks.values import messages

QUIET = 0.2  # s; in which nothing may come that should not
PATIENCE = 20.0  # s; the most that anything may take on a busy machine
BURST = 20
PAYLOAD_MAX = 64 * 1024  # characters: the longest thing in any message, a description of a link

SERVER_CLOSES = Promise(
    "ServerSignaling.close",
    "Close this logical connection, after what was sent on it; never a shared transport.",
)
CLIENT_CLOSES = Promise("ClientSignaling.close", "Close the connection, after what was sent on it")
ANYTHING = Promise("ServerHears.received", "Something came; it may be anything at all")

JUNK: tuple[Any, ...] = (
    None,
    True,
    -1.5,
    "text",
    [],
    [1, {"a": [None]}],
    {},
    {"v": PROTOCOL_VERSION, "type": ["report"], "session": {}},
    {"\x00": "\x00", "type": "x" * 10_000},
)

Story = Callable[[Scene], Coroutine[Any, Any, None]]


def check_signaling(
    setting: Setting,
    *,
    examples: int = 10,
    patience: float = PATIENCE,
    quiet: float = QUIET,
    lingering: Collection[str] = (),
) -> None:
    """Raise `BrokenPromise`, an `AssertionError`, if one end does not keep a word of its port.

    `setting` is an asynchronous context manager that is entered for each story anew, in a loop of
    its own. It gives the server's end, not started, and what makes a client's end; when it is
    left, the server is gone, with all its tasks. It may give a third thing: an asynchronous
    function that does to the server what a stranger on the network may do, with bytes that no
    client of yours would send.

    Run it once for each way to connect. Where clients share a transport, a setting whose clients
    all share one proves that they do not notice it.

    After all promises one by one come so many `examples` of random messages, in bursts both ways;
    the shortest that goes wrong is shown. `patience` is how many seconds anything may take, and
    `quiet` for how many it is awaited that nothing comes, where nothing should. `lingering` are
    the coroutines of tasks that a library leaves to end by themselves, by their qualified names.

    It is called from a test that is not itself asynchronous. Adapters whose runtime has a lock
    are called under it, and have to speak under it.
    """
    times = Times(patience=patience, quiet=quiet, lingering=lingering)

    def play(story: Story) -> None:
        played(setting, story, times)

    for story in STORIES:
        play(story)
    the_server_is_gone(setting, times)
    explore(bursts, lambda drawn: play(partial(converse, drawn)), examples=examples)


# -- dialling --------------------------------------------------------------------------------------


async def a_dial_is_heard_once(scene: Scene) -> None:
    """By both ends, and is not repeated."""
    caller = await scene.dial()
    await scene.round_trip(caller)
    await scene.quiet()
    one_dial(scene, caller)


async def a_lost_connection_is_not_dialled_again(scene: Scene) -> None:
    """When to dial again is for the client above to decide."""
    caller = await scene.dial()
    scene.send_away(caller)
    await hears_the_end(scene, caller.ears)
    await scene.quiet()
    one_dial(scene, caller)


def one_dial(scene: Scene, caller: Caller) -> None:
    """There was only one."""
    saw = f"one open(), and the server heard of {len(scene.ears.names)} connections"
    scene.expect(len(scene.ears.names) == 1, DIALS_ONCE, saw)
    saw = f"one open(), and the client heard {caller.ears.log}"
    scene.expect(caller.ears.log.count("opened") == 1, DIALS_ONCE, saw)


async def no_name_is_used_twice(scene: Scene) -> None:
    """Closed by either end, or dialled over: each dial is another connection."""
    caller = scene.caller()
    for number in range(6):
        await scene.dial(caller)
        await scene.round_trip(caller)
        if number % 3 == 0:
            scene.hang_up(caller)
        elif number % 3 == 1:
            scene.send_away(caller)
            await hears_the_end(scene, caller.ears)
    saw = f"6 dials, and these names: {scene.ears.names}"
    scene.expect(len(set(scene.ears.names)) == 6, NAMED, saw)


async def an_older_dial_is_not_heard(scene: Scene) -> None:
    """Neither its messages nor its end, and the newer one hears nothing of it."""
    caller = await scene.dial()
    older = Caller(caller.client, caller.number, caller.ears, caller.conn)
    burst(scene, older, up=False)
    await scene.dial(caller)
    burst(scene, older, up=False)
    await is_closed(scene, older)
    await scene.round_trip(caller)
    saw = f"the newer dial heard {caller.ears.messages[:3]}"
    scene.expect(len(caller.ears.messages) == 1, OLDER_UNHEARD, saw)
    await scene.quiet()


async def a_dial_can_be_taken_back(scene: Scene) -> None:
    """It is not heard by the client; what the server hears of it ends."""
    caller = scene.caller()
    for _ in range(3):
        scene.open(caller)
        scene.hang_up(caller)
    await scene.quiet()
    await scene.until(
        lambda: not scene.ears.open,
        SERVER_CLOSED,
        lambda: "a dial that was taken back is open at the server",
    )
    await scene.dial(caller)
    await scene.round_trip(caller)


# -- sending and closing ---------------------------------------------------------------------------


async def large_messages_arrive(scene: Scene) -> None:
    """Of the longest that there are, and what stands behind them stays behind them."""
    caller = await scene.dial()
    payload = 'a=candidate:1 1 udp 1 "\\\r\n'
    large = {"payload": (payload * (PAYLOAD_MAX // len(payload) + 1))[:PAYLOAD_MAX]}
    wide = {"payload": "ünïcode 🎲\u2028" * 1000}
    sent: list[dict[str, Any]] = [large, {"n": 1}, wide, {"n": 2}]
    for one in sent:
        scene.say(caller, one)
        scene.tell(caller, one)
    await scene.arrive(caller, sent, up=True)
    await scene.arrive(caller, sent, up=False)


async def a_client_closes_after_what_it_sent(scene: Scene) -> None:
    """And hears nothing of what was on its way to it."""
    caller = await scene.dial()
    sent = burst(scene, caller, up=True)
    burst(scene, caller, up=False)
    for _ in range(2):
        scene.hang_up(caller)
    await is_closed(scene, caller)
    found = scene.ears.of(caller.conn)
    saw = f"{len(sent)} messages were sent, then close(); {len(found)} were heard"
    in_order = found == sent[: len(found)]
    scene.expect(found == sent, CLIENT_CLOSES if in_order else CLIENT_FIFO, saw)
    await scene.quiet()


async def a_server_closes_after_what_it_sent(scene: Scene) -> None:
    """And hears nothing more of the connection, not even its end."""
    caller = await scene.dial()
    sent = burst(scene, caller, up=False)
    for _ in range(2):
        scene.send_away(caller)
    burst(scene, caller, up=True)
    await hears_the_end(scene, caller.ears)
    found = caller.ears.messages
    saw = f"{len(sent)} messages were sent, then close(); {len(found)} were heard"
    in_order = found == sent[: len(found)]
    scene.expect(found == sent, SERVER_CLOSES if in_order else SERVER_FIFO, saw)
    await scene.quiet()


async def a_close_in_the_midst_is_silence(scene: Scene) -> None:
    """Whoever closes, or dials anew, while it is told something, is told nothing more."""
    caller, other, third = [await scene.dial() for _ in range(3)]

    def received(conn: Hashable) -> None:
        if conn == other.conn:
            scene.send_away(other)

    caller.ears.on_received = lambda: scene.hang_up(caller)
    scene.ears.on_received = received
    third.ears.on_received = lambda: scene.open(third)
    dialled = len(scene.ears.names)
    burst(scene, caller, up=False)
    burst(scene, other, up=True)
    burst(scene, third, up=False)
    await is_closed(scene, caller)
    await hears_the_end(scene, other.ears)
    await scene.until(
        lambda: third.ears.is_open and len(scene.ears.names) > dialled,
        DIALS_ONCE,
        lambda: f"a dial from inside received() heard {third.ears.log}",
    )
    third.conn = scene.ears.names[-1]
    await scene.quiet()
    await scene.round_trip(third)


async def the_dead_are_no_errors(scene: Scene) -> None:
    """Before the dial, in it, behind either end's close: nothing is raised, and nothing comes."""
    caller = scene.caller()
    lost = {"lost": True}
    scene.say(caller, lost)
    scene.hang_up(caller)
    scene.open(caller)
    scene.say(caller, lost)
    await scene.dial(caller)
    for close in (scene.hang_up, scene.send_away):
        close(caller)
        for _ in range(2):
            scene.say(caller, lost)
            scene.tell(caller, lost)
            close(caller)
        await scene.until(
            lambda: not scene.ears.open,
            SERVER_CLOSED,
            lambda: "a closed connection is open at the server",
        )
        for _ in range(2):
            scene.say(caller, lost)
            scene.tell(caller, lost)
            scene.send_away(caller)
        await scene.quiet()
        await scene.dial(caller)
        await scene.round_trip(caller)


async def connections_do_not_touch(scene: Scene) -> None:
    """What is said on one is not heard on another, and its end is its own."""
    one, two, three = [await scene.dial() for _ in range(3)]
    for caller in (one, two, three):
        await scene.round_trip(caller)
    scene.hang_up(one)
    await is_closed(scene, one)
    scene.send_away(three)
    await hears_the_end(scene, three.ears)
    await scene.quiet()
    saw = "a connection ended with another one"
    scene.expect(two.ears.is_open and scene.ears.open == [two.conn], SERVER_CLOSES, saw)
    await scene.round_trip(two)
    await scene.dial(one)
    await scene.round_trip(one)
    await scene.round_trip(two)


async def junk_harms_nobody(scene: Scene) -> None:
    """What is no message is handed over as it is, or refused; others do not notice."""
    good, bad = await scene.dial(), await scene.dial()
    for junk in JUNK:
        scene.done.append(f"client {bad.number}: send({junk!r:.40})")
        with suppress(Exception), bad.client.runtime.lock:  # it may refuse what is no dict
            bad.client.send(junk)
    if scene.stranger is not None:
        scene.done.append("a stranger does what it likes")
        with suppress(OSError):
            await asyncio.wait_for(scene.stranger(), scene.patience)
    await scene.round_trip(good)
    newer = await scene.dial()
    await scene.round_trip(newer)
    saw = "another client's connection ended"
    scene.expect(good.ears.is_open and newer.ears.is_open, ANYTHING, saw)


def the_server_is_gone(setting: Setting, times: Times) -> None:
    """Who dials then hears that the dial failed, once."""

    async def play() -> None:
        async with setting() as ends:
            scene = Scene(ends, times)
            caller = scene.caller()
        for _ in range(2):
            ears = scene.open(caller)
            await hears_the_end(scene, ears)
            saw = f"nobody is there, and the dial heard {ears.log}"
            scene.expect(ears.log == ["closed"], ENDED, saw)
            scene.say(caller, {"lost": True})
        await scene.leave()

    run_clean(play, times)


STORIES: list[Story] = [
    a_dial_is_heard_once,
    a_lost_connection_is_not_dialled_again,
    connections_do_not_touch,
    no_name_is_used_twice,
    large_messages_arrive,
    a_client_closes_after_what_it_sent,
    a_server_closes_after_what_it_sent,
    an_older_dial_is_not_heard,
    a_dial_can_be_taken_back,
    a_close_in_the_midst_is_silence,
    the_dead_are_no_errors,
    junk_harms_nobody,
    the_runtimes_keep_their_word,
]


def burst(scene: Scene, caller: Caller, *, up: bool) -> list[dict[str, Any]]:
    """Many messages at once; gives them."""
    sent = [{"n": number, "of": caller.number} for number in range(BURST)]
    for one in sent:
        (scene.say if up else scene.tell)(caller, one)
    return sent


async def is_closed(scene: Scene, caller: Caller) -> None:
    """The server hears that the connection is gone."""
    await scene.until(
        lambda: caller.conn in scene.ears.gone,
        SERVER_CLOSED,
        lambda: f"a client closed, and the server heard no closed({caller.conn!r})",
    )


async def hears_the_end(scene: Scene, ears: ClientEars) -> None:
    """The client hears that its dial or connection is over."""
    await scene.until(lambda: ears.cause, ENDED, lambda: f"the client heard {ears.log}, no closed")


# -- random messages -------------------------------------------------------------------------------


@frozen
class Burst:
    """Messages that are sent at once, one way."""

    up: bool
    messages: list[dict[str, Any]]
    waits: bool
    """Whether the loop runs once behind it."""


bursts = st.lists(
    st.builds(Burst, st.booleans(), st.lists(messages, min_size=1, max_size=8), st.booleans()),
    max_size=8,
)


async def converse(drawn: list[Burst], scene: Scene) -> None:
    """All of it arrives, in order, as it was sent."""
    caller = await scene.dial()
    sent: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for one in [*drawn, Burst(True, [{"last": 1}], False), Burst(False, [{"last": 2}], False)]:
        for message in one.messages:
            (scene.say if one.up else scene.tell)(caller, message)
        sent[one.up] += one.messages
        if one.waits:
            await asyncio.sleep(0)
    for up, all_of_it in sent.items():
        await scene.arrive(caller, all_of_it, up=up)
