import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect.core.messages import AttemptKind
from reconnect.links.memory import Path
from reconnect.signaling.memory import DIAL_TIMEOUT, Conn
from reconnect.testing.network import REORDERED_BY, Network, Weather
from reconnect.testing.virtual import VirtualRuntime
from tests.signaling.ears import ClientEars, ServerEars

ROUGH = Weather(latency=0.05, jitter=0.1, loss=0.2, duplication=0.2, reordering=0.2)


class World:
    """A server, and clients that say something every 10 ms in both directions."""

    def __init__(self, seed=0, **weathers):
        self.runtime = VirtualRuntime(seed)
        self.network = Network(self.runtime, seed, **weathers)
        self.server = ServerEars()
        self.network.signaling.start(self.server)
        self.clients = {}
        self.sent = 0

    def dial(self, name="alice"):
        client = self.clients.setdefault(name, self.network.client(name))
        ears = ClientEars()
        client.open(ears)
        return ears

    def talk(self, conn, seconds):
        """Send both ways, and return how many messages that were."""
        before = self.sent
        for _ in range(round(seconds / 0.01)):
            self.sent += 1
            self.clients[conn.client].send({"n": self.sent})
            self.network.signaling.send(conn, {"n": self.sent})
            self.runtime.run(0.01)
        return self.sent - before


def numbers(messages):
    return [message["n"] for message in messages]


def history(seed):
    world = World(seed, control=ROUGH)
    alice = world.dial()
    world.runtime.run(1.0)
    world.talk(Conn("alice", 1), 0.5)
    world.network.drop_control("alice")
    world.runtime.run(1.0)
    return world.server.log, alice.log


class TestControl:
    def test_latency(self):
        """A message takes as long as the weather says; a dial takes there and back."""
        world = World(control=Weather(latency=0.1))
        alice = world.dial()
        world.runtime.run_until(lambda: alice.is_open)
        assert world.runtime.now() == pytest.approx(0.2)
        world.clients["alice"].send({})
        world.runtime.run_until(lambda: world.server.messages)
        assert world.runtime.now() == pytest.approx(0.3)

    @given(seed=st.integers(0, 1000))
    def test_jitter_keeps_the_order(self, seed):
        """However uneven the delays, nothing is lost and everything is in order."""
        world = World(seed, control=ROUGH)
        alice = world.dial()
        world.runtime.run(1.0)
        count = world.talk(Conn("alice", 1), 0.3)
        world.runtime.run(1.0)
        assert numbers(alice.messages) == [*range(1, count + 1)]
        assert numbers(world.server.of(Conn("alice", 1))) == [*range(1, count + 1)]

    def test_same_seed_same_history(self):
        """The seed decides everything, and another one decides otherwise."""
        assert history(1) == history(1)
        assert len({str(history(seed)) for seed in range(5)}) == 5

    @given(seed=st.integers(0, 1000))
    def test_drop_loses_a_suffix(self, seed):
        """A drop loses the last of what was under way and nothing before; both ends hear it."""
        world = World(seed, control=Weather(latency=0.1))
        alice = world.dial()
        world.runtime.run(1.0)
        count = world.talk(Conn("alice", 1), 0.3)
        world.network.drop_control("alice")
        world.runtime.run(1.0)
        for got in (alice.messages, world.server.of(Conn("alice", 1))):
            assert numbers(got) == [*range(1, len(got) + 1)]
            assert count - 11 <= len(got) <= count
        assert alice.cause == "dropped"
        assert world.server.open == []
        assert world.dial().log == []
        world.runtime.run(1.0)
        assert world.server.open == [Conn("alice", 2)]

    def test_drops_lose_something_and_not_always(self):
        """Over the seeds, a drop loses everything, something and nothing of what is under way."""
        kept = set()
        for seed in range(60):
            world = World(seed, control=Weather(latency=0.1))
            world.dial()
            world.runtime.run(1.0)
            world.talk(Conn("alice", 1), 0.05)
            world.network.drop_control("alice")
            world.runtime.run(1.0)
            kept.add(len(world.server.messages))
        assert kept == {0, 1, 2, 3, 4, 5}

    @pytest.mark.parametrize("client", [True, False])
    @pytest.mark.parametrize("server", [True, False])
    def test_who_is_told(self, client, server):
        """A drop is noticed by the ends that are told, and by nobody else."""
        world = World()
        alice = world.dial()
        world.runtime.run(0.0)
        world.network.drop_control("alice", tell_client=client, tell_server=server)
        world.talk(Conn("alice", 1), 1.0)
        world.runtime.run(3600.0)
        assert (alice.cause == "dropped") is client
        assert (world.server.open == []) is server
        assert alice.messages == world.server.messages == []

    def test_cut(self):
        """A cut breaks the connection and refuses dials until it is mended."""
        world = World()
        alice, bob = world.dial("alice"), world.dial("bob")
        world.runtime.run(0.0)
        world.network.cut_control("alice")
        world.runtime.run(0.0)
        assert alice.cause == "dropped"
        again = world.dial("alice")
        world.runtime.run(0.0)
        assert again.log == [("closed", "refused")]
        world.network.mend_control("alice")
        third = world.dial("alice")
        world.runtime.run(0.0)
        assert third.is_open
        assert bob.is_open

    def test_half_open(self):
        """Half-open, nothing arrives, nobody is told, and dials are not answered."""
        world = World()
        alice = world.dial()
        world.runtime.run(0.0)
        world.network.cut_control("alice", half_open=True)
        world.talk(Conn("alice", 1), 1.0)
        world.runtime.run(60.0)
        assert (alice.log, world.server.log) == ([("opened",)], [("opened", Conn("alice", 1))])
        start = world.runtime.now()
        again = world.dial()
        world.runtime.run_until(lambda: again.cause)
        assert again.log == [("closed", "dial_timeout")]
        assert world.runtime.now() - start == pytest.approx(DIAL_TIMEOUT)

    def test_half_open_stays_dead(self):
        """After the mending the old connection is still dead, a new dial is not."""
        world = World()
        alice = world.dial()
        world.runtime.run(0.0)
        world.network.cut_control("alice", half_open=True)
        world.network.mend_control()
        world.talk(Conn("alice", 1), 1.0)
        assert alice.messages == world.server.messages == []
        again = world.dial()
        world.runtime.run(0.0)
        assert again.is_open
        assert world.server.open == [Conn("alice", 1), Conn("alice", 2)]

    @pytest.mark.parametrize(("up", "down"), [(True, True), (True, False), (False, True)])
    def test_clog(self, up, down):
        """A clogged direction delivers nothing, and then everything, in order."""
        world = World()
        alice = world.dial()
        world.runtime.run(0.0)
        world.network.clog_control("alice", up=up, down=down)
        count = world.talk(Conn("alice", 1), 0.1)
        world.runtime.run(10.0)
        assert len(world.server.messages) == (0 if up else count)
        assert len(alice.messages) == (0 if down else count)
        world.network.mend_control("alice")
        world.runtime.run(0.0)
        assert numbers(world.server.of(Conn("alice", 1))) == [*range(1, count + 1)]
        assert numbers(alice.messages) == [*range(1, count + 1)]

    def test_clog_holds_new_dials(self):
        """A dial on a clogged path is not answered until the path is free."""
        world = World()
        world.network.clog_control("alice")
        alice = world.dial()
        world.runtime.run(1.0)
        assert alice.log == []
        world.network.mend_control()
        world.runtime.run(0.0)
        assert alice.is_open

    def test_drop_while_clogged(self):
        """A clogged connection can break, and both ends hear it."""
        world = World()
        alice = world.dial()
        world.runtime.run(0.0)
        world.network.clog_control("alice")
        world.talk(Conn("alice", 1), 0.1)
        world.network.drop_control("alice")
        world.runtime.run(0.0)
        assert alice.cause == "dropped"
        assert world.server.open == []

    def test_close_lost_in_a_drop(self):
        """A server hears that a connection is gone even if the client's own close is lost."""
        for seed in range(20):
            world = World(seed, control=Weather(latency=0.1))
            world.dial()
            world.runtime.run(1.0)
            world.clients["alice"].close()
            world.network.drop_control("alice")
            world.runtime.run(1.0)
            assert world.server.open == []

    def test_weather_of_one(self):
        """One player may have weather of its own."""
        world = World()
        world.network.control_weather(Weather(latency=1.0), "alice")
        alice, bob = world.dial("alice"), world.dial("bob")
        world.runtime.run(1.9)
        assert not alice.is_open
        assert bob.is_open
        world.network.control_weather(Weather(latency=5.0))
        carol = world.dial("carol")
        world.runtime.run(9.9)
        assert alice.is_open
        assert not carol.is_open

    def test_killed_client(self):
        """A killed program hears nothing and says nothing; the server hears of a drop."""
        world = World()
        process = world.runtime.process()
        client = world.network.client("alice", runtime=process)
        ears = ClientEars()
        client.open(ears)
        world.runtime.run(0.0)
        process.kill()
        world.network.signaling.send(Conn("alice", 1), {})
        world.network.drop_control("alice")
        world.runtime.run(60.0)
        assert ears.log == [("opened",)]
        assert world.server.open == []


def path(sender="alice", receiver="bob", *, source="a1", target="b1"):
    return Path(sender, receiver, source, target)


def fates(seed=0, weather=None, count=2000):
    network = Network(VirtualRuntime(), seed, peers=weather)
    return [tuple(network.fates(path())) for _ in range(count)]


class TestPeers:
    def test_perfect(self):
        """Without weather every packet arrives once and at once."""
        assert fates() == [(0.0,)] * 2000

    def test_rates(self):
        """Loss, doubling and overtaking come about as often as the weather says."""
        weather = Weather(latency=0.05, loss=0.2, duplication=0.1, reordering=0.3)
        seen = fates(weather=weather, count=10_000)
        arrived = [fate for fate in seen if fate]
        assert len(arrived) == pytest.approx(8000, rel=0.05)
        assert sum(len(fate) == 2 for fate in arrived) == pytest.approx(800, rel=0.2)
        late = [fate for fate in arrived if fate[0] == pytest.approx(0.05 + REORDERED_BY)]
        assert len(late) == pytest.approx(2400, rel=0.1)

    def test_jitter(self):
        """Delays spread over the jitter, and no more."""
        delays = [fate[0] for fate in fates(weather=Weather(latency=0.05, jitter=0.1))]
        assert min(delays) >= 0.05
        assert max(delays) <= 0.15
        assert max(delays) - min(delays) > 0.09

    def test_by_seed(self):
        """The seed decides the fate of every packet."""
        assert fates(1, ROUGH) == fates(1, ROUGH)
        assert fates(1, ROUGH) != fates(2, ROUGH)

    def test_one_chance_does_not_move_another(self):
        """More loss loses more packets, and delays the others exactly as before."""
        calm = fates(3, Weather(jitter=0.1))
        lossy = fates(3, Weather(jitter=0.1, loss=0.3))
        assert all(after in ((), before) for before, after in zip(calm, lossy, strict=True))
        assert () in lossy

    def test_cut_both_ways(self):
        """Between two players who are cut nothing passes, elsewhere everything does."""
        network = Network(VirtualRuntime())
        network.cut("alice", "bob")
        assert not network.fates(path("alice", "bob"))
        assert not network.fates(path("bob", "alice"))
        assert network.fates(path("alice", "carol"))
        network.mend("bob", "alice")
        assert network.fates(path("alice", "bob"))
        assert network.fates(path("bob", "alice"))

    def test_cut_one_way(self):
        """One way, only what the first one sends is lost."""
        network = Network(VirtualRuntime())
        network.cut("alice", "bob", one_way=True)
        assert not network.fates(path("alice", "bob"))
        assert network.fates(path("bob", "alice"))
        network.mend()
        assert network.fates(path("alice", "bob"))

    def test_cut_from_everybody(self):
        """A player may be cut from everybody, also one way; mend takes it back."""
        network = Network(VirtualRuntime())
        network.cut("alice")
        network.cut("bob", one_way=True)
        assert not network.fates(path("carol", "alice"))
        assert not network.fates(path("alice", "carol"))
        assert not network.fates(path("bob", "carol"))
        assert network.fates(path("carol", "bob", source="c1"))
        network.mend("alice")
        assert network.fates(path("alice", "carol"))
        assert not network.fates(path("bob", "alice"))

    def test_mend_takes_back_only_what_it_names(self):
        """Mending a pair leaves a player who is cut from everybody cut."""
        network = Network(VirtualRuntime())
        network.cut("alice")
        network.cut("bob", "carol")
        network.mend("bob", "carol")
        assert network.fates(path("bob", "carol"))
        assert not network.fates(path("alice", "bob"))

    def test_fresh(self):
        """With fresh, paths in use at the cut stay dead after mending; others do not."""
        network = Network(VirtualRuntime())
        for used in (
            path(),
            path("carol", "bob", source="c1"),
            path("carol", "alice", source="c1", target="a1"),
        ):
            assert network.fates(used)
        network.cut("alice", "bob", fresh=True)
        assert not network.fates(path(source="a2"))
        network.mend("alice", "bob")
        assert not network.fates(path())
        assert not network.fates(path("bob", "alice", source="b1", target="a1"))
        assert network.fates(path(source="a2"))
        assert network.fates(path("carol", "alice", source="c1", target="a1"))
        network.cut("alice", fresh=True)
        network.mend("alice")
        assert not network.fates(path("carol", "alice", source="c1", target="a1"))
        assert network.fates(path("carol", "bob", source="c1"))

    def test_weather_between_two(self):
        """Weather may be given for two players, for one, or for all; the nearest counts."""
        network = Network(VirtualRuntime(), peers=Weather(latency=1.0))
        network.peer_weather(Weather(latency=2.0), "alice")
        network.peer_weather(Weather(latency=3.0), "alice", "bob")
        assert network.fates(path("bob", "alice")) == (3.0,)
        assert network.fates(path("carol", "alice")) == (2.0,)
        assert network.fates(path("alice", "carol")) == (2.0,)
        assert network.fates(path("bob", "carol")) == (1.0,)

    @pytest.mark.parametrize(
        "wrong", [{"loss": 1.1}, {"loss": -0.1}, {"latency": -1.0}, {"duplication": 2.0}]
    )
    def test_weather_there_is_not(self, wrong):
        """Shares are from 0 to 1, and nothing arrives before it is sent."""
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Weather(**wrong)


class Messenger:
    """One end of a link that hands its signals straight to the other end."""

    def __init__(self, network, player, peer):
        self.link = network.links(player).open(peer, 1, self)
        self.far = None
        self.frames = []

    def signal(self, attempt_id, kind, payload):
        self.far.link.signal(attempt_id, kind, payload)

    def received(self, frame):
        self.frames.append(frame)

    def channel(self, is_open): ...

    def ice(self, state): ...

    def succeeded(self, attempt_id): ...

    def failed(self, attempt_id, cause): ...


def joined(network):
    ends = Messenger(network, "alice", "bob"), Messenger(network, "bob", "alice")
    ends[0].far, ends[1].far = ends[1], ends[0]
    for end in ends:
        end.link.attempt("1.1", kind=AttemptKind.REBUILD, offers=end is ends[0], ice_servers=())
    network.runtime.run(10.0)
    return ends


def test_rough_links():
    """Over a rough path some frames are lost, some come twice, some overtake others."""
    runtime = VirtualRuntime(1)
    network = Network(runtime, 1, peers=ROUGH)
    alice, bob = joined(network)
    sent = [number.to_bytes(2, "big") for number in range(500)]
    for frame in sent:
        assert alice.link.send(frame)
        runtime.run(0.01)
    runtime.run(1.0)
    assert set(bob.frames) < set(sent)
    assert len(set(bob.frames)) == pytest.approx(400, rel=0.1)
    assert len(bob.frames) > len(set(bob.frames))
    assert bob.frames != sorted(bob.frames)


def test_unplug():
    """An unplugged player has neither links nor a control link, and gets both back."""
    world = World()
    alice_ears = world.dial()
    alice, bob = joined(world.network)
    world.network.unplug("alice")
    world.talk(Conn("alice", 1), 0.1)
    alice.link.send(b"lost")
    world.runtime.run(10.0)
    assert (alice_ears.messages, world.server.messages, bob.frames) == ([], [], [])
    world.network.plug("alice")
    again = world.dial()
    alice.link.send(b"here")
    world.runtime.run(1.0)
    assert again.is_open
    assert bob.frames == [b"here"]


def test_suspend():
    """What is on the control link waits until the last `wake`; what is cut besides stays so."""
    world = World()
    ears = world.dial()
    alice, bob = joined(world.network)
    world.network.suspend("alice")
    world.network.suspend("alice")
    world.talk(Conn("alice", 1), 0.1)
    alice.link.send(b"lost")
    world.network.wake("alice")
    world.runtime.run(1.0)
    assert (ears.messages, world.server.messages, bob.frames) == ([], [], [])
    world.network.cut("alice", "bob")
    world.network.wake("alice")
    alice.link.send(b"cut")
    world.runtime.run(1.0)
    assert ears.messages
    assert world.server.messages
    assert bob.frames == []
    world.network.mend()
    alice.link.send(b"here")
    world.runtime.run(1.0)
    assert bob.frames == [b"here"]


def test_switch():
    """What was open is dead for good, and nobody is told; what is new works."""
    world = World()
    ears = world.dial()
    alice, bob = joined(world.network)
    alice.link.send(b"before")
    world.runtime.run(1.0)
    world.network.switch("alice")
    alice.link.send(b"lost")
    world.talk(Conn("alice", 1), 0.1)
    world.runtime.run(10.0)
    assert (ears.messages, world.server.messages, bob.frames) == ([], [], [b"before"])
    assert ears.is_open
    again = world.dial()
    world.runtime.run(1.0)
    assert again.is_open


def test_a_connection_may_be_stuck_alone():
    """Without `fresh`, a clog is about those that are there; whoever dials again is well."""
    world = World()
    world.dial()
    world.runtime.run(0.0)
    world.network.clog_control("alice", fresh=False)
    world.talk(Conn("alice", 1), 0.1)
    again = world.dial()
    world.runtime.run(1.0)
    assert again.is_open
    assert world.server.messages == []
    world.network.mend_control("alice")
    world.runtime.run(1.0)
    assert world.server.messages


def test_two_clogs_are_as_much_as_both():
    """The second takes nothing of the first back."""
    world = World()
    ears = world.dial()
    world.network.clog_control("alice", down=False)
    world.network.clog_control("alice", up=False)
    world.talk(Conn("alice", 1), 0.1)
    world.runtime.run(1.0)
    assert (ears.messages, world.server.messages) == ([], [])
