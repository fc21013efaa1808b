from contextlib import asynccontextmanager

import pytest

from reconnect.runtimes import AsyncioRuntime, ThreadRuntime
from reconnect.signaling.memory import Conn, MemorySignaling
from reconnect.testing.check_signaling import check_signaling
from reconnect.testing.virtual import VirtualRuntime
from tests.signaling.ears import ClientEars, ServerEars


@pytest.fixture(params=range(3))
def runtime(request):
    return VirtualRuntime(request.param)


@pytest.fixture
def signaling(runtime):
    return MemorySignaling(runtime)


@pytest.fixture
def server(signaling):
    ears = ServerEars()
    signaling.start(ears)
    return ears


def dial(client):
    ears = ClientEars()
    client.open(ears)
    return ears


@pytest.mark.parametrize("kind", [AsyncioRuntime, ThreadRuntime])
def test_it_keeps_every_promise(kind):
    """As every adapter does, on a loop and on threads."""

    @asynccontextmanager
    async def setting():
        signaling = MemorySignaling(kind())
        yield signaling, signaling.client
        with signaling.runtime.lock:
            signaling.stop()

    check_signaling(setting, quiet=0.05, examples=5)


def test_open(runtime, signaling, server):
    """A dial is heard by both ends, later than the call."""
    alice = dial(signaling.client("alice"))
    assert (alice.log, server.log) == ([], [])
    runtime.run(0.0)
    assert alice.log == [("opened",)]
    assert server.log == [("opened", Conn("alice", 1))]


def test_fifo_both_ways(runtime, signaling, server):
    """What is sent arrives once and in order, whatever the order of things at one instant."""
    client = signaling.client("alice")
    alice = dial(client)
    runtime.run(0.0)
    for number in range(50):
        client.send({"n": number})
        signaling.send(Conn("alice", 1), {"n": number})
    runtime.run(0.0)
    assert server.of(Conn("alice", 1)) == [{"n": number} for number in range(50)]
    assert alice.messages == [{"n": number} for number in range(50)]


def test_only_json_travels(runtime, signaling, server):
    """The far end gets a copy as JSON has it; what is not JSON is refused to its sender."""
    client = signaling.client("alice")
    alice = dial(client)
    runtime.run(0.0)
    message = {"list": [1], "tuple": (1, 2)}
    client.send(message)
    message["list"].append(2)
    runtime.run(0.0)
    assert server.of(Conn("alice", 1)) == [{"list": [1], "tuple": [1, 2]}]
    for bad in ({"set": {1}}, {"bytes": b""}):
        with pytest.raises(TypeError):
            client.send(bad)
        with pytest.raises(TypeError):
            signaling.send(Conn("alice", 1), bad)
    with pytest.raises(ValueError, match="Out of range float"):
        client.send({"nan": float("nan")})
    assert alice.is_open


def test_not_started(runtime, signaling):
    """Without a server a dial is refused, and there is no second word."""
    alice = dial(signaling.client("alice"))
    runtime.run(10.0)
    assert alice.log == [("closed", "refused")]
    assert runtime.pending == 0


def test_stop_and_start(runtime, signaling, server):
    """A server that dies tells nobody in its own house, its clients lose their connections."""
    client = signaling.client("alice")
    alice = dial(client)
    runtime.run(0.0)
    client.send({"n": 1})
    signaling.stop()
    runtime.run(0.0)
    assert alice.log == [("opened",), ("closed", "dropped")]
    assert server.log == [("opened", Conn("alice", 1))]
    assert dial(client).log == []
    again = ServerEars()
    signaling.start(again)
    runtime.run(0.0)
    assert again.open == [Conn("alice", 2)]


def test_two_clients_of_one_name(runtime, signaling, server):
    """Two clients with one name have connections of their own."""
    one, two = (signaling.client("alice") for _ in range(2))
    ears = [dial(one), dial(two)]
    runtime.run(0.0)
    one.close()
    runtime.run(0.0)
    signaling.send(Conn("alice", 2), {"n": 1})
    runtime.run(0.0)
    assert ears[1].log == [("opened",), ("received", {"n": 1})]
    assert server.open == [Conn("alice", 2)]
