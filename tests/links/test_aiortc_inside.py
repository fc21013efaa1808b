"""The contract with the inside of aiortc, held against the one that is installed."""

import asyncio
import inspect

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSctpTransport

from reconnect.links.aiortc_inside import GATHERING_TIMEOUT, LinkConnection, install


def new() -> tuple[RTCPeerConnection, RTCSctpTransport, LinkConnection]:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.createDataChannel("game", negotiated=True, id=0)
    assert pc.sctp is not None
    return pc, pc.sctp, LinkConnection([], addresses=["127.0.0.1"])


async def test_names_are_there() -> None:
    """Every private name that is replaced exists, with the arguments that are counted on."""
    pc, sctp, connection = new()
    dtls, ice = sctp.transport, sctp.transport.transport
    assert ice.iceGatherer._connection is ice._connection
    assert ice._recv == ice._connection.recv
    assert ice._send == ice._connection.send
    for step in (dtls._send_data, sctp._handle_data, ice.start):
        assert inspect.iscoroutinefunction(step)
        assert len(inspect.signature(step).parameters) == 1
    gather = inspect.signature(type(connection).__base__.get_component_candidates)
    assert list(gather.parameters) == ["self", "component", "addresses", "timeout"]
    assert gather.parameters["timeout"].default > GATHERING_TIMEOUT
    await pc.close()


async def test_our_agent_is_the_one() -> None:
    """Once installed, what aiortc offers are the candidates and the password of our agent."""
    pc, _, connection = new()
    install(pc, connection, broken=lambda error: None)
    await pc.setLocalDescription(await pc.createOffer())
    sdp = pc.localDescription.sdp
    assert f"a=ice-pwd:{connection.local_password}" in sdp
    assert [one.host for one in connection.local_candidates] == ["127.0.0.1"]
    assert f"127.0.0.1 {connection.local_candidates[0].port} typ host" in sdp
    await pc.close()


async def test_dead_path_is_packet_loss() -> None:
    """Sending without a path is no exception, at either layer."""
    pc, sctp, connection = new()
    install(pc, connection, broken=lambda error: None)
    await connection.send(b"x")
    await sctp.transport._send_data(b"x")
    await pc.close()


async def test_bad_packet_is_told() -> None:
    """What SCTP chokes on is told to who installed, and goes no further."""
    pc, sctp, connection = new()
    told: list[Exception] = []

    async def chokes(data: bytes) -> None:
        raise AssertionError(data)

    sctp._handle_data = chokes
    install(pc, connection, broken=told.append)
    await sctp._handle_data(b"x")
    assert [str(error) for error in told] == ["b'x'"]
    await pc.close()


async def test_empty_packet_is_dropped() -> None:
    """An empty datagram does not reach DTLS, one with something in it does."""
    _, _, connection = new()
    connection.data_received(b"", 1)
    assert connection._queue.empty()
    connection.data_received(b"x", 1)
    assert connection._queue.get_nowait() == (b"x", 1)


async def test_closed_while_connecting() -> None:
    """An agent that is closed in the moment in which it has connected leaves no task behind."""
    agents = [LinkConnection([], addresses=["127.0.0.1"]) for _ in range(2)]
    agents[0].ice_controlling = True
    for agent in agents:
        await agent.gather_candidates()
    for one, other in (agents, agents[::-1]):
        one.remote_username, one.remote_password = other.local_username, other.local_password
        for candidate in other.local_candidates:
            await one.add_remote_candidate(candidate)
        await one.add_remote_candidate(None)
    connecting = [asyncio.create_task(agent.connect()) for agent in agents]
    while not agents[0]._check_list_done:
        await asyncio.sleep(0)
    for agent in agents:
        await agent.close()
    outcomes = await asyncio.gather(*connecting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ConnectionError, ConnectionError]
    async with asyncio.timeout(5):
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.01)
