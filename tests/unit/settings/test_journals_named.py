"""Journals are named in order: the store, and folders."""

from pathlib import Path

import pytest

from leadkeep.errors import SettingsError
from leadkeep.settings.load import load
from leadkeep.settings.model import Settings

URL = 'url = "postgresql://leadkeep@db.example/leadkeep"'


def loaded(folder: Path, text: str) -> Settings:
    config = folder / "leadkeep.toml"
    config.write_text(text)
    return load(config=config, environ={}, flags={}, cwd=folder)


def test_by_default_there_is_one_folder(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").journal_places == (tmp_path / "data" / "journal",)


def test_the_store_and_folders_keep_their_order(tmp_path: Path) -> None:
    text = f'journals = ["store", "disk:here", "disk:/there"]\n[store]\n{URL}\n'
    settings = loaded(tmp_path, text)
    assert settings.journal_places == ("store", tmp_path / "here", Path("/there"))
    assert settings.journal_folders == (tmp_path / "here", Path("/there"))


def test_the_store_alone_needs_no_folder(tmp_path: Path) -> None:
    settings = loaded(tmp_path, f'journals = ["store"]\n[store]\n{URL}\n')
    assert (settings.journal_places, settings.journal_folders) == (("store",), ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('journals = ["store"]', "store.url names none"),
        ('journals = ["somewhere"]', "disk:/var/lib/journal"),
        (f'journals = ["store", "store"]\n[store]\n{URL}', "once at most"),
        ('journals = ["disk:a", "disk:a"]', "names the same folder twice"),
        ('journals = ["disk:a"]\n[journal]\nfolders = ["b"]', "journals names other folders"),
        ('journals = ["disk:"]', "disk:/var/lib/journal"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, text)
    assert words in str(refused.value)
