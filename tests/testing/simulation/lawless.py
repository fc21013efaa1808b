"""What one does to break a law by hand."""

from reconnect.core.session import Session
from reconnect.testing.simulation.course import LawBroken
from reconnect.testing.simulation.laws import Laws


def broken(laws: Laws) -> str:
    """What the laws say within the next seconds."""
    try:
        laws.table.run(3.0)
    except LawBroken as error:
        return str(error)
    return str(laws.failure)


def peer(laws: Laws, player: str):
    return laws.table.present(player).client._peer


def session(laws: Laws) -> Session:
    assert laws.session is not None
    return laws.session
