"""Every link inside the documentation leads somewhere: to a file that is there, and to a heading that it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def anchor(heading: str) -> str:
    """A heading's anchor as forges make it: lower case, words joined by hyphens, punctuation dropped."""
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def broken_links(page: Path) -> list[str]:
    """The links of a page that lead nowhere; those to other sites are not looked at."""
    broken = []
    for target in _LINK.findall(_FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            broken.append(f"{target}: no such file")
        elif fragment and fragment not in map(anchor, _HEADING.findall(_FENCE.sub("", file.read_text()))):
            broken.append(f"{target}: no such heading")
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A `b` heading, with dots.\n```\n[not](a-link)\n# no heading\n```\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n[ok](there.md) [ok](there.md#a-b-heading-with-dots) [ok](#here) [ok](https://example.org)\n"
        "[bad](gone.md) [bad](there.md#no-heading) [bad](#nowhere)\n"
    )
    assert broken_links(page) == [
        "gone.md: no such file",
        "there.md#no-heading: no such heading",
        "#nowhere: no such heading",
    ]
