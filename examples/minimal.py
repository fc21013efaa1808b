"""A coordinator and two players in one process: their link is cut, and both resume together.

Run it: python examples/minimal.py
"""

import asyncio

import reconnect
from reconnect.runtimes import AsyncioRuntime
from reconnect.testing.network import Network

PLAYERS = ["alice", "bob"]


async def play(client: reconnect.Client, name: str, heard: list[int]) -> None:
    """A player's whole program: say a number in each step, and take in what the other says."""
    while not client.ended:
        for notice in client.notices():
            print(f"{name:>5}: {notice}")
        for _, data in client.receive():
            heard.append(int(data))
        if client.playing:
            client.send(str(client.frame).encode())
            client.frame += 1
        await asyncio.sleep(1 / 30)


async def until(session: reconnect.SessionHandle, state: reconnect.State) -> None:
    """Wait, and say what for."""
    while session.state is not state:
        await asyncio.sleep(0.05)
    print(f"    - {session.explain()}")


async def main() -> None:
    """Play, cut, mend, play, and count."""
    network = Network(AsyncioRuntime())
    coordinator = reconnect.Coordinator(
        signaling=network.signaling, policy=reconnect.Policy(countdown=0.5)
    )
    session = coordinator.open(players=PLAYERS)
    heard: dict[str, list[int]] = {player: [] for player in PLAYERS}
    games = []
    for player in PLAYERS:
        client = reconnect.Client(
            signaling=network.client(player),
            links=network.links(player),
            session=session.id,
            player=player,
            token=session.invite(player),
        )
        games.append(asyncio.create_task(play(client, player, heard[player])))

    await until(session, reconnect.State.CONNECTED)
    await asyncio.sleep(1)
    network.cut(*PLAYERS)
    await until(session, reconnect.State.RECONNECTING)
    network.mend(*PLAYERS)
    await until(session, reconnect.State.CONNECTED)
    await asyncio.sleep(1)

    session.end("completed")
    await asyncio.gather(*games)
    coordinator.close()
    for player, numbers in heard.items():
        assert numbers == list(range(len(numbers))), "lost, doubled, or out of order"
        print(f"{player} heard {len(numbers)} steps, none missing, none twice")


if __name__ == "__main__":
    asyncio.run(main())
