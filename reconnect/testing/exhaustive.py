"""Exhaustive search: every state that one real session and its real clients can reach.

`search` starts with a new session and lets everything happen that can: messages in any order,
time, and each of the given faults once. It holds every state against the invariants, and asks of
each whether a path without any further fault leads to where all is well: everybody plays, or the
game has ended for all. `Explored.complete` says whether nothing was left to look at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from time import process_time
from typing import Any

from attrs import define, frozen

from reconnect.core.messages import Report, ShortView, View
from reconnect.core.outlook import Play
from reconnect.policy import Policy
from reconnect.testing.abstract.bank import Id
from reconnect.testing.abstract.faults import Faults
from reconnect.testing.abstract.folds import Folds, LawBroken
from reconnect.testing.abstract.invariants import Invariants
from reconnect.testing.abstract.network import Network
from reconnect.testing.abstract.scene import NOBODY, Fault, Label, Scene, State

STATES_MAX = 1_000_000
FINDINGS_MAX = 5


@frozen
class Finding:
    """A state that should not be, and the shortest path to it."""

    law: str
    path: tuple[str, ...]
    """What happened, one step a line, each with what it led to."""

    def __str__(self) -> str:
        return "\n".join([self.law, *self.path])


@frozen(kw_only=True)
class Explored:
    """What a search has found."""

    topology: str
    faults: tuple[Fault, ...]
    playing: bool
    """Whether it began where everybody plays, rather than with a new session."""
    complete: bool
    """Whether every reachable state has been looked at."""
    states: int
    edges: int
    strikes: int
    """How many of the edges are faults."""
    good: int
    """States in which all is well."""
    handled: int
    """How often a transition function was called; what it does twice is asked once."""
    dead_ends: int
    """States from which no path without a fault leads to where all is well."""
    violations: int
    """States in which an invariant does not hold; what is behind them is not looked at."""
    findings: tuple[Finding, ...]
    """The first of both, with their paths."""
    seconds: float
    """Of a processor."""

    @property
    def clean(self) -> bool:
        """Whether everything was looked at and nothing was found."""
        return self.complete and not self.dead_ends and not self.violations

    def __str__(self) -> str:
        what = " + ".join(self.faults) or "no fault"
        since = "since everybody plays" if self.playing else "since the beginning"
        return (
            f"{self.topology}, {what} {since}: {self.states} states, {self.edges} edges "
            f"({self.strikes} faults), {self.dead_ends} dead ends, {self.violations} violations, "
            f"{'complete' if self.complete else 'CUT SHORT'}, {self.seconds:.1f} s"
        )


@frozen
class Case:
    """One search that is worth its time."""

    topology: str
    faults: tuple[Fault, ...] = ()
    playing: bool = False

    def __str__(self) -> str:
        return f"{self.topology} {'+'.join(self.faults) or 'none'}{' playing' * self.playing}"


LINK_FAULTS = (Fault.LINK_BREAK, Fault.LINK_DEATH, Fault.FALSE_ALARM)
CONTROL_FAULTS = tuple(fault for fault in Fault if fault not in LINK_FAULTS)
TOO_LARGE = (Fault.SLOW,)  # from the beginning; how large is not known
IDLE = (Fault.GIVE_UP,)  # while everybody plays: who is attached has nothing to give up

CASES = (
    *(Case(topology) for topology in ("server", "relayed", "mesh")),
    *(Case("relayed", (fault,), playing=True) for fault in CONTROL_FAULTS if fault not in IDLE),
    *(Case("mesh", (fault,), playing=True) for fault in Fault if fault not in IDLE),
    *(Case("mesh", (fault,)) for fault in LINK_FAULTS),
    *(Case("relayed", (fault,)) for fault in CONTROL_FAULTS if fault not in TOO_LARGE),
    *(
        Case("relayed", (fault, Fault.DROP), playing=True)
        for fault in (
            Fault.GIVE_UP,
            Fault.STALE_REPORT,
            Fault.STALE_VIEW,
            Fault.LEAVE,
            Fault.DUPLICATE,
        )
    ),
    Case("relayed", (Fault.DUPLICATE, Fault.STALL), playing=True),
    *(
        Case("relayed", (Fault.STALE_REPORT, more))
        for more in (Fault.STALE_REPORT, Fault.STALE_VIEW)
    ),
)
"""What is searched where there is time: a quarter of an hour of one processor, and up to 1.5 GB."""


def tiny_policy(topology: str = "relayed", **more: Any) -> Policy:
    """A policy of few whole seconds, each as short as the constraints allow."""
    given: dict[str, Any] = {
        "topology": topology,
        "heartbeat_interval": 1,
        "silence_timeout": 3,
        "control_grace_period": 1,
        "lease": 4,
        "step_max": 0.5,
        "lease_bound": 5,
        "outage_timeout": 6,
        "start_timeout": 6,
        "resume_timeout": 2,
        "give_up_timeout": 15,
        "redial_max": 1,
    }
    return Policy(**{**given, **more})


def search(
    policy: Policy,
    *,
    faults: Iterable[Fault | str] = (),
    playing: bool = False,
    players: Sequence[str] = ("a", "b"),
    queue: int = 1,
    states_max: int = STATES_MAX,
    findings_max: int = FINDINGS_MAX,
) -> Explored:
    """Explore everything that can happen with each of `faults` at most once, at any moment.

    A fault that is given twice may strike twice. With `playing` the search begins where everybody
    plays, rather than with a new session. `queue` is how many views may wait on a connection.
    With more than `states_max` states, or with `findings_max` violations, it is cut short.

    Raises `PolicyError` for a policy whose durations are not whole seconds (see `tiny_policy`).
    """
    network = Network(Folds(policy, tuple(players)), queue)
    wanted = tuple(sorted(Fault(fault) for fault in faults))
    return _Run(network).explore(wanted, playing, states_max, findings_max)


def explore(case: Case) -> Explored:
    """The search of this case, with two players and a policy as small as can be."""
    return search(tiny_policy(case.topology), faults=case.faults, playing=case.playing)


@define(eq=False, init=False)
class _Run:
    """One search, breadth first, so that the first path to a state is a shortest one."""

    folds: Folds
    network: Network
    faults: Faults
    invariants: Invariants
    strikes: int
    names: dict[State, int]
    states: list[State]
    came: list[tuple[int, Label]]
    before: list[list[int]]
    """For each state those from which a step that is no fault leads to it."""

    def __init__(self, network: Network) -> None:
        self.folds = network.folds
        self.network = network
        self.faults = Faults(network)
        self.invariants = Invariants(network.folds)
        self.strikes = 0
        self.names = {}
        self.states = []
        self.came = []
        self.before = []

    def explore(
        self, faults: tuple[Fault, ...], playing: bool, states_max: int, findings_max: int
    ) -> Explored:
        began = process_time()
        broken: dict[int, str] = {}
        good: list[int] = []
        edges = at = 0
        if playing:
            self._add(self._everybody_plays(faults), NOBODY, ("everybody plays", NOBODY))
        else:
            self._add(self.network.beginning(faults), NOBODY, ("the beginning", NOBODY))
        while at < len(self.states) <= states_max and len(broken) < findings_max:
            scene = Scene.of(self.states[at])
            try:
                self._hold(self.invariants.broken(scene))
                if self.invariants.good(scene):
                    good.append(at)
                edges += self._expand(at)
            except LawBroken as found:
                broken[at] = found.law
            at += 1
        complete = at == len(self.states)
        dead = self._dead_ends([*good, *broken]) if complete else []
        findings = [Finding(law, self._path(end)) for end, law in broken.items()]
        findings += [Finding("I5a: a dead end", self._path(end)) for end in dead[:findings_max]]
        return Explored(
            topology=self.folds.policy.topology,
            faults=faults,
            playing=playing,
            complete=complete,
            states=len(self.states),
            edges=edges,
            strikes=self.strikes,
            good=len(good),
            handled=self.folds.handled,
            dead_ends=len(dead),
            violations=len(broken),
            findings=tuple(findings),
            seconds=process_time() - began,
        )

    def _everybody_plays(self, faults: tuple[Fault, ...]) -> State:
        """The nearest state in which all is well."""
        waiting = deque([self.network.beginning(())])
        seen = {*waiting}
        while waiting:
            scene = Scene.of(waiting[0])
            if self.invariants.good(scene):
                scene.faults = tuple(sorted(faults))
                scene.record = self.folds.recorded(scene.session)
                return self.network.written(scene)
            for _, after in self.network.steps(waiting.popleft()):
                if after not in seen:
                    seen.add(after)
                    waiting.append(after)
        raise LawBroken("nobody can ever play")

    def _hold(self, laws: Iterator[str]) -> None:
        for law in laws:
            raise LawBroken(law)

    def _add(self, state: State, source: int, label: Label) -> int:
        found = self.names.get(state)
        if found is None:
            found = self.names[state] = len(self.states)
            self.states.append(state)
            self.came.append((source, label))
            self.before.append([])
        return found

    def _expand(self, at: int) -> int:
        """Add all that can happen next; raises `LawBroken` where the session must not move so."""
        state = self.states[at]
        edges = 0
        for label, after in self.network.steps(state):
            self._hold(self.invariants.broken_by(state, after))
            self.before[self._add(after, at, label)].append(at)
            edges += 1
        for label, after in self.faults.steps(state):
            self._add(after, at, label)
            self.strikes += 1
            edges += 1
        return edges

    def _dead_ends(self, well: list[int]) -> list[int]:
        """Those from which no path without a fault leads to one of `well`."""
        saved = bytearray(len(self.states))
        for at in well:
            saved[at] = 1
        waiting = deque(well)
        while waiting:
            for source in self.before[waiting.popleft()]:
                if not saved[source]:
                    saved[source] = 1
                    waiting.append(source)
        return [at for at, safe in enumerate(saved) if not safe]

    # -- paths in words ----------------------------------------------------------------------------

    def _path(self, at: int) -> tuple[str, ...]:
        lines: list[str] = []
        while at != NOBODY:
            source, (what, message) = self.came[at]
            said = "" if message == NOBODY else f" {self._message(message)}"
            lines.append(f"{what}{said}  ->  {', '.join(self._summary(self.states[at]))}")
            at = source
        return tuple(reversed(lines))

    def _message(self, message: Id) -> str:
        live = self.folds.look(message)
        match live:
            case Report():
                return f"({live.phase} {live.epoch}, gen {live.gen}, seq {live.seq})"
            case View():
                return f"({live.state} {live.epoch}, version {live.version}, ack {live.ack})"
            case ShortView():
                return f"(ack {live.ack})"
        return ""

    def _summary(self, state: State) -> Iterator[str]:
        scene = Scene.of(state)
        if scene.up:
            session = self.folds.session(scene.session)
            yield f"K {session.state} {session.epoch}{' hung' * scene.hung}"
        else:
            yield "K down"
        for at, (client, stalled) in enumerate(scene.clients):
            peer = self.folds.peer(client)
            play = "ready" if peer.play is Play.HALTED and peer.ready(0.0) else peer.play
            yield f"{self.network.name(scene, at)} {play} {peer.epoch}{' stalled' * stalled}"
