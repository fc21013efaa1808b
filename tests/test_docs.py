"""Every piece of Python in the README and the documentation runs as it stands.

The blocks of one page run from top to bottom in one namespace and one event loop. What a reader
need not see, such as a player to talk to, stands in an HTML comment that begins with
`<!-- python`, in the page itself, and runs in its place. For such comments there are `serving`, and
`PAGE`, the page's own text. `__file__` is a file in an empty folder, where the page runs.
"""

import ast
import asyncio
import contextlib
import inspect
import linecache
import re
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from attrs import frozen

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
FENCE = re.compile(
    r"^(?P<indent> *)(?:```(?P<language>[^\n]*)|<!-- (?P<hidden>python))\n"
    r"(?P<code>.*?)^(?P=indent)(?(hidden)-->|```)$",
    re.MULTILINE | re.DOTALL,
)
NOT_RUN = {"text", "sh", "mermaid", "toml", "yaml", "json", "nginx", "make"}
SECONDS_PER_PAGE = 60


@frozen
class Block:
    """A piece of a page that has a language; `line` is where its first line stands."""

    language: str
    line: int
    code: str


def blocks(text: str) -> Iterator[Block]:
    for match in FENCE.finditer(text):
        language = match["language"] if match["hidden"] is None else "python"
        line = text.count("\n", 0, match.start("code"))
        indent = len(match["indent"])
        yield Block(
            language,
            line,
            "".join(one[indent:] or "\n" for one in match["code"].splitlines(keepends=True)),
        )


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI application on a free port of this machine; gives its address."""
    config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.create_task(server.serve([listening]))
        try:
            while not server.started and not task.done():
                await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


async def run(code: str, *, name: str, namespace: dict[str, Any]) -> None:
    """Run a module that may await at its top level."""
    compiled = compile(code, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    outcome = eval(compiled, namespace)
    if inspect.isawaitable(outcome):
        await outcome


async def run_page(path: Path) -> int:
    """Run the Python of a page; how many pieces there were. Tracebacks show the page's lines."""
    text = path.read_text("utf-8")
    namespace: dict[str, Any] = {
        "__name__": path.stem,
        "__file__": str(Path.cwd() / "test_page.py"),
        "PAGE": text,
        "serving": serving,
    }
    linecache.cache[str(path)] = (len(text), None, text.splitlines(keepends=True), str(path))
    code = [block for block in blocks(text) if block.language == "python"]
    async with asyncio.timeout(SECONDS_PER_PAGE):
        for block in code:
            await run("\n" * block.line + block.code, name=str(path), namespace=namespace)
    return len(code)


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PAGES, ids=names)
async def test_the_python_of_a_page_runs(path, capsys, tmp_path, monkeypatch):
    """What a page tells a reader to type works, from its first line to its last."""
    monkeypatch.chdir(tmp_path)
    before = asyncio.all_tasks()
    await run_page(path)
    left = asyncio.all_tasks() - before
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


@pytest.mark.parametrize("path", PAGES, ids=names)
def test_what_is_not_run_does_not_look_as_if_it_were(path):
    """Every fenced block names its language, and only `python` is Python."""
    text = path.read_text("utf-8")
    found = list(blocks(text))
    assert {block.language for block in found} <= NOT_RUN | {"python"}
    assert text.count("```") == 2 * sum(
        match["hidden"] is None for match in FENCE.finditer(text)
    ), "a fence without an end, or one inside a line"
    assert text.count("<!-- python") == sum(
        match["hidden"] is not None for match in FENCE.finditer(text)
    )


async def test_a_wrong_snippet_is_noticed(tmp_path):
    """A page whose second block contradicts its first fails, in the line where it stands."""
    page = tmp_path / "page.md"
    page.write_text("Text\n\n```python\nx = 1\n```\n\n<!-- python\nassert x == 2\n-->\n", "utf-8")
    with pytest.raises(AssertionError) as caught:
        await run_page(page)
    assert caught.traceback[-1].lineno + 1 == 8
