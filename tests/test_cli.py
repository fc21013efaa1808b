"""The command line says what it can do, and does it."""

from pathlib import Path

import pytest

from reconnect import cli
from reconnect.diagram import mermaid
from reconnect.telemetry.export import Exporter
from reconnect.telemetry.trace import TraceWriter
from tests.games import Game


@pytest.fixture
def trace(tmp_path: Path) -> tuple[str, str]:
    path = tmp_path / "trace.jsonl"
    game = Game(recorder=TraceWriter(path))
    game.run(2)
    game.network.cut("alice", "bob")
    game.run(3)
    game.coordinator.close()
    return str(path), game.session.id


def test_a_session_of_a_trace_is_explained(
    trace: tuple[str, str], capsys: pytest.CaptureFixture[str]
):
    """The sentence is about the end of the trace, and names what is waited for."""
    path, session = trace
    assert cli.main(["explain", path, session]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{session}: reconnecting for ")
    assert "alice: attached, link to bob down" in said


def test_without_a_session_all_are_explained(
    trace: tuple[str, str], capsys: pytest.CaptureFixture[str]
):
    """Leaving the session out explains every one."""
    path, session = trace
    assert cli.main(["explain", path]) == 0
    assert session in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"), [("none.jsonl", "No such file"), ("trace.jsonl", "no session 'other'")]
)
def test_what_is_not_there_is_said(
    trace: tuple[str, str], capsys: pytest.CaptureFixture[str], name: str, said: str
):
    """A file or a session that is not there is an error in words."""
    path = str(Path(trace[0]).with_name(name))
    assert cli.main(["explain", path, "other"]) == 2
    assert said in capsys.readouterr().err


def test_a_trace_is_verified(trace: tuple[str, str], capsys: pytest.CaptureFixture[str]):
    """Exit status 0: every line follows from those before it."""
    path, _ = trace
    assert cli.main(["verify", path]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{path}: every line follows")
    assert "(sessions: 1; steps: " in said


def test_a_changed_trace_is_found_out(trace: tuple[str, str], capsys: pytest.CaptureFixture[str]):
    """Exit status 1: a line does not follow, and which one is said."""
    path, _ = trace
    lines = Path(path).read_text().splitlines()
    lines[-1] = lines[-1].replace('"reconnecting"', '"connected"')
    Path(path).write_text("\n".join(lines) + "\n")
    assert cli.main(["verify", path]) == 1
    assert f"line {len(lines)}: the trace says" in capsys.readouterr().out


def test_what_is_no_trace_cannot_be_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Exit status 2: there is nothing to say about its lines."""
    path = tmp_path / "other.txt"
    assert cli.main(["verify", str(path)]) == 2
    path.write_text("hello\n")
    assert cli.main(["verify", str(path)]) == 2
    said = capsys.readouterr().err
    assert "No such file" in said
    assert "line 1" in said


def test_exports_are_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """`reconnect report` prints what the report says; what is no export is an error in words."""
    game = Game(recorder=Exporter(tmp_path))
    game.session.end("won")
    assert cli.main(["report", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "sessions: 1; outages: 0\n"
    (tmp_path / "other.json").write_text("{}")
    assert cli.main(["report", str(tmp_path)]) == 2
    assert "other.json is no export" in capsys.readouterr().err


def test_the_diagram_is_the_table(capsys: pytest.CaptureFixture[str]):
    """`reconnect diagram` prints what the README shows."""
    assert cli.main(["diagram"]) == 0
    assert capsys.readouterr().out == mermaid() + "\n"


def test_a_demo_without_its_packages_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The missing packages are named, and the command that installs them."""
    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == "rich" else object())
    assert cli.main(["demo"]) == 2
    assert capsys.readouterr().err == (
        "reconnect: the demo needs rich: pip install 'reconnect[demo]'\n"
    )


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]):
    """`reconnect --help` lists what there is."""
    with pytest.raises(SystemExit) as done:
        cli.main(["--help"])
    assert done.value.code == 0
    said = capsys.readouterr().out
    assert all(command in said for command in ("demo", "explain", "verify", "report", "diagram"))
