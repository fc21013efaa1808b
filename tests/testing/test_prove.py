"""The command `reconnect prove`."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from reconnect.testing.prove import main

COMMAND = [sys.executable, "-m", "reconnect", "prove"]


def wait_for(path):
    """Until something has been proven."""
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_games_are_played_and_the_proof_is_printed(tmp_path, capsys):
    """`--json` prints one object, last."""
    status = main(
        ["--only", "games", "--seeds", "60", "--jobs", "2", "--folder", str(tmp_path), "--json"]
    )
    form = json.loads(capsys.readouterr().out)
    assert (form["seeds"], form["violations"]) == (60, [])
    assert form["faults"]
    assert {"empty_cells", "planted_found", "planted_missed", "states", "dead_ends"} <= form.keys()
    assert form["seconds"] > 0
    assert status == 1  # of so few games nobody knows enough
    assert form["empty_cells"]


def test_it_goes_on_where_it_was(tmp_path, capsys):
    """More seeds are played, and none twice."""
    for seeds in ("50", "100"):
        main(["--only", "games", "--seeds", seeds, "--jobs", "1", "--folder", str(tmp_path)])
    assert "100 games" in capsys.readouterr().out
    assert json.loads((tmp_path / "proof.json").read_text())["seeds"] == 100


def test_it_may_be_interrupted(tmp_path):
    """Ctrl-C keeps what was proven, and says how to go on."""
    process = subprocess.Popen(
        [*COMMAND, "--only", "games", "--seeds", "100000", "--jobs", "1", "--folder", tmp_path],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # whoever runs the tests in the background may have them ignore it
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(tmp_path / "proof.json")
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert "call again to go on" in said
    assert json.loads((tmp_path / "proof.json").read_text())["seeds"] >= 50


def test_its_processes_end_with_it(tmp_path):
    """Whoever kills the command has killed all of it."""
    command = [sys.executable, "-m", "reconnect.testing.prove", "--only", "games"]
    with subprocess.Popen(
        [*command, "--seeds", "100000", "--jobs", "2", "--folder", tmp_path],
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            wait_for(tmp_path / "proof.json")
            process.kill()
            process.communicate(timeout=60)  # until nobody has that pipe any more
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_what_is_no_folder_is_refused(tmp_path, capsys):
    """Before anything is proven."""
    path = tmp_path / "file"
    path.touch()
    assert main(["--folder", str(path)]) == 2
    assert "File exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        *(["--seeds", "0"], ["--seeds", "x"], ["--jobs", "-1"], ["--only", "nothing"]),
        *(["--minutes", minutes] for minutes in ("0", "-1", "nan", "inf", "x")),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, capsys):
    """With a sentence."""
    with pytest.raises(SystemExit) as refused:
        main(wrong)
    assert refused.value.code == 2
    assert "error:" in capsys.readouterr().err
