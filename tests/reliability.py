"""Puts the figures of docs/proof.json into docs/reliability.md: `python -m tests.reliability`."""

import re
from pathlib import Path

from reconnect.testing.proof import Proof

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "reliability.md"
KEPT = DOCS / "proof.json"
FIGURES = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- /figures -->)", re.DOTALL)


def filled(page: str, proof: Proof) -> str:
    """The page with the figures of this proof in place of those it has."""
    figures = "\n".join(["", *proof.page(), "", ""])
    return FIGURES.sub(lambda _: figures, page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8"), Proof.read(KEPT)), "utf-8")
