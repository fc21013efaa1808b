"""What is written for those who study games: complete, whole, and never over something else."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconnect import IceServer, Policy
from reconnect.core.policy_wire import policy_to_wire
from reconnect.telemetry.export import Exporter, NotRecorded
from reconnect.telemetry.outages import Outages
from reconnect.telemetry.provenance import provenance
from reconnect.telemetry.recorder import Recorders
from reconnect.telemetry.replay import replay
from reconnect.telemetry.trace import TraceWriter
from tests.by_hand import House
from tests.telemetry.scenes import BIRTH, Scene

LATER = BIRTH + 1e6


def exporter(folder: Path) -> Exporter:
    return Exporter(folder, wall=lambda: LATER)


def read(path: Path) -> dict[str, Any]:
    form: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return form


def lost(**data: Any) -> dict[str, Any]:
    """A client's fact: its first, and just now."""
    return {"n": 1, "kind": "link_lost", "ago_ms": 0, "data": data}


def eventful(recorder: Any) -> Scene:
    """A game with two outages that is survived, and a third that ends it."""
    scene = Scene(recorder=recorder, policy=Policy(outage_timeout=12), loss=0.05)
    scene.outage("bob")
    scene.network.unplug("carol")
    scene.run(5)
    scene.network.plug("carol")
    scene.recover()
    scene.network.cut_control("bob")
    scene.run(25)
    assert scene.session.reason == "timeout"
    return scene


# -- what is in a file -----------------------------------------------------------------------------


def test_a_file_holds_where_it_comes_from_and_everything_that_is_known(tmp_path: Path):
    """Three parts; the second is the account of the session."""
    writer = exporter(tmp_path)
    scene = eventful(writer)
    form = read(tmp_path / "game.json")
    assert list(form) == ["provenance", "session", "reconnection"]
    assert form["provenance"] == {
        **provenance(written_at=LATER),
        "session": "game",
        "policy": policy_to_wire(Policy(outage_timeout=12)),
    }
    account = writer.outages.account("game")
    assert account is not None
    assert form["session"] == account.to_json()
    assert form["session"]["reason"] == "timeout"
    assert form["session"]["paused_total_s"] == scene.session.paused_total
    causes = [outage["cause"] for outage in form["session"]["outages"]]
    assert causes == ["link_lost", "player_lost", "control_lost"]


def test_the_short_form_is_what_researchers_know(tmp_path: Path):
    """Field by field: whole milliseconds, the words of the requirement, and no other field."""
    scene = eventful(writer := exporter(tmp_path))
    form = read(tmp_path / "game.json")["reconnection"]
    assert list(form) == ["disconnections", "attempts", "totalPauseDurationMs"]
    assert form["totalPauseDurationMs"] == round(scene.session.paused_total * 1000)
    outages = writer.outages.of("game")
    for entry in form["disconnections"]:
        assert list(entry) == ["timestamp", "frame", "detectingPeer", "iceState", "dcState"]
        assert type(entry["timestamp"]) is int
        assert type(entry["frame"]) is int
        assert BIRTH * 1000 < entry["timestamp"] < (BIRTH + 120) * 1000
    by_link, by_coordinator = form["disconnections"][:-1], form["disconnections"][-1]
    assert {entry["detectingPeer"] for entry in by_link} == {"alice", "bob", "carol"}
    assert {(entry["iceState"], entry["dcState"]) for entry in by_link} == {("connected", "open")}
    assert by_coordinator == {
        "timestamp": round(outages[2].started_at * 1000),
        "frame": outages[2].frame,
        "detectingPeer": None,
        "iceState": None,
        "dcState": None,
    }
    for entry, outage in zip(form["attempts"], outages, strict=True):
        assert outage.paused_s is not None
        assert entry == {
            "timestamp": round(outage.ended_at * 1000),
            "duration": round(outage.paused_s * 1000),
            "outcome": "success" if outage.outcome == "connected" else "timeout",
            "attempts": len(outage.attempts),
        }
    assert [entry["outcome"] for entry in form["attempts"]] == ["success", "success", "timeout"]
    assert form["attempts"][0]["attempts"] > 0


def test_an_outage_that_something_else_ended_is_no_attempt(tmp_path: Path):
    """Neither is one that lasts; its pause counts as soon as it is over."""
    scene = Scene(recorder=(writer := exporter(tmp_path)))
    scene.network.cut("alice", "bob")
    scene.run(3)
    form = read(writer.write("game"))["reconnection"]
    assert len(form["disconnections"]) == 2
    assert (form["attempts"], form["totalPauseDurationMs"]) == ([], 0)
    scene.session.end("rained_out")
    form = read(tmp_path / "game.json")["reconnection"]
    assert form["attempts"] == []
    assert form["totalPauseDurationMs"] == round(scene.session.paused_total * 1000) > 0


def test_a_channel_that_was_closed_is_said_to_be(tmp_path: Path):
    """And a value that a client did not tell is null, not a guess."""
    house = House(recorder=(writer := exporter(tmp_path)))
    _, (ann, ben) = house.game(id="game")
    ann.report(
        "halted",
        2,
        cause="link_lost",
        facts=[
            {"n": 1, "kind": "link_lost", "ago_ms": 0, "data": {"peer": "ben", "channel": False}}
        ],
    )
    ben.report(
        "halted", 2, facts=[{"n": 1, "kind": "link_lost", "ago_ms": 0, "data": {"peer": "ann"}}]
    )
    entries = read(writer.write("game"))["reconnection"]["disconnections"]
    assert [(entry["dcState"], entry["iceState"], entry["frame"]) for entry in entries] == [
        ("closed", None, None),
        (None, None, None),
    ]


def test_nothing_secret_is_in_a_file(tmp_path: Path):
    """No token, no digest of one, no address, and no credential of a relay."""
    relay = IceServer(["turn:203.0.113.9:3478"], "user", "s3cret")
    house = House(recorder=exporter(tmp_path), policy=Policy(ice_servers=[relay]))
    handle, (ann, _) = house.game(id="game", data={"prize": "w1n"})
    digests = [seat.token_digest for seat in house.record(handle).seats]
    data = {"peer": "ben", "cause": "198.51.100.1", "ice": ann.token, "candidate": "203.0.113.7"}
    ann.report(
        "halted",
        2,
        cause="link_lost",
        facts=[{"n": 1, "kind": "link_lost", "ago_ms": 0, "data": data}],
    )
    handle.end()
    text = (tmp_path / "game.json").read_text()
    assert '"link_lost"' in text
    secrets = [ann.token, *digests, "203.0.113", "198.51.100", "s3cret", "w1n"]
    assert [one for one in secrets if one in text] == []


# -- the same again --------------------------------------------------------------------------------


def test_a_trace_that_is_lived_through_again_gives_the_same_file(tmp_path: Path):
    """Byte for byte, with the same versions and written at the same time."""
    live, again = tmp_path / "live", tmp_path / "again"
    trace = tmp_path / "trace.jsonl"
    scene = eventful(Recorders(exporter(live), TraceWriter(trace)))
    scene.coordinator.close()
    replay(trace, recorder=(writer := exporter(again)))
    writer.close()
    files = [sorted(path.name for path in folder.iterdir()) for folder in (live, again)]
    assert files == [["game.json"], ["game.json"]]
    assert (live / "game.json").read_bytes() == (again / "game.json").read_bytes()


# -- when a file is written ------------------------------------------------------------------------


def test_a_session_is_written_when_it_ends(tmp_path: Path):
    """Not before; and also if nothing ever happened in it."""
    house = House(recorder=(writer := exporter(tmp_path)))
    handle = house.coordinator.open(["ann", "ben"], id="calm")
    assert list(tmp_path.iterdir()) == []
    assert read(writer.write("calm"))["session"]["reason"] is None
    handle.end("won")
    assert read(tmp_path / "calm.json")["session"]["reason"] == "won"
    assert [path.name for path in tmp_path.iterdir()] == ["calm.json"]


def test_a_living_session_is_written_when_it_is_asked_for(tmp_path: Path):
    """As it stands; at its end it is written into the same file."""
    scene = Scene(recorder=(writer := exporter(tmp_path)))
    scene.network.cut("alice", "bob")
    scene.run(3)
    path = writer.write("game")
    (outage,) = read(path)["session"]["outages"]
    assert (outage["outcome"], outage["paused_s"], outage["cause"]) == (None, None, "link_lost")
    scene.network.mend("alice", "bob")
    scene.recover()
    scene.session.end("won")
    assert read(path)["session"]["outages"][0]["outcome"] == "connected"
    assert list(tmp_path.iterdir()) == [path]


def test_a_session_of_which_nothing_is_kept_cannot_be_written(tmp_path: Path):
    """The error names it."""
    with pytest.raises(NotRecorded, match="'nowhere'") as caught:
        exporter(tmp_path).write("nowhere")
    assert caught.value.session == "nowhere"


def test_what_is_told_after_the_end_is_written_too(tmp_path: Path):
    """The file of a game that has ended is written again when carol is back with her facts."""
    scene = Scene(recorder=exporter(tmp_path), policy=Policy(outage_timeout=12))
    scene.network.unplug("carol")
    scene.run(15)
    before = read(tmp_path / "game.json")["reconnection"]["disconnections"]
    scene.network.plug("carol")
    scene.run(10)
    scene.coordinator.close()
    after = read(tmp_path / "game.json")["reconnection"]["disconnections"]
    assert {one["detectingPeer"] for one in before} == {"alice", "bob"}
    assert {one["detectingPeer"] for one in after} == {"alice", "bob", "carol"}


def test_telling_without_end_writes_no_file_for_each_fact(tmp_path: Path):
    """What comes after the end is written soon, by the next event of whatever session."""
    written: list[float] = []

    def wall() -> float:
        written.append(house.runtime.now())
        return LATER

    house = House(recorder=Exporter(tmp_path, wall=wall), policy=Policy(outage_timeout=12))
    other, (cas, _) = house.game("cas", "dan", id="other")
    handle, (ann, _) = house.game(id="game")
    began = house.runtime.now()
    ann.report("halted", 2, cause="link_lost")
    handle.end("won")
    assert len(written) == 1
    for n in range(1, 50):
        house.run(0.01)
        ann.report(facts=[lost(peer="ben") | {"n": n, "ago_ms": n * 10}])
    assert house.runtime.now() - began == pytest.approx(0.49)
    assert len(written) == 3
    house.run(1.0)
    cas.report()
    assert len(written) == 4
    assert len(read(tmp_path / "game.json")["session"]["outages"][0]["losses"]) == 49
    assert other.state == "connected"


def test_a_session_that_goes_on_is_written_when_the_server_stops(tmp_path: Path):
    """If it has had an outage; there is nothing to lose otherwise."""
    scene = Scene(recorder=exporter(tmp_path))
    scene.outage("bob")
    scene.coordinator.open(["dave", "erin"], id="calm")
    scene.coordinator.close()
    assert [path.name for path in tmp_path.iterdir()] == ["game.json"]
    assert read(tmp_path / "game.json")["session"]["reason"] is None


def test_the_process_that_follows_writes_a_file_of_its_own(tmp_path: Path):
    """What the one before it wrote is not replaced; the sums are of both."""
    scene = Scene(recorder=exporter(tmp_path))
    scene.outage("bob")
    scene.coordinator.close()
    scene.kill()
    scene.run(1)
    scene.restart(exporter(tmp_path))
    scene.run(8)
    scene.outage("carol")
    scene.session.end("won")
    old, new = (read(tmp_path / name)["session"] for name in ("game.json", "game.2.json"))
    assert [outage["number"] for outage in old["outages"]] == [1]
    assert [outage["number"] for outage in new["outages"]] == [2]
    assert (new["outages_total"], new["paused_total_s"]) == (2, scene.session.paused_total)


def test_the_process_that_follows_may_go_on_with_the_trace(tmp_path: Path):
    """Then its file has everything, and sessions that had ended are not written again."""
    trace, folder = tmp_path / "trace.jsonl", tmp_path / "exports"
    scene = Scene(recorder=Recorders(Outages(), TraceWriter(trace)))
    scene.coordinator.open(["dave", "erin"], id="over").end("won")
    scene.outage("bob")
    scene.kill()
    known = Outages()
    replay(trace, recorder=known)
    scene.restart(Recorders(Exporter(folder, known), TraceWriter(trace)))
    scene.run(5)
    scene.outage("carol")
    scene.session.end("won")
    scene.coordinator.close()
    assert [path.name for path in folder.iterdir()] == ["game.json"]
    form = read(folder / "game.json")["session"]
    assert [outage["number"] for outage in form["outages"]] == [1, 2]


def test_a_session_that_ended_in_an_earlier_process_is_not_written_again(tmp_path: Path):
    """Whoever comes late to it changes nothing."""
    house = House(recorder=exporter(tmp_path))
    handle, (ann, _) = house.game(id="game")
    handle.end("won")
    house.kill()
    house.options["recorder"] = exporter(tmp_path)
    house.start()
    house.run(1)
    ann.claim()
    house.coordinator.close()
    assert [path.name for path in tmp_path.iterdir()] == ["game.json"]


# -- files -----------------------------------------------------------------------------------------


def test_the_folder_is_made(tmp_path: Path):
    """With all that is above it."""
    exporter(tmp_path / "one" / "two")
    assert (tmp_path / "one" / "two").is_dir()


def test_the_same_id_on_another_day_has_a_file_of_its_own(tmp_path: Path):
    """A file is never replaced by that of another session."""
    house = House(recorder=exporter(tmp_path), policy=Policy(outage_timeout=12, retention=5))
    for reason in ("won", "lost", "drawn"):
        house.coordinator.open(["ann", "ben"], id="daily").end(reason)
        house.run(6)
    names = ["daily.json", "daily.2.json", "daily.3.json"]
    assert [read(tmp_path / name)["session"]["reason"] for name in names] == [
        "won",
        "lost",
        "drawn",
    ]


@pytest.mark.parametrize(
    ("session", "name"),
    [
        ("0fa3", "0fa3.json"),
        ("room_7-b", "room_7-b.json"),
        ("Room 7", "room-7-"),
        ("../../etc/passwd", "etc-passwd-"),
        (".hidden", "hidden-"),
        ("con\\nul", "con-nul-"),
        ("é" * 128, ""),
        ("x" * 128, "x" * 60 + "-"),
    ],
)
def test_any_id_makes_a_file_in_the_folder(tmp_path: Path, session: str, name: str):
    """None leads out of it, is too long for a name, or is hidden."""
    folder = tmp_path / "exports"
    house = House(recorder=exporter(folder))
    house.coordinator.open(["ann", "ben"], id=session).end("won")
    (path,) = folder.iterdir()
    assert path.name.startswith(name)
    assert not path.name.startswith((".", "-"))
    assert path.suffix == ".json"
    assert read(path)["provenance"]["session"] == session
    assert [one.name for one in tmp_path.iterdir()] == ["exports"]


def test_ids_that_look_alike_have_files_of_their_own(tmp_path: Path):
    """Also where a file system does not tell `A` from `a`."""
    house = House(recorder=exporter(tmp_path))
    for session in ("room", "Room", "ROOM", "room!", "room?"):
        house.coordinator.open(["ann", "ben"], id=session).end("won")
    names = [path.name.lower() for path in tmp_path.iterdir()]
    assert len(set(names)) == 5


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Until all of it is there, the one before it stays; the next attempt succeeds."""
    scene = Scene(recorder=(writer := exporter(tmp_path)))
    path = writer.write("game")
    before = path.read_bytes()
    scene.outage("bob")

    def full(self: Path, target: Path) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="no space"):
            writer.write("game")
        scene.session.end("won")  # the game is not harmed by it
    assert path.read_bytes() == before
    scene.coordinator.close()
    assert read(path)["session"]["reason"] == "won"


def test_closing_tries_every_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One that cannot be written keeps no other from being written, and is told of."""
    writer = exporter(tmp_path)
    house = House(recorder=writer)
    write = Path.replace

    def fails_once(self: Path, target: Path) -> Path:
        if "bad" in self.name:
            raise OSError("bad name")
        return write(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails_once)
        for session in ("bad", "good"):
            house.coordinator.open(["ann", "ben"], id=session).end("won")
        with pytest.raises(OSError, match="bad name"):
            writer.close()
    assert (tmp_path / "good.json").exists()
    writer.close()
    assert (tmp_path / "bad.json").exists()
