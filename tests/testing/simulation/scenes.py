"""Scenes: short games with a plan, for the rows that chance hardly ever finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from reconnect.core.messages import Cause, Error, ErrorCode, Phase, Reason, Report
from reconnect.core.notices import Paused
from reconnect.core.peer import Peer
from reconnect.core.table import State
from reconnect.core.wire import encode
from reconnect.signaling.memory import Line, to_text
from reconnect.testing.table import SESSION, Table

Stage: TypeAlias = Callable[..., Table]
"""Sets the table: `stage("ann", "ben", lease=2.0)`, by `SHORT` where nothing else is said."""
Scene: TypeAlias = Callable[[Stage], None]

SHORT: dict[str, Any] = {
    "lease": 1.0,
    "outage_timeout": 4.0,
    "start_timeout": 6.0,
    "link_suspect": 0.3,
    "link_lost": 0.6,
    "resume_timeout": 2.0,
    "on_leave": "go_on",
}
PATIENCE = 12.0  # s; longer than anything in a scene takes


# -- what scenes are made of -----------------------------------------------------------------------


def enter(table: Table, *players: str) -> None:
    """The next program of each of these players, or of all."""
    for player in players or table.players:
        table.start(player)


def until(table: Table, *states: State) -> None:
    """Let time pass until the session is in one of these states, and not a moment longer."""
    table.until(lambda: table.state in states, within=PATIENCE)


def played(table: Table) -> Table:
    """All come, and play for a moment."""
    enter(table)
    until(table, State.CONNECTED)
    table.run(0.3)
    return table


def crash(table: Table) -> None:
    """The server's process dies, and the next one takes over."""
    table.kill_server(down=0.02)
    table.run(0.05)


def goes_out(table: Table, player: str) -> None:
    """The player's machine is off; nobody is told."""
    table.present(player).process.kill()
    table.network.drop_control(player, tell_client=False, tell_server=False)


def peer_of(table: Table, player: str) -> Peer:
    return table.present(player).client._peer


def line_of(table: Table, player: str) -> Line:
    """The player's newest connection to the server."""
    return table.network._living(player)[-1]


def say(table: Table, player: str, message: Any, *, up: bool = False) -> None:
    """Put a message on the player's connection, as if the far end had sent it."""
    line_of(table, player).send(to_text(encode(message, session=SESSION)), up=up)


def crashes_on_and_on(table: Table) -> None:
    """Each restart lets the bound of a player who is gone begin again, until time is up."""
    for _ in range(6):
        table.run(0.5)
        crash(table)
    until(table, State.ENDED)


# -- the server ------------------------------------------------------------------------------------


def crashes_in_every_state(stage: Stage) -> None:
    """A process start in each of the five states."""
    table = played(stage(countdown=0.3))
    crash(table)
    goes_out(table, "ann")
    until(table, State.PAUSED)
    crash(table)
    until(table, State.RECONNECTING)
    crash(table)
    enter(table, "ann")
    until(table, State.RESUMED)
    crash(table)
    table.run(2.0)
    table.session.end("completed")
    table.run(0.1)
    crash(table)
    enter(table, "ann")
    table.run(2.0)


def the_deadline_comes_while_paused(stage: Stage) -> None:
    """Nobody knows yet that a player who is gone has stopped."""
    table = played(stage())
    goes_out(table, "ann")
    until(table, State.PAUSED)
    crashes_on_and_on(table)
    assert table.session.reason == Reason.TIMEOUT


def the_first_start_fails_and_time_is_up(stage: Stage) -> None:
    """The same before anybody has played."""
    table = stage(countdown=0.5, start_timeout=5.0)
    enter(table)
    until(table, State.RESUMED)
    goes_out(table, "ann")
    until(table, State.PAUSED)
    crashes_on_and_on(table)
    assert table.session.reason == Reason.NEVER_STARTED


def one_never_comes(stage: Stage) -> None:
    """And so the game is never begun."""
    table = stage()
    enter(table, "ann")
    until(table, State.ENDED)
    assert table.session.reason == Reason.NEVER_STARTED


def one_never_comes_back(stage: Stage) -> None:
    """And so it is over at the deadline."""
    table = played(stage())
    goes_out(table, "ann")
    until(table, State.ENDED)
    assert table.session.reason == Reason.TIMEOUT


def a_pause_too_many(stage: Stage) -> None:
    """The pauses are used up: the deadline of the next one is now."""
    table = played(stage(pauses_max=0))
    goes_out(table, "ann")
    until(table, State.ENDED)
    assert table.session.reason == Reason.BUDGET_SPENT


def the_server_hangs(stage: Stage) -> None:
    """When it goes on, the bound of a player who is gone has long run out."""
    table = played(stage())
    goes_out(table, "ann")
    table.server.stall(3.0)
    table.run(3.5)


# -- leaving ---------------------------------------------------------------------------------------


def some_leave(stage: Stage) -> None:
    """While all play, while all wait, and as the last but one; who left wants to come back."""
    table = played(stage("ann", "ben", "cas", "dee"))
    table.leave("dee")
    until(table, State.PAUSED, State.RECONNECTING)
    until(table, State.CONNECTED)
    enter(table, "dee")
    goes_out(table, "ann")
    until(table, State.RECONNECTING)
    table.leave("cas")
    table.run(0.5)
    table.leave("ben")
    until(table, State.ENDED)


def one_who_was_dropped_comes_back(stage: Stage) -> None:
    """The others went on without them at the deadline."""
    table = played(stage("ann", "ben", "cas", on_deadline="go_on"))
    table.network.cut_control("cas")
    until(table, State.RECONNECTING)
    until(table, State.CONNECTED)
    table.network.mend_control("cas")
    table.run(2.0)
    assert peer_of(table, "cas").reason == Reason.DROPPED


def a_goodbye_is_stuck(stage: Stage) -> None:
    """It is said again for as long as it is not acknowledged."""
    table = played(stage())
    table.network.clog_control("ann", up=True, down=False)
    table.leave("ann")
    table.run(1.0)
    table.network.mend_control("ann")
    table.run(1.0)
    assert table.session.reason == Reason.PLAYER_LEFT


def a_goodbye_finds_another_way(stage: Stage) -> None:
    """Without a connection it is said on the next one, as soon as there is one."""
    table = played(stage())
    table.network.cut_control("ann")
    table.run(0.1)
    table.leave("ann")
    table.run(0.5)
    assert table.state is not State.ENDED
    table.network.mend_control("ann")
    table.run(1.5)
    assert table.session.reason == Reason.PLAYER_LEFT


# -- several programs of one player ----------------------------------------------------------------


def a_program_is_closed_and_another_one_started(stage: Stage) -> None:
    """The promise of the first one stands, and so nobody has to be waited for."""
    table = played(stage())
    table.close("ann")
    until(table, State.RECONNECTING)
    enter(table, "ann")
    until(table, State.CONNECTED)


def a_second_tab(stage: Stage) -> None:
    """It takes the seat; the first one does not hear of it before it has dialled again."""
    table = played(stage())
    old = peer_of(table, "ann")
    line_of(table, "ann").down.hold()
    table.duplicate("ann")
    table.until(lambda: old.ended, within=PATIENCE)
    assert old.reason == Reason.SUPERSEDED
    until(table, State.CONNECTED)


def an_attach_arrives_after_its_program_is_gone(stage: Stage) -> None:
    """It must not push the living program out: only who answers an offer takes the seat."""
    table = played(stage())
    goes_out(table, "ann")
    stuck = table.start("ann")
    table.until(lambda: table.network._living("ann"), within=PATIENCE)
    line = line_of(table, "ann")
    line.up.hold()
    table.run(0.5)
    stuck.process.kill()
    enter(table, "ann")
    until(table, State.RECONNECTING)
    until(table, State.CONNECTED)
    line.up.release()
    table.run(2.0)
    assert not peer_of(table, "ann").ended


def a_token_is_void(stage: Stage) -> None:
    """Whoever has the older one is turned away at the next attach."""
    table = played(stage())
    table.session.invite("ann")
    table.network.drop_control("ann")
    table.run(2.0)
    assert peer_of(table, "ann").reason == ErrorCode.BAD_TOKEN


# -- the way to the server -------------------------------------------------------------------------


def messages_come_again(stage: Stage) -> None:
    """A view and a report of long ago change nothing."""
    table = stage()
    enter(table)
    table.until(lambda: peer_of(table, "ann").view is not None, within=PATIENCE)
    old = peer_of(table, "ann").view
    until(table, State.CONNECTED)
    table.run(0.1)
    say(table, "ann", old)
    say(table, "ann", Report(peer_of(table, "ann").gen, 1, 0, Phase.HALTED, 0), up=True)
    table.run(0.3)
    assert table.state is State.CONNECTED


def first_words_come_again(stage: Stage) -> None:
    """Who was offered two generations keeps the newer one, and what it said before is nothing."""
    table = stage()
    table.start("ann")
    table.until(lambda: peer_of(table, "ann").control.seq == 1, within=PATIENCE)
    say(table, "ann", Report(0, 1, 0, Phase.HALTED, 0), up=True)
    enter(table, *table.players[1:])
    until(table, State.CONNECTED)
    say(table, "ann", Report(1, 99, 0, Phase.HALTED, 0), up=True)
    table.run(0.3)
    assert peer_of(table, "ann").gen == 2
    assert table.state is State.CONNECTED


def the_server_is_busy(stage: Stage) -> None:
    """It refuses a client for now, which comes back later."""
    table = played(stage())
    say(table, "ann", Error(ErrorCode.RATE_LIMITED))
    table.run(1.0)
    assert table.state is State.CONNECTED


def only_the_client_sees_its_connection_break(stage: Stage) -> None:
    """It is back before the server has noticed anything."""
    table = played(stage())
    table.network.drop_control("ann", tell_server=False)
    table.run(1.0)


def one_is_out_of_the_servers_reach(stage: Stage) -> None:
    """It stops when its lease runs out; the others are ready before the server can know that."""
    table = played(stage(lease=8.0, outage_timeout=12.0, start_timeout=15.0, resume_timeout=3.0))
    table.network.cut_control("ann", half_open=True)
    until(table, State.RECONNECTING)
    table.network.mend_control("ann")
    until(table, State.CONNECTED)


def one_is_out_of_everybodys_reach_for_good(stage: Stage) -> None:
    """It comes to an end all the same."""
    table = played(stage(outage_timeout=2.0, give_up_timeout=4.5))
    table.network.cut_control("ann", half_open=True)
    table.until(lambda: table.present("ann").client.ended, within=PATIENCE)
    assert peer_of(table, "ann").reason == Reason.UNREACHABLE


# -- the resume ------------------------------------------------------------------------------------


def all_but_one_hang_at_the_resume(stage: Stage) -> None:
    """Nobody waits for them for longer than it may take; their leases have run out meanwhile."""
    players = ("ann", "ben", "cas", "dee")
    rules = {"lease": 2.0, "control_grace_period": 1.2, "resume_timeout": 1.4}
    table = stage(*players, topology="server", **rules)
    enter(table)
    until(table, State.RESUMED)
    for player in players[1:]:
        table.stall(player, 2.5)
    until(table, State.PAUSED, State.RECONNECTING)
    assert Cause.RESUME_FAILED in [one.cause for one in table.told if isinstance(one, Paused)]
    until(table, State.CONNECTED)


def a_link_breaks(stage: Stage) -> None:
    """And is mended."""
    table = played(stage())
    table.cut("ann", "ben")
    until(table, State.RECONNECTING)
    table.mend()
    until(table, State.CONNECTED)


def a_link_breaks_while_the_resume_is_on_its_way(stage: Stage) -> None:
    """It reaches a client that is not ready any more."""
    table = stage()
    enter(table)
    until(table, State.RECONNECTING)
    ann = table.present("ann")
    table.until(lambda: peer_of(table, "ann").ready(ann.process.now()), within=PATIENCE)
    table.network.clog_control("ann", up=False, down=True)
    until(table, State.RESUMED)
    table.network.break_channel("ann", "ben")
    table.run(0.1)
    table.network.mend_control("ann")
    until(table, State.CONNECTED)


def a_link_breaks_in_the_countdown(stage: Stage) -> None:
    """Who is about to play asks for a pause again."""
    table = stage(countdown=0.8)
    enter(table)
    until(table, State.RESUMED)
    table.run(0.2)
    table.network.break_channel("ann", "ben")
    until(table, State.RECONNECTING)
    until(table, State.CONNECTED)


def one_misses_that_all_have_stopped(stage: Stage) -> None:
    """The next view that it reads says that the game is resumed."""
    table = played(stage(countdown=0.8, lease=2.0, resume_timeout=3.0))
    table.network.clog_control("ben")
    until(table, State.PAUSED)
    table.run(0.1)
    line = line_of(table, "ann")
    line.down.hold()
    table.network.mend_control("ben")
    until(table, State.RESUMED)
    line.drop(lost_down=len(line.down.queue))
    until(table, State.CONNECTED)


def it_is_over_before_it_begins(stage: Stage) -> None:
    """The server's application ends the game in the countdown."""
    table = stage(countdown=0.5)
    enter(table)
    until(table, State.RESUMED)
    table.run(0.2)
    table.session.end("completed")
    table.until(lambda: table.ended, within=PATIENCE)


SCENES: tuple[Scene, ...] = (
    crashes_in_every_state,
    the_deadline_comes_while_paused,
    the_first_start_fails_and_time_is_up,
    one_never_comes,
    one_never_comes_back,
    a_pause_too_many,
    the_server_hangs,
    some_leave,
    one_who_was_dropped_comes_back,
    a_goodbye_is_stuck,
    a_goodbye_finds_another_way,
    a_program_is_closed_and_another_one_started,
    a_second_tab,
    an_attach_arrives_after_its_program_is_gone,
    a_token_is_void,
    messages_come_again,
    first_words_come_again,
    the_server_is_busy,
    only_the_client_sees_its_connection_break,
    one_is_out_of_the_servers_reach,
    one_is_out_of_everybodys_reach_for_good,
    all_but_one_hang_at_the_resume,
    a_link_breaks,
    a_link_breaks_while_the_resume_is_on_its_way,
    a_link_breaks_in_the_countdown,
    one_misses_that_all_have_stopped,
    it_is_over_before_it_begins,
)
