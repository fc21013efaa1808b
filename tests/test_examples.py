"""Every example is a program that runs, says something, and ends by itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "examples").glob("*.py"))
EXAMPLES = [path for path in FILES if not path.name.startswith("_")]  # the rest is imported by them
SECONDS = 120
LINES_MAX = 80  # more than a reader takes in at once


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_example_runs(path, tmp_path):
    """It ends in time with exit status 0, prints something, and warns of nothing."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_example_is_short(path):
    """It is read in one go."""
    assert len(path.read_text("utf-8").splitlines()) <= LINES_MAX


def test_there_are_examples():
    """The folder was found."""
    assert EXAMPLES
