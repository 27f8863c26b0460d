"""Every configuration that the documents show is one that Leadkeep takes."""

import re
from pathlib import Path

import pytest

from leadkeep.destinations.transform import Transform
from leadkeep.settings.load import load
from leadkeep.sources.routing import Router

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}:{number}")
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    for number, block in enumerate(BLOCK.findall(page.read_text("utf-8")), 1)
]


@pytest.mark.parametrize("toml", SHOWN)
def test_a_shown_configuration_is_taken(toml: str, tmp_path: Path) -> None:
    # A part of a file may name a destination that another part of it defines.
    named = set(re.findall(r"destinations = \[(.*?)\]", toml))
    wanted = {name.strip(' "') for names in named for name in names.split(",") if name.strip()}
    defined = set(re.findall(r"^\[destinations\.([\w-]+)\]", toml, re.MULTILINE))
    missing = "".join(f'[destinations.{n}]\nurl = "http://h/"\n' for n in sorted(wanted - defined))
    (tmp_path / "leadkeep.toml").write_text(f"{toml}\n{missing}")
    settings = load(config=None, environ={}, flags={}, cwd=tmp_path, check_files=False)
    assert settings.config_file == tmp_path / "leadkeep.toml"
    assert Router.of(settings)
    for name, chosen in settings.destinations.items():
        Transform.of(name, chosen)


def test_the_quick_start_shows_a_configuration() -> None:
    assert any("quick-start" in str(param.id) for param in SHOWN)
