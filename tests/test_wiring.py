"""What lies between a peer and its adapters."""

from collections.abc import Sequence
from typing import Any

from reconnect import Client, Paused
from reconnect.core.messages import AttemptKind
from reconnect.policy import IceServer
from reconnect.ports import LinkHears
from tests.games import Game


def test_nothing_of_an_older_dial_is_heard():
    """What the connection before the present one still says changes nothing."""
    game = Game()
    game.run(2)
    client = game.players["alice"].client
    old = client._wiring._dial
    game.network.drop_control("alice")
    game.run(3)
    assert old is not None
    assert client._wiring._dial is not old
    before = client.epoch, client.state
    old.opened()
    old.closed("late")
    old.received({"v": 1, "session": game.session.id, "type": "bye"})
    game.run(1)
    assert (client.epoch, client.state) == before
    assert game.all_playing


def test_nothing_of_a_closed_link_is_heard():
    """A link to an older generation of a peer is silent, whatever its adapter says."""
    ears: list[LinkHears] = []
    game = Game()
    game.run(2)
    wiring = game.players["alice"].client._wiring
    links = wiring.links
    assert links is not None

    class Listening:
        kind = links.kind
        mends = links.mends

        def open(self, peer: str, generation: int, hears: LinkHears) -> Any:
            ears.append(hears)
            return links.open(peer, generation, hears)

    wiring.links = Listening()
    for _ in range(2):
        game.players["bob"].client.close()
        game.players["bob"] = game.join("bob")
        game.run(3)
    older, _newer = ears
    malformed = game.players["alice"].client.stats()["malformed"]
    older.received(b"junk")
    older.channel(False)
    older.failed("1.1", "late")
    game.run(1)
    assert game.all_playing
    assert game.players["alice"].client.stats()["malformed"] == malformed


def test_a_bye_of_the_coordinator_is_dialled_again():
    """Being hung up on is no end: the client comes back by itself."""
    game = Game()
    game.run(2)
    dial = game.players["alice"].client._wiring._dial
    assert dial is not None
    dial.received({"v": 1, "session": game.session.id, "type": "bye"})
    game.run(3)
    assert game.players["alice"].client._wiring._dial is not dial
    assert game.all_playing


def test_reports_keep_their_order_when_the_application_sends_from_a_notice():
    """What `on_notice` sends does not overtake what was ordered before it."""
    game = Game()
    sent: list[int] = []

    def on_notice(notice: object) -> None:
        if isinstance(notice, Paused):
            client.send(b"from the notice")

    client: Client = game.join("bob", on_notice=on_notice).client
    signaling = client._wiring.signaling
    original = signaling.send

    def send(message: dict[str, Any]) -> None:
        if message["type"] == "report":
            sent.append(message["seq"])
        original(message)

    signaling.send = send  # type: ignore[method-assign]  # listening in is the point here
    game.players["bob"].client = client
    game.run(3)
    game.network.cut("alice", "bob")
    game.run(3)
    assert sent == sorted(sent)
    assert len(sent) > 5


def test_a_session_with_links_and_a_client_without_is_logged_not_crashed():
    """A client that was given no links says so in its log, and cannot play a mesh."""
    game = Game()
    lines: list[tuple[str, dict[str, Any]]] = []

    class Logger:
        def bind(self, **_: Any) -> "Logger":
            return self

        def info(self, event: str, **values: Any) -> None:
            lines.append((event, values))

        error = warning = info

    bob = Client(
        signaling=game.network.client("bob"),
        session=game.session.id,
        player="bob",
        token=game.session.invite("bob"),
        logger=Logger(),
    )
    game.run(3)
    assert ("reconnect.no_links", {"peer": "alice"}) in lines
    assert not bob.playing


def test_adapters_hear_their_orders():
    """An attempt, and what the far end says of it, are passed to the link as they are."""
    orders: list[tuple[Any, ...]] = []
    game = Game()
    game.run(2)
    wiring = game.players["alice"].client._wiring
    link = wiring._open["bob"]

    class Spy:
        def attempt(
            self,
            attempt_id: str,
            *,
            kind: AttemptKind,
            offers: bool,
            ice_servers: Sequence[IceServer],
        ) -> None:
            orders.append(("attempt", attempt_id, kind, offers))
            link.attempt(attempt_id, kind=kind, offers=offers, ice_servers=ice_servers)

        def __getattr__(self, name: str) -> Any:
            return getattr(link, name)

    wiring._open["bob"] = Spy()
    game.network.cut("alice", "bob")
    game.run(3)
    assert [order[3] for order in orders] == [True]
