"""The command `reconnect`: reads its arguments, and nothing else."""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec

from reconnect.core.explain import explain_session
from reconnect.diagram import mermaid
from reconnect.telemetry.replay import DoesNotFollow, replay
from reconnect.telemetry.report import NoExport, report
from reconnect.telemetry.trace import TraceError

DEMO_NEEDS = ("aiortc", "rich", "socketio", "uvicorn")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["demo"]:  # has options of its own, and packages that others need not have
        return _demo(given[1:])
    if given[:1] == ["prove"]:  # has options of its own, and starts processes like itself
        return _run("reconnect.testing.prove", given[1:])
    options = _parser().parse_args(given)
    status: int = options.run(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reconnect", description="Pause, mend and resume multiplayer games."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser(
        "demo", help="a real game over real WebRTC, whose wire is cut and which comes back"
    )
    commands.add_parser(
        "prove", help="play games in which anything may fail, and hold them against the laws"
    )
    explain = commands.add_parser("explain", help="why a session of a trace is where it is")
    explain.set_defaults(run=_explain)
    explain.add_argument("trace", metavar="FILE", help="what a TraceWriter has written")
    explain.add_argument("session", metavar="SESSION", nargs="?", help="its id; all, if left out")
    verify = commands.add_parser(
        "verify", help="whether each line of a trace follows from those before it"
    )
    verify.set_defaults(run=_verify)
    verify.add_argument("trace", metavar="FILE", help="what a TraceWriter has written")
    summary = commands.add_parser("report", help="what the outages of many sessions came to")
    summary.set_defaults(run=_report)
    summary.add_argument("folder", metavar="FOLDER", help="where an Exporter has written")
    diagram = commands.add_parser("diagram", help="the five states and their moves, as Mermaid")
    diagram.set_defaults(run=_diagram)
    return parser


def _demo(options: list[str]) -> int:
    missing = [package for package in DEMO_NEEDS if find_spec(package) is None]
    if missing:
        return _fail(f"the demo needs {', '.join(missing)}: pip install 'reconnect[demo]'")
    return _run("reconnect.demo", options)


def _run(module: str, options: list[str]) -> int:
    """In a process of its own, which the terminal interrupts together with this one."""
    process = subprocess.Popen([sys.executable, "-m", module, *options])
    while True:
        with suppress(KeyboardInterrupt):
            return process.wait()


def _explain(options: argparse.Namespace) -> int:
    try:
        replayed = replay(options.trace)
    except (OSError, TraceError) as error:
        return _fail(f"{options.trace}: {error}")
    wanted = list(replayed.sessions) if options.session is None else [options.session]
    for name in wanted:
        if name not in replayed.sessions:
            return _fail(f"{options.trace} has no session {name!r}")
        sentence = explain_session(replayed.sessions[name], replayed.now[name])
        sys.stdout.write(f"{name}: {sentence}\n")
    return 0


def _verify(options: argparse.Namespace) -> int:
    """0 if every line follows, 1 if one does not, 2 if one cannot be read."""
    try:
        replayed = replay(options.trace)
    except DoesNotFollow as error:
        sys.stdout.write(f"{options.trace}: {error}\n")
        return 1
    except (OSError, TraceError) as error:
        return _fail(f"{options.trace}: {error}")
    sys.stdout.write(
        f"{options.trace}: every line follows from those before it "
        f"(sessions: {len(replayed.sessions)}; steps: {replayed.steps})\n"
    )
    return 0


def _report(options: argparse.Namespace) -> int:
    try:
        lines = list(report(options.folder).lines())
    except (OSError, NoExport) as error:
        return _fail(str(error))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _diagram(_options: argparse.Namespace) -> int:
    sys.stdout.write(mermaid() + "\n")
    return 0


def _fail(sentence: str) -> int:
    sys.stderr.write(f"reconnect: {sentence}\n")
    return 2
