"""What users write, held to its types by `mypy --strict`; it is never run."""

from __future__ import annotations

import asyncio
from typing import Any, assert_type

import reconnect
from reconnect import (
    Client,
    Connected,
    Coordinator,
    Ended,
    IceServer,
    Paused,
    Policy,
    PolicyError,
    Resumed,
    SessionHandle,
    StreamFull,
    Topology,
)
from reconnect.core.notices import ClientNotice, SessionNotice
from reconnect.ports import ClientSignaling, Links, Recorder, ServerSignaling, Store
from reconnect.stores.memory import MemoryStore


def policies() -> list[Policy]:
    """Words, members of enums, whole and broken numbers, any sequence of servers."""
    try:
        return [
            Policy(topology="mesh", outage_timeout=30, countdown=3.0),
            Policy(topology=Topology.STAR, hub="alice", on_deadline="go_on", start_timeout=None),
            Policy(ice_servers=[IceServer("stun:a"), IceServer(("turn:b",), "user", "secret")]),
        ]
    except PolicyError as error:
        assert_type(error.broken, tuple[str, ...])
        return []


def stores() -> list[Store]:
    """The shipped stores fulfil the port."""
    return [MemoryStore()]


def server(signaling: ServerSignaling, recorder: Recorder) -> None:
    """Open a session, let players in, find it again, ask it before each step."""
    coordinator = Coordinator(signaling=signaling, store=MemoryStore(), recorder=recorder)
    session = coordinator.open(players=["alice", "bob"], data={"map": "dust"})
    assert_type(session, SessionHandle)
    assert_type(session.invite("alice"), str)
    assert_type(coordinator.get(session.id), SessionHandle | None)
    assert_type(coordinator.sessions(), list[SessionHandle])
    assert_type(coordinator.seat("connection"), tuple[SessionHandle, str] | None)
    assert_type(coordinator.stats(), dict[str, int])
    if session.playing:
        session.frame += 1
    assert_type(session.explain(), str)
    session.end("completed")


def hear(session: SessionHandle, notice: SessionNotice) -> None:
    """A callback, for programs without a loop."""


def server_with_a_callback(signaling: ServerSignaling) -> Coordinator:
    """The defaults do for everything but the signaling."""
    return Coordinator(signaling=signaling, policy=Policy(), on_notice=hear)


async def log(session: SessionHandle, client: Client) -> None:
    """One notice after the other, of a type that is known."""
    async for told in reconnect.aio.notices(session):
        assert_type(told, SessionNotice)
    async for heard in reconnect.aio.notices(client):
        assert_type(heard, ClientNotice)


async def play(signaling: ClientSignaling, links: Links, token: str, game: Any) -> None:
    """The loop of a game."""
    client = Client(signaling=signaling, links=links, session="s", player="alice", token=token)
    while not client.ended:
        for notice in client.notices():
            match notice:
                case Paused(cause=cause):
                    assert_type(cause, str)
                case Resumed(frame=frame, starts_in=starts_in):
                    assert_type((frame, starts_in), tuple[int, float])
                case Connected():
                    pass
                case Ended(reason=reason):
                    assert_type(reason, str)
        for peer, data in client.receive():
            assert_type((peer, data), tuple[str, bytes])
        if client.playing:
            try:
                client.send(b"input")
                client.send_latest(b"position", to="bob")
            except StreamFull as full:
                assert_type(full.waiting, int)
            client.frame = int(game.frame)
        await asyncio.sleep(1 / 60)
    client.close()
    await client.closed()
