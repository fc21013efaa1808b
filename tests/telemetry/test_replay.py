"""A trace lived through again leads to the same states."""

import json
from pathlib import Path

import pytest

from reconnect import Policy
from reconnect.stores.memory import MemoryStore
from reconnect.telemetry.outages import Outages
from reconnect.telemetry.recorder import Recorders
from reconnect.telemetry.replay import DoesNotFollow, replay
from reconnect.telemetry.trace import TraceWriter
from tests.games import Game


def play(path: Path, *, seed: int = 1) -> tuple[Game, Outages]:
    outages = Outages()
    game = Game(
        "alice",
        "bob",
        "carol",
        seed=seed,
        loss=0.1,
        policy=Policy(outage_timeout=10),
        recorder=Recorders(TraceWriter(path), outages),
    )
    game.run(2)
    game.network.cut("alice", "bob")
    game.run(3)
    game.network.mend("alice", "bob")
    game.network.drop_control("carol")
    game.run(4)
    game.network.cut_control("carol", half_open=True)
    game.run(25)
    game.coordinator.close()
    return game, outages


@pytest.mark.parametrize("seed", range(5))
def test_replay_leads_to_the_same_states(tmp_path: Path, seed: int):
    """State, epoch, version, times and totals are those of the coordinator that wrote the trace."""
    path = tmp_path / "trace.jsonl"
    game, _ = play(path, seed=seed)
    replayed = replay(path)
    session = replayed.sessions[game.session.id]
    now = replayed.now[session.id]
    record = game.coordinator._mailboxes[session.id].record
    again = session.record(now)
    assert (again.state, again.epoch, again.version) == (record.state, record.epoch, record.version)
    assert again.paused_total == record.paused_total
    assert again.outages == record.outages
    assert again.ended_at == record.ended_at
    assert replayed.steps > 50


def test_replay_of_a_trace_gives_the_same_record_of_outages(tmp_path: Path):
    """Outages folded from the trace are equal to those folded while it happened."""
    path = tmp_path / "trace.jsonl"
    _, live = play(path)
    again = Outages()
    replay(path, recorder=again)
    assert [one.to_json() for one in again.outages] == [one.to_json() for one in live.outages]
    assert len(live.outages) == 2


def test_a_restart_is_replayed_as_one(tmp_path: Path):
    """A session that was loaded again goes on in the replay from its record."""
    path = tmp_path / "trace.jsonl"
    store = MemoryStore()
    game = Game(store=store, recorder=TraceWriter(path))
    game.run(2)
    game.coordinator.close()
    again = type(game)(
        store=store,
        recorder=TraceWriter(path),
    )
    again.run(30)
    again.coordinator.close()
    replayed = replay(path)
    assert game.session.id in replayed.sessions
    assert again.session.id in replayed.sessions
    old = again.coordinator.get(game.session.id)
    assert old is not None
    assert replayed.sessions[old.id].state is old.state


def test_a_changed_trace_is_noticed(tmp_path: Path):
    """Events that do not lead to the state a line claims are an error that names the line."""
    path = tmp_path / "trace.jsonl"
    play(path)
    lines = path.read_text().splitlines()
    number = next(n for n, line in enumerate(lines) if json.loads(line).get("state") == "connected")
    forged = {**json.loads(lines[number]), "state": "resumed"}
    path.write_text("\n".join([*lines[:number], json.dumps(forged), *lines[number + 1 :]]) + "\n")
    with pytest.raises(DoesNotFollow, match="its events lead to") as caught:
        replay(path)
    assert caught.value.line == number + 1


def test_an_event_before_the_beginning_is_an_error(tmp_path: Path):
    """A trace without its first lines cannot be replayed."""
    path = tmp_path / "trace.jsonl"
    play(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    with pytest.raises(DoesNotFollow, match="has not begun"):
        replay(path)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("report", {"player": "zoe"}, "'zoe' is not a player"),
        ("time", {"is": "end", "reason": "again"}, "has ended"),
    ],
)
def test_an_event_that_could_not_be_does_not_follow(tmp_path: Path, kind, change, said):
    """What the session itself refuses never was."""
    path = tmp_path / "trace.jsonl"
    play(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    last = next(one for one in reversed(lines) if one.get("event", {}).get("is") == kind)
    last["event"] |= change
    with path.open("a") as file:
        file.write(json.dumps(last) + "\n")
    with pytest.raises(DoesNotFollow, match=said):
        replay(path)
