"""What the documents point to exists, and they keep to themselves what belongs to no reader."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(#[^)]*)?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    targets = [target for target, _ in LINK.findall(document.read_text("utf-8"))]
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_into_a_page_names_a_heading_of_it(document: Path) -> None:
    wrong = [
        target + anchor
        for target, anchor in LINK.findall(document.read_text("utf-8"))
        if anchor and "://" not in target and anchor[1:] not in _anchors(document.parent / target)
    ]
    assert wrong == []


def _anchors(page: Path) -> set[str]:
    """The headings of a page as links name them: small letters, words joined by hyphens."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        ahead += [
            (page.parent / target).resolve()
            for target, _ in LINK.findall(page.read_text("utf-8"))
            if "://" not in target
        ]
    pages = {page for page in DOCUMENTS if page.is_relative_to(ROOT / "docs")}
    assert sorted(str(page.relative_to(ROOT)) for page in pages - reached) == []


def test_locked_requirements_name_hashes_and_no_address() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        lines = lock.read_text("utf-8").splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("-")]
        pins = [line for line in lines if re.match(r"[a-z0-9]", line)]
        assert pins and all("==" in line and line.endswith("\\") for line in pins)


def test_commands_of_the_readme_are_commands() -> None:
    shown = (ROOT / "README.md").read_text("utf-8")
    names = set(re.findall(r"bin/leadkeep ([a-z-]+)", shown))
    help_text = subprocess.run(
        [ROOT / "bin" / "leadkeep", "--help"], capture_output=True, text=True, check=True
    ).stdout
    offered = set(re.findall(r"^  ([a-z-]+)", help_text, re.MULTILINE))
    assert names <= offered
