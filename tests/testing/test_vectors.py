"""The vectors of tests/vectors: the real peer does what they say, and they say all there is."""

import json
import re
from functools import cache

import pytest

from reconnect.core.control import Control
from reconnect.core.peer import Peer
from reconnect.testing.conformance import verdicts
from reconnect.testing.conformance.actor import Who
from reconnect.testing.conformance.verdicts import verdict
from reconnect.testing.vectors import (
    Difference,
    History,
    Step,
    VectorError,
    check,
    check_vectors,
    main,
    read_vectors,
    write_vectors,
)
from tests.testing.simulation.rows import CLIENT_ROWS
from tests.vectors.generate import FOLDER, VOLUMES, rows_of, sample
from tests.vectors.messages import write_messages

TOPOLOGIES = [volume.topology for volume in VOLUMES]
MIB = 1 << 20
WHO = Who(session="game", player="ann")
DIAL = Step(2, {"is": "time"}, effects=[{"do": "dial"}], then={"due_ms": 5002})
CLOSED = {"is": "closed", "cause": "reset"}


@cache
def histories(topology):
    return tuple(read_vectors(FOLDER / f"{topology}.jsonl"))


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_real_peer_does_what_every_history_says(topology):
    """Each effect, each value of its state, after each event; and the rows are those it names."""
    for history in histories(topology):
        assert rows_of(history) == history.rows, history.name


def test_every_row_of_the_clients_tables_is_visited():
    """By more than one history each: an implementation that passes has taken every row."""
    visited = [row for topology in TOPOLOGIES for one in histories(topology) for row in one.rows]
    rows = {row.removeprefix("5 ") for row in CLIENT_ROWS}
    assert set(visited) == rows
    assert min(visited.count(row) for row in rows) >= 2


def test_a_client_without_links_finds_nearly_all_rows_in_its_own_file():
    """What is left out is about links; so are the histories of the other files."""
    about_links = {
        "peer's generation rose",
        "required link down while armed or playing",
        "link proven while halted",
        "recovery",
    }
    visited = {row for history in histories("server") for row in history.rows}
    assert visited == {row.removeprefix("5 ") for row in CLIENT_ROWS} - about_links


def test_the_folder_is_large_enough_and_not_too_large():
    """Two thousand histories, most of them without links, in a repository that is quick to get."""
    number = {topology: len(histories(topology)) for topology in TOPOLOGIES}
    assert sum(number.values()) >= 2000
    assert number["server"] > sum(number.values()) / 2
    assert sum(path.stat().st_size for path in FOLDER.glob("*.jsonl")) <= 6 * MIB


def test_no_two_histories_have_the_same_name():
    """A failure can be looked up."""
    names = [one.name for topology in TOPOLOGIES for one in histories(topology)]
    assert len(set(names)) == len(names)


# -- made anew -------------------------------------------------------------------------------------


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_histories_come_out_the_same_when_they_are_made_anew(topology, tmp_path):
    """Line for line; otherwise `make vectors` and look at what has changed."""
    number = 6
    write_vectors(tmp_path / "again.jsonl", sample(topology, number))
    again = (tmp_path / "again.jsonl").read_text("utf-8").splitlines()
    kept = (FOLDER / f"{topology}.jsonl").read_text("utf-8").splitlines()
    assert again[1:] == kept[1 : len(again)]
    named, all_named = (json.loads(lines[0])["policies"] for lines in (again, kept))
    assert named.items() <= all_named.items()


def test_the_messages_come_out_the_same_when_they_are_made_anew(tmp_path):
    """Byte for byte."""
    write_messages(tmp_path / "messages.jsonl")
    assert (tmp_path / "messages.jsonl").read_bytes() == (FOLDER / "messages.jsonl").read_bytes()


def test_what_is_written_is_read_back(tmp_path):
    """Policies by their names, lines by their numbers."""
    path = tmp_path / "some.jsonl"
    some = histories("relayed")[:20]
    write_vectors(path, some)
    again = read_vectors(path)
    assert [(one.name, one.who, one.rows) for one in again] == [
        (one.name, one.who, one.rows) for one in some
    ]
    assert [[step.to_json() for step in one.steps] for one in again] == [
        [step.to_json() for step in one.steps] for one in some
    ]
    lines = path.read_text("utf-8").splitlines()
    assert all(
        json.loads(lines[step.line - 1])["at_ms"] == step.at_ms
        for one in again
        for step in one.steps
    )


# -- a rule that is broken -------------------------------------------------------------------------


def _never(*_args, **_more):
    return None


def _lease_from_receipt(self, ack, held, now):
    self._sent_at.update({ack: now})
    return HEARD(self, ack, held, now)


def _starts_unready(self, now):
    return True


def _old_views_count(self, effects, view, now):
    self.version = 0
    return VIEWED(self, effects, view, now)


HEARD, VIEWED = Control.heard, Peer._viewed


@pytest.mark.parametrize(
    ("where", "rule", "broken"),
    [
        (Peer, "_check_lease", _never),
        (Peer, "_publish", _never),
        (Peer, "_refused", _never),
        (Peer, "_viewed", _old_views_count),
        (Peer, "ready", _starts_unready),
        (Peer, "_after_the_end", _never),
        (Control, "heard", _lease_from_receipt),
        (Control, "hurry", _never),
        (Control, "silent", lambda self, now: False),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_broken_rule_is_noticed(monkeypatch, where, rule, broken):
    """One rule of the client's half taken out or bent, and a client without links fails."""
    monkeypatch.setattr(where, rule, broken)
    found = [check(history) for history in histories("server") + histories("relayed")]
    assert any(found)


def test_a_difference_names_its_line_and_its_field(monkeypatch):
    """Without the lease a client plays on; the vector says where it should have stopped."""
    monkeypatch.setattr(Peer, "_check_lease", _never)
    path = FOLDER / "server.jsonl"
    lines = path.read_text("utf-8").splitlines()
    one, *_ = check_vectors(path)
    assert one.field == "effects[0]"
    (paused, *_) = json.loads(lines[one.line - 1])["effects"]
    assert paused == one.expected
    assert paused["cause"] == "lease_expired"
    assert str(one) == f"line {one.line}, {one.history}: effects[0] is None, not {paused!r}"


def test_the_example_of_the_readme_is_right():
    """It is how the first file begins."""
    text = (FOLDER / "README.md").read_text("utf-8")
    shown = re.findall(r"```json\n(.*?)\n```", text, re.DOTALL)
    _, head, *lines = (FOLDER / "server.jsonl").read_text("utf-8").splitlines()
    assert len(shown) == 6
    assert shown == lines[:6]
    assert (json.loads(head)["history"], json.loads(head)["kind"]) == ("server/1", "view")


def test_the_readme_names_every_event_effect_and_value():
    """And whatever else stands in a file."""
    text = (FOLDER / "README.md").read_text("utf-8")
    names = set(re.findall(r"`(\w+)`", text))
    for topology in TOPOLOGIES:
        for history in histories(topology):
            assert history.who.to_json().keys() <= names
            for step in history.steps:
                assert step.to_json().keys() | step.then.keys() <= names
                for one in (step.event, *step.effects):
                    assert one.keys() | {one.get("is") or one.get("do")} <= names, one


def test_every_part_of_a_line_is_looked_at():
    """What came of an event, what did not, and what a client that did nothing would get wrong."""
    right = History("h", WHO, [DIAL])
    assert check(right) is None
    for wrong, field in (
        (Step(2, DIAL.event, then=DIAL.then), "effects[0]"),
        (Step(2, DIAL.event, effects=[*DIAL.effects] * 2, then=DIAL.then), "effects[1]"),
        (Step(2, DIAL.event, effects=[{"do": "hang_up"}], then=DIAL.then), "effects[0].do"),
        (Step(2, DIAL.event, effects=DIAL.effects, taken=[{}], then=DIAL.then), "taken[0]"),
        (Step(2, DIAL.event, effects=DIAL.effects), "then.due_ms"),
        (Step(2, DIAL.event, effects=DIAL.effects, then={"due_ms": 5006}), "then.due_ms"),
        (Step(2, DIAL.event, effects=DIAL.effects, then={**DIAL.then, "epoch": 1}), "then.epoch"),
    ):
        found = check(History("h", WHO, [wrong]))
        assert found is not None
        assert found.field == field


def test_a_random_number_too_many_is_noticed():
    """A client may use no more of them than the history has."""
    found = check(History("h", WHO, [DIAL, Step(9, CLOSED, line=3)]))
    assert found == Difference(3, "h", "event", "handled", "no random number is left")


def test_random_numbers_that_are_left_over_are_no_difference():
    """A client that has ended need not draw a delay for a dial that never comes."""
    then = {"due_ms": 59}
    step = Step(9, CLOSED, [0.5, 0.25], then=then)
    assert check(History("h", WHO, [DIAL, step])) is None


# -- messages --------------------------------------------------------------------------------------


def test_the_real_decoder_says_what_every_message_says():
    """Hundreds of them, each wrong in one way, besides those that are right."""
    assert check_vectors(FOLDER / "messages.jsonl") == []
    lines = (FOLDER / "messages.jsonl").read_text("utf-8").splitlines()[1:]
    said = [json.loads(line)["verdict"] for line in lines]
    assert said.count("rejected") >= 300
    assert said.count("accepted") >= 100


def test_a_decoder_that_is_too_kind_is_noticed(monkeypatch, tmp_path):
    """A message that is let through is a difference, with its line."""
    path = tmp_path / "messages.jsonl"
    head = {"what": "a test", "from": "client", "text": "[]"}
    lines = [{"messages": 1}, {**head, **verdict("[]", "client")}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert check_vectors(path) == []
    monkeypatch.setattr(verdicts, "_read", lambda raw, sender: {"type": "bye"})
    (found,) = check_vectors(path)
    assert (found.line, found.history, found.field) == (2, "a test", "verdict")


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("{}\n", 1),
        ("nonsense\n", 1),
        ('{"vectors":1,"policies":{}}\n[]\n', 2),
        ('{"vectors":2,"policies":{}}\n', 1),
        ('{"vectors":1,"policies":{}}\n{"history":"h","version":9}\n', 2),
        ('{"vectors":1,"policies":{}}\n{"at_ms":1}\n', 2),
        ('{"vectors":1,"policies":{}}\n{"at_ms":1,"event":{"is":"time"}}\n', 2),
        (
            '{"vectors":1,"policies":{}}\n'
            '{"at_ms":1,"event":{"is":"message","message":{"policy":"p1"}}}\n',
            2,
        ),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path, text, line):
    """A file that is no vector at all is not one without differences."""
    path = tmp_path / "broken.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(VectorError, match=f"line {line}: ") as caught:
        check_vectors(path)
    assert caught.value.line == line


def test_the_command_says_what_differs(tmp_path, capsys):
    """Each file's number of differences, each difference, and an exit code."""
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    write_vectors(good, [History("h", WHO, [DIAL])])
    write_vectors(bad, [History("h", WHO, [Step(2, DIAL.event)])])
    assert main([str(good)]) == 0
    assert main([str(good), str(bad)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"{bad}: 1 differences"
    assert said[-2].startswith(f"{bad}: line 3, h: effects[0] is ")
