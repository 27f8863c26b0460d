"""The page about alerts names every kind there is, and no other."""

import re
from pathlib import Path

from leadkeep.alerts.rules import RULE_KINDS

PAGE = Path(__file__).parents[2] / "docs/how-to/be-told-by-mail.md"


def test_every_kind_of_alert_is_described() -> None:
    described = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(described) == sorted([*RULE_KINDS, "store"])
