"""A trace says what happened, and nothing that it must not say."""

import json
from pathlib import Path

import pytest

from reconnect import Policy
from reconnect.telemetry.trace import Began, Step, TraceError, TraceWriter, read_trace
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
    """A coordinator that starts again goes on in the same file, with one header."""
    game = Game(recorder=TraceWriter(trace))
    game.run(1)
    game.coordinator.close()
    began = [line for _, line in read_trace(trace) if isinstance(line, Began)]
    assert len({one.record.session for one in began}) == 2
    assert sum('"trace":' in line for line in trace.read_text().splitlines()) == 1


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
