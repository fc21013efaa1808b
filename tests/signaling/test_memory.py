import asyncio
import threading

import pytest

from reconnect.runtimes import ThreadRuntime
from reconnect.signaling.memory import Conn, MemorySignaling
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


def test_client_closes(runtime, signaling, server):
    """What a client has sent before its close arrives; it hears nothing more itself."""
    client = signaling.client("alice")
    alice = dial(client)
    runtime.run(0.0)
    client.send({"n": 1})
    signaling.send(Conn("alice", 1), {"unheard": True})
    client.close()
    client.close()
    client.send({"n": 2})
    runtime.run(10.0)
    assert server.log[1:] == [
        ("received", Conn("alice", 1), {"n": 1}),
        ("closed", Conn("alice", 1)),
    ]
    assert alice.log == [("opened",)]


def test_server_closes(runtime, signaling, server):
    """What the server has sent before its close arrives; it hears nothing more of it itself."""
    client = signaling.client("alice")
    alice = dial(client)
    runtime.run(0.0)
    client.send({"unheard": True})
    signaling.send(Conn("alice", 1), {"n": 1})
    signaling.close(Conn("alice", 1))
    signaling.close(Conn("alice", 1))
    signaling.send(Conn("alice", 1), {"n": 2})
    runtime.run(10.0)
    assert alice.log == [("opened",), ("received", {"n": 1}), ("closed", "closed")]
    assert server.log == [("opened", Conn("alice", 1))]
    client.send({"n": 3})
    runtime.run(1.0)
    assert server.messages == []


def test_new_dial(runtime, signaling, server):
    """A new dial has a new name, ends the older one, and nothing of that is heard any more."""
    client = signaling.client("alice")
    first = dial(client)
    runtime.run(0.0)
    signaling.send(Conn("alice", 1), {"of": 1})
    second = dial(client)
    runtime.run(0.0)
    signaling.send(Conn("alice", 1), {"of": 1})
    signaling.send(Conn("alice", 2), {"of": 2})
    runtime.run(0.0)
    assert first.log == [("opened",)]
    assert second.log == [("opened",), ("received", {"of": 2})]
    assert server.open == [Conn("alice", 2)]
    assert server.closed_conns == [Conn("alice", 1)]


def test_close_before_opened(runtime, signaling, server):
    """A dial that is taken back at once is never heard; the server hears it open and close."""
    client = signaling.client("alice")
    alice = dial(client)
    client.send({"too": "early"})
    client.close()
    runtime.run(10.0)
    assert alice.log == []
    assert server.log == [("opened", Conn("alice", 1)), ("closed", Conn("alice", 1))]


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


async def test_on_asyncio():
    """The default runtime is asyncio, and close in the midst of an answer is no trouble."""
    signaling = MemorySignaling()
    server = ServerEars(lambda conn, message: signaling.send(conn, message))
    signaling.start(server)
    client = signaling.client("alice")
    done = asyncio.Event()

    class Alice(ClientEars):
        def opened(self):
            super().opened()
            client.send({"n": 1})

        def received(self, message):
            super().received(message)
            client.close()
            done.set()

    alice = Alice()
    client.open(alice)
    await asyncio.wait_for(done.wait(), 10)
    assert alice.log == [("opened",), ("received", {"n": 1})]


def test_on_threads():
    """It works on the thread runtime, under its lock."""
    runtime = ThreadRuntime()
    signaling = MemorySignaling(runtime)
    server = ServerEars(lambda conn, message: signaling.send(conn, message))
    done = threading.Event()

    class Alice(ClientEars):
        def opened(self):
            super().opened()
            for number in range(100):
                client.send({"n": number})

        def received(self, message):
            super().received(message)
            if message["n"] == 99:
                done.set()

    alice = Alice()
    with runtime.lock:
        signaling.start(server)
        client = signaling.client("alice")
        client.open(alice)
    assert done.wait(10)
    runtime.close()
    assert alice.messages == [{"n": number} for number in range(100)]
