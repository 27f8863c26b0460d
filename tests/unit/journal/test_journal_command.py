"""`leadkeep journal …`: lists, prints and verifies what is there, and changes nothing."""

import base64
import json
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from leadkeep.cli import main
from leadkeep.clock import SystemClock
from leadkeep.journal.archive import Archive
from leadkeep.journal.layout import BLOCK
from leadkeep.journal.reader import DiskJournalReader
from tests.fakes.clock import FakeClock
from tests.unit.journal.conftest import OpenJournal
from tests.unit.journal.journal_parts import abandon, encoded, lead


@pytest.fixture
def clock() -> FakeClock:
    """A clock of this boot: the commands use the machine's own."""
    return FakeClock(boot_id=SystemClock().boot_id)


@pytest.fixture
def data(folder: Path) -> Path:
    return folder.parent


def run(data: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--data", str(data), "journal", *words])


def lines(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def written(open_journal: OpenJournal, folder: Path) -> list[UUID]:
    """An archived segment with the lead 1, and one in the journal with the leads 2 and 3."""
    journal = open_journal()
    archived = journal.commit(encoded(1)).segment
    journal.close()
    (info,) = DiskJournalReader(folder).segments()
    Archive(folder.parent / "archive").keep(info)
    journal = open_journal()
    journal.commit(encoded(2, body="naïve \x1b[2J".encode()))
    position = journal.commit(encoded(3, body=b"\xff\x00"))
    abandon(journal)
    return [archived, position.segment]


def test_an_installation_without_a_journal_is_empty_and_well(tmp_path: Path) -> None:
    assert json.loads(run(tmp_path, "list", "--json").stdout) == []
    verified = run(tmp_path, "verify", "--json")
    assert (verified.exit_code, json.loads(verified.stdout)["ok"]) == (0, True)


def test_list_shows_each_segment_with_its_records(data: Path, written: list[UUID]) -> None:
    (row,) = json.loads(run(data, "list", "--json").stdout)
    assert (row["segment"], row["state"]) == (str(written[1]), "dead")
    assert (row["records"], row["bytes"], row["absorbed"]) == (2, 3 * BLOCK, False)
    both = json.loads(run(data, "list", "--all", "--json").stdout)
    assert {(one["segment"], one["state"]) for one in both} == {
        (str(written[0]), "archived"),
        (str(written[1]), "dead"),
    }
    table = run(data, "list").stdout.splitlines()
    assert table[0].split("\t")[0] == "SEGMENT"
    assert table[1].split("\t")[0] == str(written[1])


def test_cat_prints_every_record_as_it_came(data: Path, written: list[UUID]) -> None:
    found = {line["lead_id"]: line for line in lines(run(data, "cat"))}
    assert len(found) == 3
    for number in (1, 2, 3):
        line = found[str(UUID(int=number))]
        assert line["target"] == lead(number).target.decode()
        assert line["lead_number"] == lead(number).lead_number
    assert base64.b64decode(str(found[str(UUID(int=3))]["body"])) == b"\xff\x00"


def test_cat_prints_text_where_it_is_text_and_nothing_that_steers_a_terminal(
    data: Path, written: list[UUID]
) -> None:
    result = run(data, "cat", "--body", "text", "--segment", str(written[1]))
    two, three = lines(result)
    assert (two["body"], two["body_encoding"]) == ("naïve \x1b[2J", "text")
    assert three["body_encoding"] == "base64"
    assert "\x1b" not in result.stdout
    assert "body" not in lines(run(data, "cat", "--body", "none"))[0]


def test_cat_finds_one_lead_by_id_or_number_wherever_it_is(data: Path, written: list[UUID]) -> None:
    for ref in (str(UUID(int=1)), str(lead(1).lead_number)):
        (line,) = lines(run(data, "cat", "--lead", ref))
        assert line["segment"] == str(written[0])


def test_cat_of_what_is_not_there_says_so(data: Path, written: list[UUID]) -> None:
    assert run(data, "cat", "--lead", "1786000000999").exit_code == 5
    assert run(data, "cat", "--segment", str(UUID(int=9))).exit_code == 5
    assert run(data, "cat", "--lead", "marisol").exit_code == 2


def test_verify_counts_everything_and_is_content(data: Path, written: list[UUID]) -> None:
    verified = run(data, "verify", "--json")
    assert verified.exit_code == 0
    summary = json.loads(verified.stdout)
    assert (summary["segments"], summary["groups"], summary["records"]) == (2, 3, 3)
    assert "All of it can be read." in run(data, "verify").stdout


def test_verify_names_the_damaged_place_and_exits_with_3(data: Path, written: list[UUID]) -> None:
    (path,) = data.glob(f"journal/writer-1/*{written[1]}.segment")
    with path.open("r+b") as file:
        file.seek(BLOCK + 70)
        file.write(b"????")
    verified = run(data, "verify", "--json")
    assert verified.exit_code == 3
    (place,) = json.loads(verified.stdout)["damage"]
    assert place["segment"] == str(written[1])
    assert (place["offset"], place["end"]) == (BLOCK, 2 * BLOCK)
    words = run(data, "verify")
    assert words.exit_code == 3
    assert f"DAMAGED {path} from {BLOCK} to {2 * BLOCK}" in words.stdout


def test_verify_notices_a_damaged_archive_and_cat_goes_on_past_it(
    data: Path, written: list[UUID]
) -> None:
    (path,) = data.glob("archive/segments/*/*.zst")
    path.write_bytes(path.read_bytes()[:-12])
    verified = run(data, "verify", "--json")
    assert verified.exit_code == 3
    assert json.loads(verified.stdout)["damage"][0]["path"] == str(path)
    printed = run(data, "cat")
    assert printed.exit_code == 3
    assert len(lines(printed)) == 2


def test_a_write_cut_short_is_told_and_is_no_damage(data: Path, written: list[UUID]) -> None:
    (path,) = data.glob(f"journal/writer-1/*{written[1]}.segment")
    with path.open("r+b") as file:
        file.seek(3 * BLOCK)
        file.write(b"LKGP half a group")
    verified = run(data, "verify")
    assert verified.exit_code == 0
    assert f"cut short {path} at {3 * BLOCK}" in verified.stdout
