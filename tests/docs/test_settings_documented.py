"""The generated pages are up to date and name every setting; the example file is true."""

import re
from pathlib import Path

from leadkeep.settings.describe import example, flag_help, reference
from leadkeep.settings.load import load
from leadkeep.settings.model import Settings
from leadkeep.settings.table import FLAGS, rows

ROOT = Path(__file__).resolve().parents[2]
AGAIN = "run `bin/leadkeep config reference` and `config example` again"


def test_the_reference_page_is_what_the_table_says() -> None:
    assert (ROOT / "docs/reference/settings.md").read_text("utf-8") == reference(), AGAIN


def test_the_example_file_is_what_the_table_says() -> None:
    assert (ROOT / "leadkeep.example.toml").read_text("utf-8") == example(), AGAIN


def test_every_setting_and_every_option_is_named_in_the_reference() -> None:
    page, section = reference(), ""
    named = set()
    for line in page.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ").strip("`[]")
        elif found := re.match(r"\| `(\w+)` \|", line):
            named.add(found[1] if section == "At the top" else f"{section}.{found[1]}")
    assert named == {row.key for row in rows().values()}
    assert all(f"`{flag}`" in page for flag in FLAGS.values())


def test_every_setting_has_a_sentence_of_help() -> None:
    for row in rows().values():
        assert row.help[:1].isupper() or row.help.startswith("`"), row.key
        assert row.help.endswith("."), row.key
    assert all(flag_help(key) for key in FLAGS)


def _load(text: str, folder: Path) -> Settings:
    config = folder / "leadkeep.toml"
    config.write_text(text, "utf-8")
    environ = {"CRM_API_KEY": "secret", "CRM_TOKEN": "secret"}
    return load(config=config, environ=environ, flags={}, cwd=folder, check_files=False)


def test_the_example_file_loads_and_changes_nothing(tmp_path: Path) -> None:
    ours, bare = _load(example(), tmp_path), _load("", tmp_path)
    assert {**vars(ours), "config_text": None} == {**vars(bare), "config_text": None} | {
        "origins": ours.origins
    }


def test_the_example_file_loads_with_everything_in_it_uncommented(tmp_path: Path) -> None:
    text = re.sub(r"^#(?=[\[a-z])", "", example(), flags=re.MULTILINE)
    settings = _load(text, tmp_path)
    given = {key for key, origin in settings.origins.items() if origin.kind == "file"}
    keys = {row.key.replace("NAME", "example") for row in rows().values()}
    assert given >= keys
    for row in rows().values():
        if "NAME" not in row.path and not row.example:
            value: object = settings
            for word in row.path:
                value = getattr(value, word)
            assert value == (tmp_path / "data" if row.key == "data" else row.default), row.key
