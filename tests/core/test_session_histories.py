"""Random histories: what holds of a session whatever its clients and its clock do.

Half of the steps are those of a world that cooperates, or hardly a history would ever leave the
first pause. The rest lies, repeats, reloads, falls silent and restarts.
"""

from __future__ import annotations

from collections import Counter
from math import inf
from random import Random
from typing import Any, TypeAlias

import pytest
from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st

from reconnect.core.effects import Send, SessionEffect, Tell
from reconnect.core.events import (
    FrameReached,
    ReportArrived,
    SessionEvent,
    TimePassed,
    TokenIssued,
)
from reconnect.core.messages import View
from reconnect.core.notices import (
    Connected,
    Ended,
    Paused,
    PlayerDropped,
    Reconnecting,
    Resumed,
    SessionNotice,
)
from reconnect.core.table import COORDINATOR_MOVES, NEXT, State, Trigger
from tests.core.drama import (
    CONNECTED,
    DOWN,
    ENDED,
    HALTED,
    LEFT,
    PAUSED,
    PLAYING,
    READY,
    RECONNECTING,
    RESUMED,
    UP,
    Drama,
)

Step: TypeAlias = tuple[str, int, int]

MOVES = {
    Paused: Trigger.PAUSE,
    Reconnecting: Trigger.RECOVER,
    Resumed: Trigger.RESUME,
    Connected: Trigger.CONNECT,
    Ended: Trigger.END,
}
PHASES = (HALTED, READY, PLAYING)
WAITS = (0.001, 0.3, 1.0, 2.5, 6.0, 11.0)


@define
class Life:
    """One client that has held a seat: when it was last heard, which epoch it has promised."""

    heard_at: float
    promised: int


class Watched(Drama):
    """A drama that is held against the invariants after each event."""

    def __init__(self, *players: str, **policy: Any) -> None:
        super().__init__(*players, **policy)
        self.log: list[list[SessionEffect]] = []
        self.seen: Counter[object] = Counter()
        self.lives: dict[tuple[str, int], Life] = {}
        self.paused_since: float | None = None
        self.paused_total = 0.0

    def hear(self, event: SessionEvent) -> list[SessionEffect]:
        before, due_at, seated = self.state, self.session.deadline, self._seated(event)
        effects = super().hear(event)
        self.log.append(effects)
        if isinstance(event, ReportArrived) and self._seated(event) != seated:
            self._heard(event, before)
        passed = before
        for notice in self.notices:
            passed = self._follow(passed, notice)
        assert passed is self.state, "a move that no notice told of"
        self._check_rest()
        if isinstance(event, TimePassed) and self.now >= due_at:
            assert self.session.deadline > self.now, "it would be called again at once, for ever"
        for send in self.of_kind(Send):
            if isinstance(send.message, View):
                self.seen[send.message.reason] += 1
        return effects

    def _seated(self, event: SessionEvent) -> tuple[int, int] | None:
        if not isinstance(event, ReportArrived) or event.player not in self.session.players:
            return None
        member = self.session.members[event.player]
        return member.gen, member.seq

    def _heard(self, event: ReportArrived, before: State) -> None:
        """The report was accepted; where it took the seat, an older promise is for ever."""
        player, report = event.player, event.report
        if before in (PAUSED, RECONNECTING) and (player, report.gen) not in self.lives:
            for key, life in list(self.lives.items()):
                if key[0] == player and life.promised == self.session.epoch:
                    del self.lives[key]
        life = self.lives.setdefault((player, report.gen), Life(self.wall, self.session.epoch))
        life.heard_at = self.wall
        if report.phase in (HALTED, READY):
            life.promised = max(life.promised, report.epoch)
        if report.phase is LEFT:
            del self.lives[player, report.gen]

    def _follow(self, state: State, notice: SessionNotice) -> State:
        if isinstance(notice, PlayerDropped) and notice.reason == "dropped":
            assert state is RECONNECTING, "dropped where it might still play"
            self.lives = {key: life for key, life in self.lives.items() if key[0] != notice.player}
        if (trigger := MOVES.get(type(notice))) is None:
            return state
        assert (state, trigger) in COORDINATOR_MOVES
        self.seen[state, trigger] += 1
        if isinstance(notice, Paused) and state is CONNECTED:
            self.paused_since = self.wall
        if isinstance(notice, Reconnecting):
            self._check_all_halted()
        if isinstance(notice, Resumed):
            assert all(one.promised and one.ready for one in self.session.in_game)
            assert not self.session.missing
        if isinstance(notice, Connected | Ended):
            length = 0.0 if self.paused_since is None else self.wall - self.paused_since
            self.paused_since = None
            self.paused_total += length
            if isinstance(notice, Connected):
                assert notice.paused == pytest.approx(length, abs=1e-4)
        return NEXT[state, trigger]

    def _check_all_halted(self) -> None:
        """I2: every client there ever was has promised this epoch, or its lease has run out."""
        if self.policy.topology == "server":
            return
        for (player, gen), life in list(self.lives.items()):
            halted = life.promised == self.session.epoch
            run_out = self.wall >= life.heard_at + self.policy.lease_bound - 1e-4
            assert halted or run_out, f"client {gen} of {player} may still be playing"
            if gen != self.session.members[player].gen:
                del self.lives[player, gen]

    def _check_rest(self) -> None:
        session = self.session
        if self.policy.start_timeout is not None:
            pending = self.state in (PAUSED, RECONNECTING, RESUMED)
            assert (session.ends_at is not None) == pending
        assert (session.outage_started_at is None) == (self.paused_since is None)
        assert session.paused_total == pytest.approx(self.paused_total, abs=1e-4)
        assert (session.deadline == inf) or self.state is not ENDED
        assert (session.resume_at is not None) == (self.state is RESUMED)


# -- the steps of a history ----------------------------------------------------------------------


def cooperate(drama: Watched, player: str, _: int) -> None:
    """What a client would do that reads every view: come, stop, be ready, play."""
    if player not in drama.session.players:
        return
    client, member = drama.clients.get(player), drama.session.members[player]
    if client is None or client.gen != member.gen:
        drama.enters(player)
        if drama.state is ENDED:
            return
    if member.conn is None:
        drama.dials(player)
    peers = {peer: UP for peer in drama.session.players if peer != player}
    phase = READY if drama.state in (PAUSED, RECONNECTING) else PLAYING
    drama.says(player, phase, links=peers)


def everybody_cooperates(drama: Watched, _player: str, _: int) -> None:
    for player in drama.players:
        cooperate(drama, player, 0)


def report(drama: Watched, player: str, choice: int) -> None:
    """Any phase and any epoch near the current one, with a link down."""
    if player in drama.clients:
        ahead, phase = choice % 4 - 2, PHASES[choice // 4 % 3]
        drama.says(player, phase, max(0, drama.session.epoch + ahead), links={"ann": DOWN})


def ask(drama: Watched, player: str, _: int) -> None:
    """Asks for a pause, as whoever has stopped does."""
    if player in drama.clients and drama.state in (CONNECTED, RESUMED):
        drama.says(player, HALTED, drama.session.epoch + 1, cause="link_lost")


def far_ahead(drama: Watched, player: str, choice: int) -> None:
    if player in drama.clients and choice == 0:
        drama.says(player, HALTED, drama.session.epoch + 2)


def repeat(drama: Watched, player: str, choice: int) -> None:
    """An older report comes once more, perhaps on another connection."""
    if player in drama.clients:
        seq = drama.clients[player].seq
        drama.says(player, PHASES[choice % 3], seq=max(1, seq - choice), conn=next(drama.conns))
        drama.clients[player].seq = seq


def older_client(drama: Watched, player: str, choice: int) -> None:
    if player in drama.clients and drama.clients[player].gen > 1:
        client = drama.clients[player]
        drama.says(player, PHASES[choice % 3], gen=client.gen - 1, conn=next(drama.conns))


def knock(drama: Watched, player: str, _: int) -> None:
    """A new client asks for a generation and is never heard again."""
    if drama.state is not ENDED:
        client = drama.clients.get(player)
        drama.knocks(player)
        if client is not None:
            drama.clients[player] = client


def enter(drama: Watched, player: str, _: int) -> None:
    if drama.state is not ENDED:
        drama.enters(player)


def reload_on_the_same_line(drama: Watched, player: str, _: int) -> None:
    if player in drama.clients and drama.state is not ENDED:
        client = drama.clients[player]
        drama.says(player, HALTED, 0, gen=0)
        client.gen, client.seq = drama.view(client.conn).gen, 0
        drama.says(player, HALTED, 0)


def dial(drama: Watched, player: str, _: int) -> None:
    if player in drama.clients:
        drama.dials(player)


def lose(drama: Watched, player: str, _: int) -> None:
    if player in drama.clients:
        drama.loses(player)


def leave(drama: Watched, player: str, choice: int) -> None:
    if player in drama.clients and choice < 2:
        drama.says(player, LEFT)


def until_due(drama: Watched, _player: str, _: int) -> None:
    if drama.session.deadline < inf:
        drama.wait_until_due()


def wait(drama: Watched, _player: str, choice: int) -> None:
    """The timer is late, or early."""
    drama.now += WAITS[choice % 6]
    drama.hear(TimePassed())


def unnoticed(drama: Watched, _player: str, choice: int) -> None:
    """Time passes, and whatever comes next comes before the timer."""
    drama.now += WAITS[choice % 6]


def frame(drama: Watched, _player: str, choice: int) -> None:
    drama.hear(FrameReached(choice))


def token(drama: Watched, player: str, choice: int) -> None:
    if drama.state is not ENDED:
        drama.hear(TokenIssued(player, str(choice)))


def restart(drama: Watched, _player: str, choice: int) -> None:
    drama.restarts(after=WAITS[choice % 6])


def host(drama: Watched, _player: str, choice: int) -> None:
    if drama.state is not ENDED and choice == 0:
        drama.host_ends()


SELFISH = {
    one.__name__: one
    for one in (
        *(report, ask, far_ahead, repeat, older_client, knock, enter, dial, lose, leave),
        *(reload_on_the_same_line, until_due, wait, unnoticed, frame, token, restart, host),
    )
}
VERBS = {"cooperate": cooperate, "everybody_cooperates": everybody_cooperates} | SELFISH
OFTEN = ["cooperate"] * 6 + ["everybody_cooperates"] * 6 + ["until_due"] * 3 + ["lose"] * 2
NAMES = (*OFTEN, *SELFISH)

POLICIES: tuple[dict[str, Any], ...] = tuple(
    {"topology": topology, "on_deadline": end, "on_leave": end} | more
    for topology in ("mesh", "star", "relayed", "server")
    for end in ("end", "go_on")
    for more in (
        {},
        {"pause_budget": 0.0},
        {"pauses_max": 2, "pause_budget": 70.0, "outage_timeout": 40.0},
        {"start_timeout": None, "players_min": 1, "outage_timeout": 3.0},
    )
)


def live(policy: dict[str, Any], players: int, steps: list[Step]) -> Watched:
    """A whole history."""
    drama = Watched(*("ann", "ben", "cas")[:players], **policy)
    for verb, who, choice in steps:
        VERBS[verb](drama, drama.players[who % players], choice)
    return drama


STEPS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(0, 2), st.integers(0, 11)),
    min_size=10,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(POLICIES), st.integers(2, 3), STEPS)
def test_the_invariants_hold_in_every_history(policy, players, steps):
    """I1, I2, I11, D, P: nothing raises, `ended` is never left, reconnecting begins when nobody
    can be playing, a deadline is pending exactly in paused, reconnecting and resumed,
    paused_total is the sum of the outages, and after TimePassed nothing is due any more.
    """
    live(policy, players, steps)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(POLICIES), st.integers(2, 3), STEPS)
def test_the_same_events_give_the_same_effects(policy, players, steps):
    """A session is a fold: the same events at the same times, the same effects and the same end."""
    one, other = live(policy, players, steps), live(policy, players, steps)
    assert one.log == other.log
    assert one.everything() == other.everything()


def test_the_histories_go_everywhere():
    """The histories above are worth something: they make every move, see every reason, and drop."""
    chance, seen = Random(7), Counter[object]()
    for _ in range(250):
        length, policy = chance.randrange(10, 60), chance.choice(POLICIES)
        steps = [
            (chance.choice(NAMES), chance.randrange(3), chance.randrange(12)) for _ in range(length)
        ]
        drama = live(policy, chance.randrange(2, 4), steps)
        seen += drama.seen
        seen += Counter(
            notice.reason
            for effects in drama.log
            for effect in effects
            if isinstance(effect, Tell)
            for notice in [effect.notice]
            if isinstance(notice, PlayerDropped)
        )
    assert seen.keys() >= COORDINATOR_MOVES
    assert seen.keys() >= {"timeout", "budget_spent", "never_started", "player_left", "state_lost"}
    assert seen.keys() >= {"completed", "superseded", "dropped", "left"}
