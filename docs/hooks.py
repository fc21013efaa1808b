"""Draws the states where a page has them as Mermaid, so that no script has to be fetched."""

from typing import Any

from reconnect.diagram import mermaid, svg


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the drawing in the place of the fenced diagram."""
    return markdown.replace(f"```mermaid\n{mermaid()}\n```", f"<div>\n{svg()}\n</div>")
