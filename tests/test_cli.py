"""The command line says what it can do, and does it."""

from pathlib import Path

import pytest

from reconnect import cli
from reconnect.diagram import mermaid
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
    assert all(command in said for command in ("demo", "explain", "diagram"))
