"""A scheme that another, really installed package adds by an entry point."""

from pathlib import Path

import pytest

from leadkeep.clock import SystemClock
from leadkeep.destinations.base import Destination
from leadkeep.destinations.http import HttpDestination
from leadkeep.destinations.python import PythonDestination
from leadkeep.destinations.schemes import make_destination
from leadkeep.errors import SettingsError
from leadkeep.settings.load import load
from leadkeep.settings.model import DestinationSettings
from tests.integration.delivery.leads import BODY, LEAD_ID, a_claim

PACKAGE = '''
"""Puts leads into a folder: one file each, named by its id, so that twice is once."""

from pathlib import Path
from leadkeep.destinations.base import Reply
from leadkeep.errors import SettingsError

class FolderDestination:
    def __init__(self, name, settings, *, clock):
        self.name = name
        self._folder = Path(settings.url.partition(":")[2])
        self._suffix = settings.options.get("suffix", "")
        self.closed = False

    async def attempt(self, claim):
        try:
            (self._folder / (claim.lead_id + self._suffix)).write_bytes(claim.body)
        except OSError as error:
            return Reply(confirmed=False, error_class="disk", error_message=type(error).__name__)
        return Reply(confirmed=True)

    async def examine(self):
        if not self._folder.is_dir():
            raise SettingsError(f"destinations.{self.name}.url: {self._folder} is no folder")

    async def close(self):
        self.closed = True
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package, installed as an installer leaves it."""
    site = tmp_path / "site"
    info = site / "leadkeep_folder-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "leadkeep_folder.py").write_text(PACKAGE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: leadkeep-folder\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[leadkeep.destinations]\n"
        "folder = leadkeep_folder:FolderDestination\n"
        "broken = leadkeep_folder_that_is_not_there:Destination\n"
    )
    (info / "RECORD").write_text("leadkeep_folder.py,,\n")
    monkeypatch.syspath_prepend(site)
    return site


async def test_its_scheme_is_a_destination_like_any_other(package: Path, tmp_path: Path) -> None:
    (tmp_path / "leads").mkdir()
    (tmp_path / "leadkeep.toml").write_text(
        f"[destinations.crm]\nurl = 'folder:{tmp_path}/leads'\noptions = {{ suffix = '.json' }}\n"
    )
    settings = load(config=None, environ={}, flags={}, cwd=tmp_path)
    destination: Destination = make_destination(
        "crm", settings.destinations["crm"], clock=SystemClock()
    )
    assert destination.name == "crm"
    assert (await destination.attempt(a_claim())).confirmed
    assert (tmp_path / "leads" / f"{LEAD_ID}.json").read_bytes() == BODY
    await destination.close()


def test_a_scheme_that_nobody_serves_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "leadkeep.toml").write_text("[destinations.crm]\nurl = 'folder:/tmp'\n")
    with pytest.raises(SettingsError, match=r"destinations\.crm\.url"):
        load(config=None, environ={}, flags={}, cwd=tmp_path)
    with pytest.raises(SettingsError, match="no installed package serves folder:"):
        make_destination("crm", DestinationSettings(url="folder:/tmp"), clock=SystemClock())


@pytest.mark.usefixtures("package")
def test_a_package_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(SettingsError, match="leadkeep_folder_that_is_not_there"):
        make_destination("crm", DestinationSettings(url="broken:x"), clock=SystemClock())


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://app.example/", HttpDestination),
        ("HTTPS://app.example/", HttpDestination),
        ("python:package.module:function", PythonDestination),
    ],
)
def test_our_own_schemes_are_not_for_others_to_take(
    package: Path, url: str, kind: type[Destination]
) -> None:
    info = package / "leadkeep_folder-1.0.dist-info"
    ours = "".join(f"{s} = leadkeep_folder:FolderDestination\n" for s in ("http", "python"))
    (info / "entry_points.txt").write_text(f"[leadkeep.destinations]\n{ours}")
    made = make_destination("crm", DestinationSettings(url=url), clock=SystemClock())
    assert isinstance(made, kind)
