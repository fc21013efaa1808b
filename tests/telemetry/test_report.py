"""Sums over many sessions, from their files."""

import json
from pathlib import Path

import pytest

from reconnect.telemetry.export import Exporter
from reconnect.telemetry.report import NoExport, Row, report
from tests.telemetry.scenes import Scene


def export(folder: Path, session: str, *outages: tuple[str, float | None, str | None]) -> None:
    """A file with all that a report looks at: cause, length and outcome of each outage."""
    form = {
        "provenance": {"session": session},
        "session": {
            "outages": [
                {"cause": cause, "paused_s": paused, "outcome": outcome}
                for cause, paused, outcome in outages
            ]
        },
    }
    number = len(list(folder.iterdir()))
    (folder / f"{number}.json").write_text(json.dumps(form))


def test_outages_are_summed_up_by_cause(tmp_path: Path):
    """The most frequent first; how many were survived; median, 90 % and the longest; then all."""
    export(tmp_path, "a", ("link_lost", 2.0, "connected"), ("player_lost", 30.0, "timeout"))
    export(tmp_path, "b", ("link_lost", 4.0, "connected"), ("link_lost", 12.0, "player_left"))
    export(tmp_path, "c")
    summed = report(tmp_path)
    assert summed.sessions == 3
    assert summed.rows == (
        Row("link_lost", 3, pytest.approx(2 / 3), 4.0, pytest.approx(10.4), 12.0),
        Row("player_lost", 1, 0.0, 30.0, 30.0, 30.0),
        Row("all", 4, 0.5, 8.0, pytest.approx(24.6), 30.0),
    )
    assert list(summed.lines()) == [
        "sessions: 3; outages: 4",
        "cause              outages  survived  median s     p90 s longest s",
        "link_lost                3     66.7%      4.00     10.40     12.00",
        "player_lost              1      0.0%     30.00     30.00     30.00",
        "all                      4     50.0%      8.00     24.60     30.00",
    ]


def test_an_outage_that_was_not_over_is_left_out(tmp_path: Path):
    """The next process has written it to its own file; a session in two files is one session."""
    export(tmp_path, "a", ("link_lost", None, None))
    export(tmp_path, "a", ("unknown", 9.0, "connected"))
    summed = report(tmp_path)
    assert (summed.sessions, [row.cause for row in summed.rows]) == (1, ["unknown", "all"])


def test_without_outages_there_is_nothing_to_sum_up(tmp_path: Path):
    """One line says so."""
    assert list(report(tmp_path).lines()) == ["sessions: 0; outages: 0"]


def test_what_an_exporter_has_written_can_be_read(tmp_path: Path):
    """Other files in the folder do not matter, unless they pretend to be exports."""
    scene = Scene(recorder=Exporter(tmp_path))
    scene.outage("bob")
    scene.session.end("won")
    (tmp_path / "notes.txt").write_text("rainy")
    summed = report(tmp_path)
    assert (summed.sessions, summed.rows[0].cause, summed.rows[0].survived) == (1, "link_lost", 1.0)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"session": {"outages": [{}]}}', "\xff"])
def test_a_file_that_is_no_export_is_named(tmp_path: Path, text: str):
    """Nothing is summed up without it in silence."""
    (tmp_path / "other.json").write_text(text, "latin-1")
    with pytest.raises(NoExport, match=r"other\.json is no export") as caught:
        report(tmp_path)
    assert caught.value.path == tmp_path / "other.json"
