"""A trace says what happened, and nothing that it must not say."""

import json
from pathlib import Path

import pytest

from reconnect import IceServer, Policy
from reconnect.core.events import FrameReached
from reconnect.telemetry.provenance import provenance
from reconnect.telemetry.trace import Began, Step, TraceError, TraceWriter, read_trace
from tests.by_hand import House
from tests.games import Game


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace.jsonl"
    game = Game(policy=Policy(outage_timeout=10), recorder=TraceWriter(path))
    game.run(2)
    game.network.cut("alice", "bob")
    game.run(3)
    game.network.mend("alice", "bob")
    game.run(2)
    game.session.end()
    game.run(1)
    game.coordinator.close()
    return path


def test_every_event_is_a_line(trace: Path):
    """After the header come the beginning and every event, each with the state it led to."""
    lines = [line for _, line in read_trace(trace)]
    assert isinstance(lines[0], Began)
    assert lines[0].born
    steps = [line for line in lines if isinstance(line, Step)]
    assert [line.at for line in steps] == sorted(line.at for line in steps)
    assert {str(line.state) for line in steps} == {
        "paused",
        "reconnecting",
        "resumed",
        "connected",
        "ended",
    }
    assert json.loads(trace.read_text().splitlines()[0])["trace"] == 1


def test_no_token_is_in_it(tmp_path: Path):
    """Neither the tokens of the players nor their digests are written."""
    path = tmp_path / "trace.jsonl"
    game = Game(recorder=TraceWriter(path))
    token = game.session.invite("alice")
    game.run(1)
    digest = game.coordinator._mailboxes[game.session.id].record.seats[0].token_digest
    game.coordinator.close()
    text = path.read_text()
    assert digest is not None
    assert token not in text
    assert digest not in text


def test_a_trace_is_appended_to(trace: Path):
    """A coordinator that starts again goes on in the same file, with a header of its own."""
    game = Game(recorder=TraceWriter(trace))
    game.run(1)
    game.coordinator.close()
    began = [line for _, line in read_trace(trace) if isinstance(line, Began)]
    assert len({one.record.session for one in began}) == 2
    assert sum('"trace":' in line for line in trace.read_text().splitlines()) == 2


def test_the_header_says_what_wrote_it_and_by_which_clocks(tmp_path: Path):
    """Each process says so of its own lines."""
    path = tmp_path / "trace.jsonl"
    for written_at in (5.0, 6.0):
        TraceWriter(path, wall=lambda now=written_at: now).close()
    headers = [json.loads(line) for line in path.read_text().splitlines()]
    assert headers == [{"trace": 1, **provenance(written_at=at)} for at in (5.0, 6.0)]


def test_no_secret_of_a_server_is_in_it(tmp_path: Path):
    """A relay's address and credentials are in the policy, and the policy is in the record."""
    path = tmp_path / "trace.jsonl"
    relay = IceServer(["turn:relay.example:3478"], "user", "s3cret")
    game = Game(policy=Policy(ice_servers=[relay]), recorder=TraceWriter(path))
    game.run(1)
    game.coordinator.close()
    text = path.read_text()
    assert '"began"' in text
    assert not any(word in text for word in ("s3cret", "relay.example"))
    (began,) = [line for _, line in read_trace(path) if isinstance(line, Began)]
    assert began.record.policy == Policy()


@pytest.mark.parametrize("tail", [b"", b'{"at": 1', b"x" * 200_000, b"\xff"])
def test_what_a_crash_left_unfinished_is_cut_off(trace: Path, tail: bytes):
    """The next process begins with a line of its own, and the trace can be read."""
    whole = trace.read_bytes()
    trace.write_bytes(whole + tail)
    TraceWriter(trace).close()
    text = trace.read_bytes()
    assert text.startswith(whole)
    assert text[len(whole) :].startswith(b'{"trace":')
    assert list(read_trace(trace))


def test_a_file_without_a_whole_line_is_begun_anew(tmp_path: Path):
    """Nothing of it could ever be read."""
    path = tmp_path / "trace.jsonl"
    path.write_text("unfinished")
    TraceWriter(path).close()
    assert path.read_text().startswith('{"trace":')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the file is empty"),
        ('{"at": 1}\n', "line 1: ValueError: the first line is no header"),
        ('{"trace": 2}\n', "line 1: ValueError: format 2, not 1"),
    ],
)
def test_a_file_that_is_no_trace_is_said_to_be_none(tmp_path: Path, text: str, said: str):
    """From its first line."""
    path = tmp_path / "trace.jsonl"
    path.write_text(text)
    with pytest.raises(TraceError, match=said):
        list(read_trace(path))


def test_a_binary_file_is_no_trace(tmp_path: Path):
    """It is no UTF-8 either."""
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b'{"trace": 1}\n\xff\xfe\x00\n')
    with pytest.raises(TraceError, match="line 2"):
        list(read_trace(path))


def test_a_last_line_cut_short_is_left_out(trace: Path):
    """What a crash left unfinished is no error."""
    whole = list(read_trace(trace))
    text = trace.read_text()
    trace.write_text(text[:-10])
    assert len(list(read_trace(trace))) == len(whole) - 1


@pytest.mark.parametrize(
    "junk",
    [
        "no json",
        "{}",
        "[]",
        '{"trace": 99}',
        '{"at": 1, "session": "s", "event": {"is": "miracle"}, "state": "paused"}',
        '{"at": "1", "session": "s", "event": {"is": "time"}, "state": "paused"}',
        '{"at": 1, "session": "s", "event": {"is": "closed", "conn": "1"}, "state": "paused"}',
        '{"at": 1, "session": "s", "event": {"is": "report", "conn": 1, "player": "a", "held": 0,'
        ' "report": {"v": 1, "session": "s", "type": "bye"}}, "state": "paused"}',
        '{"at": 1, "wall": 1, "born": true, "began": {"format": 1}}',
    ],
)
def test_a_line_that_cannot_be_read_is_named(trace: Path, junk: str):
    """The error says which line it is."""
    lines = trace.read_text().splitlines()
    trace.write_text("\n".join([*lines[:3], junk, *lines[3:]]) + "\n")
    with pytest.raises(TraceError, match="line 4: ") as caught:
        list(read_trace(trace))
    assert caught.value.line == 4


def test_the_frames_of_a_server_are_events_too(tmp_path: Path):
    """They decide from where a game that the server runs is resumed."""
    path = tmp_path / "trace.jsonl"
    house = House(policy=Policy(topology="server"), recorder=TraceWriter(path))
    handle, (ann, _) = house.game()
    handle.frame = 77
    ann.report()
    house.coordinator.close()
    events = [line.event for _, line in read_trace(path) if isinstance(line, Step)]
    assert FrameReached(77) in events


@pytest.mark.parametrize("fields", [{"phase": "halted", "epoch": 2}, {"facts": True}])
def test_what_is_told_once_is_in_the_file_at_once(tmp_path: Path, fields):
    """A process that is killed loses nothing of it; heartbeats may wait for company."""
    path = tmp_path / "trace.jsonl"
    house = House(recorder=TraceWriter(path))
    _, (ann, _) = house.game()
    before = path.stat().st_size
    ann.report()
    assert path.stat().st_size == before
    if "facts" in fields:
        fields = {"facts": [{"n": 1, "kind": "stalled", "ago_ms": 0, "data": {"stalled_ms": 700}}]}
    ann.report(**fields)
    assert path.stat().st_size > before
    house.coordinator.close()
