"""Simulation: one seed is one game in which anything may fail, and after which everything is well.

One thread, one process, virtual time. The real `Coordinator`, `Client`, `Session`, `Peer`,
streams, ladders and stores run; nothing of them is copied. First anything may fail; then the
faults stop, and the game must be connected or ended, alike for all, within its deadline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import inf
from random import Random
from traceback import format_exception
from typing import Any, TypeAlias

from attrs import define

from reconnect.core.control import DIAL_TIMEOUT, REDIAL_MAX
from reconnect.core.effects import SessionEffect
from reconnect.core.events import SessionEvent
from reconnect.core.messages import Reason
from reconnect.core.outlook import Play
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.policy import OnShortage, Topology
from reconnect.telemetry.outages import Outages
from reconnect.telemetry.recorder import Recorders
from reconnect.testing.lockstep import DELAY, Lockstep, differing
from reconnect.testing.simulation.course import OVER, LawBroken, law
from reconnect.testing.simulation.faults import FAULTS, RARE
from reconnect.testing.simulation.faulty import FaultyTable
from reconnect.testing.simulation.laws import Laws
from reconnect.testing.simulation.outcome import Outcome, Step
from reconnect.testing.simulation.setting import STEP, Setting, drawn_setting
from reconnect.testing.table import SESSION
from reconnect.testing.watch import watching

STEPS = (3, 6, 10)  # faults in a game
TAIL = 1.0  # s; how much later than its deadline a game may still be undecided
DRAIN = 1.5  # s of play after the calm
ENOUGH = 6.0  # s; an outage that has so long to go when the faults stop is survived
MILLISECONDS = 5e-3
SELDOM = 0.25  # as likely as others
STANDSTILL = 10.0  # s of play in which a game has to make a step
CHECKED = "the check raised "


class StandsStill(AssertionError):
    """Everybody may play, and a game of one's own makes no step.

    `frames` are those at which programs have stayed, by the programs' names.
    """

    def __init__(self, frames: Mapping[str, int]) -> None:
        self.frames = dict(frames)
        stay = ", ".join(f"{name} stays at frame {frame}" for name, frame in frames.items())
        super().__init__(
            f"everybody may play, and for {STANDSTILL:g} s {stay}: a turn reads `notices()` and "
            "`receive()`, steps while `client.playing`, waits for nobody but `client.players` "
            "(but applies what it holds of others, too), and sets `client.frame` after each step; "
            "who is done calls `client.leave()`"
        )


Check: TypeAlias = Callable[[FaultyTable], object]
"""Raises where a game is not what it should be in the end."""


@define(eq=False)
class _Recording:
    """Tells the laws what is loaded."""

    laws: Laws | None = None
    begun: int = 0

    def began(self, session: Session, *, now: float) -> None:
        if self.laws is not None and self.begun:
            self.laws.loaded(session, now)
        self.begun += 1

    def handled(
        self,
        _session: Session,
        _event: SessionEvent,
        _effects: Sequence[SessionEffect],
        *,
        now: float,
    ) -> None:
        """The laws hear of it from the session itself."""

    def close(self) -> None:
        """There is nothing to close."""


class Simulation:
    """One game; `draw()` invents what happens, `replay(steps)` repeats it.

    Where nothing else is wrong, `check` is given the table at the end, and may raise.
    """

    def __init__(
        self,
        setting: Setting,
        *,
        game: Callable[[str], Any] | None = None,
        check: Check | None = None,
        step: float = STEP,
    ) -> None:
        self.setting = setting
        self.telemetry = Outages()
        self._game = None if game is None else getattr(game, "__name__", type(game).__name__)
        self._check = check
        recording = _Recording()
        recorder = Recorders(recording, self.telemetry)
        self.table = FaultyTable(setting, game=game, recorder=recorder, step=step)
        recording.laws = self.laws = Laws(self.table)
        self.table.store.saved = self.laws.course.saved
        self.laws.lossless = setting.weather.loss == 0.0
        self.steps: list[Step] = []
        self.cells: Counter[tuple[str, State]] = Counter()
        self.calm_at = inf

    @classmethod
    def of(cls, seed: int, *, game: Callable[[str], Any] | None = None) -> Simulation:
        """The game of this seed."""
        return cls(drawn_setting(seed), game=game)

    # -- the course of it --------------------------------------------------------------------------

    def draw(self) -> Outcome:
        """Play the game of the setting's seed."""
        return self._played(self._drawn)

    def replay(self, steps: Iterable[Step], *, calm_at: float) -> Outcome:
        """Play the same setting again, with these steps."""

        def course() -> None:
            runtime = self.table.runtime
            for step in steps:
                if step.at > runtime.now():  # nothing came between two steps of one instant
                    runtime.run_to(step.at)
                self._do(step)
            self.table.runtime.run_to(calm_at)

        return self._played(course)

    def _played(self, course: Callable[[], None]) -> Outcome:
        try:
            with watching(self.laws):
                for player in self.setting.players:
                    if player not in self.setting.late:
                        self.table.start(player)
                course()
                self._compare_games()
                self.calm_at = self.table.runtime.now()
                self._calm_down()
                self._look_back()
        except Exception as broken:
            self.laws.failed(broken)
        failure, whose = self.laws.failure, ""
        if failure is None:
            failure, whose = self._checked(), CHECKED
        violation, explanation = None, ""
        if failure is not None:
            violation = f"{whose}{type(failure).__name__}: {failure}"
            explanation = f"{self.table.explain()}\n{''.join(format_exception(failure))}"
        return Outcome(
            self.setting,
            self.steps,
            self.calm_at if self.calm_at < inf else self.table.runtime.now(),
            self.cells,
            violation,
            explanation,
            self.laws.events,
            self.table.runtime.now(),
            self.table.session.reason,
            self.table.step,
            self._game,
        )

    def _checked(self) -> Exception | None:
        """What the check raises."""
        try:
            if self._check is not None:
                self._check(self.table)
        except Exception as error:
            return error
        return None

    # -- anything may fail -------------------------------------------------------------------------

    def _drawn(self) -> None:
        random = Random(f"{self.setting.seed}/faults")
        runtime, table = self.table.runtime, self.table
        likely = {name: random.random() ** 2 for name in FAULTS}
        runtime.run_to(round(random.choice([0.2, 1.0, 1.5]), 3))
        for _ in range(random.choice(STEPS)):
            wish = random.choice([None, None, *State])
            if wish not in (None, State.ENDED):
                runtime.run_until(partial(self._is_in, wish), 1.5)
            pause = random.choice([0.003, 0.02, 0.1, 0.3, 0.8])
            runtime.run_to(round(runtime.now() + pause, 6))
            if table.state is State.ENDED and random.random() < 0.5:
                return
            if random.random() < 0.4:
                self._do(Step(runtime.now(), "cooperate", {"fill": random.random() < 0.5}))
            possible = [name for name, fault in FAULTS.items() if fault.possible(table)]
            seldom = RARE if table.state is not State.ENDED else set()
            weights = [likely[one] * (SELDOM if one in seldom else 1.0) for one in possible]
            name = random.choices(possible, weights)[0]
            self._do(Step(runtime.now(), name, FAULTS[name].draw(random, table)))
        runtime.run_to(round(runtime.now() + random.choice([0.05, 0.5, 1.5]), 6))

    def _is_in(self, state: State) -> bool:
        return self.table.state is state

    def _do(self, step: Step) -> None:
        self._stop_at_a_failure()
        self._compare_games()
        self.steps.append(step)
        if step.do == "cooperate":
            self._cooperate(**step.arguments)
            return
        fault = FAULTS[step.do]
        self.laws.faults += fault.harms
        self.laws.lossless &= fault.lossless
        self.cells[step.do, self.table.state] += 1
        fault.do(self.table, **step.arguments)

    def _cooperate(self, *, fill: bool) -> None:
        """What is broken between the programs is mended."""
        self.table.mend()
        if fill:
            self.laws.faults += len(self.table.vacant())
            self.table.fill()

    # -- and then nothing fails any more -----------------------------------------------------------

    def _calm_down(self) -> None:
        table, policy = self.table, self.setting.policy
        runtime = table.runtime
        self.laws.faults += len(table.vacant()) + bool(self.setting.doomed)
        table.heal()
        # so long may it take until what was done before is noticed
        awake_at = max(runtime.now(), table.awake_at)
        discovered = awake_at + policy.lease_bound + policy.silence_timeout
        if any(one.client._peer.policy is None for one in table.living()):
            discovered = max(discovered, awake_at + DIAL_TIMEOUT + REDIAL_MAX)
        undecided_at = decided_at = runtime.now()
        limit = discovered
        hopeful = self._hopeful(discovered - runtime.now())
        longest = discovered + self._longest()
        while decided_at < discovered or decided_at - undecided_at < policy.lease_bound:
            runtime.run(0.1)
            self._stop_at_a_failure()
            if table.state is not State.ENDED:
                self.laws.faults += len(table.vacant())
                table.fill()
            over_at = self._game_over_at()
            if over_at < inf:
                limit = max(limit, over_at)
            decided_at = runtime.now()
            if not self.decided():
                undecided_at = decided_at
                if table.state is State.RESUMED:  # which has a timeout of its own
                    limit = max(limit, decided_at)
                in_time = decided_at < limit + TAIL or over_at == inf
                law(in_time, "R2: undecided after the deadline")
                law(decided_at < longest, "I5d: undecided for ever")
        if hopeful:
            law(table.state is State.CONNECTED, f"I5b: ended ({table.session.reason}) in vain")
        runtime.run(DRAIN)
        self._stop_at_a_failure()

    def _stop_at_a_failure(self) -> None:
        """Shells survive what is broken; a game does not."""
        if self.laws.failure is not None:
            raise self.laws.failure

    def _game_over_at(self) -> float:
        """When the outage that is open ends the game, on the network's clock.

        Infinity while nobody knows, or while nothing ends it.
        """
        session = self.laws.session
        if session is None:
            return inf
        if session.ends_at is None:
            return -inf if session.state in OVER else inf
        left = session.ends_at - self.table.server.now()
        return self.table.runtime.now() + left * 1.02

    def _longest(self) -> float:
        policy = self.setting.policy
        times = 2 if policy.on_deadline is OnShortage.GO_ON else 1
        return times * policy.outage_timeout + (policy.start_timeout or 15.0) + TAIL

    def _hopeful(self, noticed: float) -> bool:
        """Whether there is time enough, and nobody has gone for a reason of their own."""
        session, policy = self.laws.session, self.setting.policy
        if session is None or session.state is State.ENDED or self.table.intruded:
            return False
        if self.setting.doomed:
            return False
        if any(step.do in ("game raises", "leave") for step in self.steps):
            return False
        if policy.pause_budget < 10 or policy.pauses_max < 10:
            return False
        left = inf if session.ends_at is None else session.ends_at - self.table.server.now()
        enough = ENOUGH + policy.countdown + noticed
        return left >= enough and policy.outage_timeout >= enough

    def decided(self) -> bool:
        """Whether all play in one epoch, or the game is over for all."""
        session = self.laws.session
        peers = [one.client._peer for one in self.table.programs if one.alive]
        going = [peer for peer in peers if not peer.ended]
        if self.table.state is State.ENDED:
            return not going
        return (
            session is not None
            and session.state is State.CONNECTED
            and sorted(peer.player for peer in going) == sorted(session.players)
            and all(peer.play is Play.PLAYING and peer.epoch == session.epoch for peer in going)
        )

    # -- what must be true in the end --------------------------------------------------------------

    def _look_back(self) -> None:
        self._check_outcome()
        self._check_games()
        self._check_steps()

    def _check_outcome(self) -> None:
        """One outcome, the same for coordinator, clients, store and telemetry; exact pauses."""
        session, stored = self.laws.session, self.laws.stored
        if session is None:
            return  # it has ended so long ago that it is forgotten
        lied = session.reason != Reason.STATE_LOST or self.table.intruded
        law(lied, "the store has lost nothing, and yet the session ended for that")
        law(stored.state is session.state, "R3: the store says otherwise")
        law(stored.reason == session.reason, "R3: the store gives another reason")
        account = self.telemetry.account(SESSION)
        assert account is not None
        law(account.reason == session.reason, "R3: telemetry gives another reason")
        law(len(account.outages) == session.outages, "R6: telemetry counts other outages")
        lasted = sum(one.paused_s for one in account.outages if one.paused_s is not None)
        if session.state in OVER:
            same = abs(lasted - session.paused_total) < MILLISECONDS
            law(same, f"R6: telemetry says {lasted:.3f} s, the record {session.paused_total:.3f}")

    def _compare_games(self) -> list[Lockstep]:
        """All members are in one game; whom it is without may not have been told yet."""
        members = self.table.session.players
        living = [one for one in self.table.living() if one.player in members]
        seated = [one.game for one in living if not self.laws.is_superseded(one)]
        games = [game for game in seated if isinstance(game, Lockstep)]
        if (wrong := differing(games)) is not None:
            raise LawBroken(f"the games: {wrong}")
        return games

    def _check_games(self) -> None:
        games = self._compare_games()
        if self.table.state is not State.CONNECTED:
            return
        before = [game.frame for game in games]
        self.table.runtime.run(1.0)
        for game, frame in zip(games, before, strict=True):
            law(self.table.state is not State.CONNECTED or game.frame > frame, "no game goes on")
        for one in games:
            for other in games:
                said, heard = one.sent.get(other.me, 0), other.heard.get(one.program)
                law(heard is None or said - heard <= 2 * DELAY + 2, "a message was lost")

    def _check_steps(self) -> None:
        """A game of one's own gets on too; where the server is the game, programs make no steps."""
        if self._game is None or self.setting.policy.topology is Topology.SERVER:
            return
        begun = self._frames()

        def standing() -> dict[str, int]:
            frames = self._frames().items()
            return {name: frame for name, frame in frames if frame <= begun.get(name, -1)}

        def settled() -> bool:
            return self.table.state is not State.CONNECTED or not standing()

        moved = self.table.runtime.run_until(settled, STANDSTILL)
        if not moved and self.decided():
            raise StandsStill(standing())

    def _frames(self) -> dict[str, int]:
        """How far the programs of all members are."""
        members = self.table.session.players
        living = [one for one in self.table.living() if one.player in members]
        return {one.name: one.client.frame for one in living}
