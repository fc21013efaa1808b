"""Deeds: what can happen to a world, most of it harm; each is drawn by its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from reconnect.core import events as ev
from reconnect.core.messages import ErrorCode
from reconnect.core.table import State

if TYPE_CHECKING:
    from tests.core.chaos import History

Deed: TypeAlias = "Callable[[History], None]"


def control_breaks(history: History) -> None:
    if (client := history.someone()) and client.conn:
        history.harm()
        sees = history.random.choice([0.0, 0.05, 0.6, inf])
        other = history.random.choice([0.0, 0.05, 0.6, inf])
        history.world.break_conn(client.conn, client_sees=sees, server_sees=other)


def control_clogs(history: History) -> None:
    if (client := history.someone()) and client.conn:
        history.harm()
        conn = client.conn
        conn.clogged |= history.random.choice([{"up"}, {"down"}, {"up", "down"}])
        if history.random.random() < 0.6:
            history.world.after(
                history.random.uniform(0.1, 3.0), lambda: history.world.unclog(conn)
            )


def goes_offline(history: History) -> None:
    if client := history.someone():
        history.harm()
        client.offline = True
        if client.conn:
            history.world.break_conn(client.conn, client_sees=inf, server_sees=inf)


def path_is_cut(history: History) -> None:
    one, other = history.random.sample(history.players, 2)
    history.harm()
    world = history.world
    world.blocked.add((one, other))
    if history.random.random() < 0.7:
        world.blocked.add((other, one))
    if history.random.random() < 0.5:  # the flows of before do not come back
        for client in world.living:
            for end in client.ends.values():
                if {client.player, end.peer} == {one, other}:
                    end.flow[0] = False


def packets_get_lost(history: History) -> None:
    history.harm(lossless=False)
    history.world.loss = history.random.choice([0.05, 0.2, 0.5])


def channel_closes(history: History) -> None:
    if (client := history.someone()) and client.ends:
        history.harm()
        end = history.random.choice(list(client.ends.values()))
        if end.far is not None:
            flow = end.flow
            history.world.close_end(end)
            history.world.after(
                history.random.uniform(0.0, 0.3),
                lambda: history.world._channel(end, flow, is_open=False),
            )


def reloads(history: History) -> None:
    """A new client of the same player; the old one closes in order, is gone, or lives on."""
    if client := history.someone():
        history.harm()
        how = history.random.choice(["closes", "gone", "lives"])
        if how == "closes":
            history.world.tell(client, ev.ApplicationClosing())
        elif how == "gone":
            history.world.kill(client)
        if history.random.random() < 0.2:
            history.world.to_session(ev.TokenIssued(client.player, "another"))
            history.world.tokens[client.player] += 1
        if history.random.random() < 0.8:
            delay = history.random.choice([0.0, 0.1, 1.0])
            history.world.after(delay, lambda: history._fill(client.player))


def knocks_and_is_stuck(history: History) -> None:
    """A second client is offered the seat, and takes it only much later."""
    if old := history.someone():
        history.harm()
        client = history.enter(old.player)
        history.world.run(history.random.choice([0.03, 0.08, 0.15]))
        if conn := client.conn:
            conn.clogged.add("up")
            later = history.random.uniform(0.2, 3.0)
            history.world.after(later, lambda: history.world.unclog(conn))
        if history.random.random() < 0.5 and old.conn:
            old.conn.clogged.add("up")
            history.world.after(0.3, partial(history.world.unclog, old.conn))


def goes_out(history: History) -> None:
    if client := history.someone():
        history.harm()
        history.world.kill(client)


def stalls(history: History) -> None:
    if client := history.someone():
        history.harm()
        client.awake_at = history.world.now + history.random.choice([0.3, 1.0, 2.5, 4.0])
        client.due = max(client.due, client.awake_at)


def coordinator_crashes(history: History) -> None:
    world = history.world
    if world.session is not None:
        history.harm()
        jump = history.random.choice([0.0] * 8 + [3600.0, -3600.0])
        world.crash(
            history.random.choice([0.05, 0.3, 2.0]),
            durable=history.random.random() < 0.5,
            wall_jump=jump,
        )


def coordinator_stalls(history: History) -> None:
    history.harm()
    history.world.stand_still(history.random.choice([0.2, 0.6, 1.4, 2.5]))


def does_not_hear_of_the_resume(history: History) -> None:
    """One that has said that it is ready is heard from then on, but hears nothing."""
    world, session = history.world, history.world.session
    for _ in range(20):
        if session is None or session.state is State.RECONNECTING:
            break
        world.run(0.05)
    ready = [
        client
        for client in world.living
        if session and client.conn and session.members[client.player].ready
    ]
    if client := history.random.choice(ready) if ready else history.someone():
        history.harm()
        client.deaf = True
        if client.conn is not None:
            client.conn.clogged.add("down")
        world.run(history.random.choice([0.5, world.policy.resume_timeout + 0.5]))


def things_come_again(history: History) -> None:
    """Reports and views that have arrived arrive once more, long after."""
    world = history.world
    for event in history.random.sample(world.reports, min(3, len(world.reports))):
        if event.report.gen > 0 and event.conn in world.conns:
            world.to_session(event)
    for client, view in history.random.sample(world.views, min(5, len(world.views))):
        if view.view.version < client.peer.version:
            world.tell(client, view)


def returns(history: History) -> None:
    """A player who is no member any more comes back."""
    gone = [player for player in history.players if player not in history.world.stored.players]
    if gone:
        history.enter(history.random.choice(gone))


def store_is_slow(history: History) -> None:
    history.world.slow_store = not history.world.slow_store


def leaves(history: History) -> None:
    if history.random.random() < 0.25 and (client := history.someone()):
        history.harm()
        history.world.tell(client, ev.ApplicationLeft())


def application_fails(history: History) -> None:
    """The next time that it is asked about its game, it raises."""
    if history.random.random() < 0.3 and (client := history.someone()):
        history.harm()
        client.fails = True


def host_ends(history: History) -> None:
    if history.random.random() < 0.15:
        history.world.to_session(ev.ApplicationEnded("completed"))


def is_refused(history: History) -> None:
    if (client := history.someone()) and client.conn:
        history.harm()
        history.world.down(client.conn, ev.ErrorArrived(ErrorCode.RATE_LIMITED))
        history.world.bye(client.conn)


def network_changes(history: History) -> None:
    if client := history.someone():
        history.world.tell(client, ev.NetworkChanged())


def page_is_hidden(history: History) -> None:
    if client := history.someone():
        history.world.tell(client, ev.HiddenChanged(history.random.random() < 0.5))


def is_busy(history: History) -> None:
    if client := history.someone():
        history.world.tell(client, ev.BusyDeclared(history.random.uniform(0.0, 2.0)))


DEEDS: tuple[Deed, ...] = (
    control_breaks,
    control_breaks,
    control_clogs,
    control_clogs,
    goes_offline,
    path_is_cut,
    path_is_cut,
    packets_get_lost,
    channel_closes,
    reloads,
    reloads,
    knocks_and_is_stuck,
    goes_out,
    stalls,
    stalls,
    coordinator_crashes,
    coordinator_crashes,
    coordinator_stalls,
    does_not_hear_of_the_resume,
    does_not_hear_of_the_resume,
    things_come_again,
    returns,
    store_is_slow,
    leaves,
    application_fails,
    host_ends,
    is_refused,
    network_changes,
    page_is_hidden,
    is_busy,
)
