"""What a simulation is about: who plays, by which rules, on what network; drawn from a seed."""

from __future__ import annotations

from random import Random
from typing import Any

import attrs
from attrs import frozen

from reconnect.core.policy_wire import policy_from_wire, policy_to_wire
from reconnect.policy import Policy, Topology
from reconnect.testing.network import Weather

PLAYERS = ("ann", "ben", "cas", "dee", "eve")
STEP = 0.2  # s; games of five steps a second


@frozen
class Setting:
    """Everything that is drawn before a game begins."""

    seed: int
    players: tuple[str, ...]
    policy: Policy
    weather: Weather
    late: tuple[str, ...] = ()
    """Players who come late, or not at all by themselves."""
    doomed: tuple[str, ...] = ()
    """Two players whose path stays cut when everything else is well again; or nobody."""

    def to_json(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "players": list(self.players),
            "policy": policy_to_wire(self.policy),
            "weather": attrs.asdict(self.weather),
            "late": list(self.late),
            "doomed": list(self.doomed),
        }

    @classmethod
    def from_json(cls, form: dict[str, Any]) -> Setting:
        return cls(
            form["seed"],
            tuple(form["players"]),
            policy_from_wire(form["policy"]),
            Weather(**form["weather"]),
            tuple(form["late"]),
            tuple(form["doomed"]),
        )


def drawn_setting(seed: int) -> Setting:
    """The same for the same seed."""
    random = Random(f"{seed}/setting")
    players = PLAYERS[: random.choices([2, 3, 4, 5], [60, 27, 9, 4])[0]]
    policy = drawn_policy(random)
    return Setting(
        seed=seed,
        players=players,
        policy=policy,
        weather=drawn_weather(random),
        late=tuple(player for player in players if random.random() < 0.08),
        doomed=drawn_doom(seed, players, policy),
    )


def drawn_doom(seed: int, players: tuple[str, ...], policy: Policy) -> tuple[str, ...]:
    """Rarely anybody: without its deadlines such a game would wait for ever."""
    random = Random(f"{seed}/doom")
    spared = random.random() < 0.9
    one, other = random.sample(players, 2)
    if spared or policy.start_timeout is None or not policy.topology.peer_to_peer:
        return ()
    if policy.topology is Topology.STAR:
        one, other = players[0], random.choice(players[1:])
    return one, other


def drawn_weather(random: Random) -> Weather:
    """Mostly good: losses of more than a few packets come as faults."""
    return Weather(
        latency=random.choice([0.0, 0.01, 0.04]),
        jitter=random.choice([0.0, 0.02]),
        loss=random.choice([0.0, 0.0, 0.0, 0.02]),
    )


def drawn_policy(random: Random) -> Policy:
    """Short times, so that much happens in little time; otherwise anything."""
    lease = random.choice([1.0, 1.5])
    some: dict[str, Any] = {
        "topology": random.choice(["mesh", "mesh", "star", "relayed", "server"]),
        "outage_timeout": random.choice([1.2 * lease + 0.3, 3.0, 6.0, 9.0, 20.0]),
        "lease": lease,
        "start_timeout": random.choice([6.0, 15.0, None]),
        "on_deadline": random.choice(["end", "go_on"]),
        "on_leave": random.choice(["end", "go_on"]),
        "countdown": random.choice([0.0, 0.0, 0.5]),
        "link_grace_period": random.choice([0.0, 0.0, 0.3]),
        "restarts": random.choice([0, 1, 2]),
        "attempt_timeout": 1.0,
        "attempt_delay_max": 0.5,
        "link_suspect": 0.3,
        "link_lost": 0.6,
        "pauses_max": random.choice([2, 100, 100, 100]),
        "pause_budget": random.choice([5.0, 600.0, 600.0]),
        "resume_timeout": random.choice([2.0, 5.0]),
        "save_timeout": 1.0,
    }
    policy = Policy(**some)
    give_up = (
        policy.outage_timeout
        + policy.lease_bound
        + policy.silence_timeout
        + policy.control_grace_period
    )
    return Policy(**some, give_up_timeout=give_up)
