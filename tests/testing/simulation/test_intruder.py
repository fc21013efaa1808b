"""A hostile player."""

from reconnect import Coordinator
from reconnect.core.table import State
from reconnect.policy import Policy
from reconnect.testing.network import Network
from reconnect.testing.simulation.intruder import Intruder
from reconnect.testing.virtual import VirtualRuntime


def heard_by_a_coordinator(seed: int) -> tuple[Coordinator, Intruder, list[dict]]:
    """Two seconds of what an intruder has to say."""
    runtime = VirtualRuntime(1)
    network = Network(runtime)
    coordinator = Coordinator(signaling=network.signaling, policy=Policy())
    session = coordinator.open(["ann", "ben"])
    signaling = network.client("ann")
    said: list[dict] = []
    send = signaling.send
    signaling.send = lambda message: (said.append(message), send(message))
    intruder = Intruder(
        signaling,
        session=session.id,
        player="ann",
        token=session.invite("ann"),
        others=["ben"],
        seed=str(seed),
    )
    runtime.run(2.0)
    return coordinator, intruder, said


def test_it_takes_the_seat_and_says_what_it_should_not():
    """The coordinator believes its token, drops most of its words, and crashes at none."""
    coordinator, _, said = heard_by_a_coordinator(1)
    stats = coordinator.stats()
    assert coordinator.sessions()[0].state is not State.CONNECTED
    assert stats["malformed"] > 0
    assert stats["crashes"] == 0
    assert {message["type"] for message in said} >= {"report", "signal", "data"}


def test_the_same_seed_says_the_same():
    """A story can be told again."""
    drawn = {"token", "session"}
    said = [
        [{key: one[key] for key in one.keys() - drawn} for one in heard_by_a_coordinator(2)[2]]
        for _ in range(2)
    ]
    assert said[0] == said[1]


def test_when_it_is_stopped_it_says_nothing_more():
    """Whatever was due."""
    coordinator, intruder, said = heard_by_a_coordinator(3)
    intruder.stop()
    count = len(said)
    coordinator._runtime.run(2.0)
    assert len(said) == count
