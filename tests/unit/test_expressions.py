"""Expressions that cannot work are refused with the configuration, never found out by a lead."""

import pytest

from leadkeep.errors import SettingsError
from leadkeep.expressions import DEEPEST, SHOWN_MAX, Syntax, Unevaluated, evaluated, is_true, shown


def alternatives(count: int) -> str:
    return " || ".join(f"zip == '{number:05}'" for number in range(count))


def found(text: str, value: object) -> object:
    return evaluated(Syntax("key", text, hint="").tree, value)


@pytest.mark.parametrize("count", [DEEPEST + 2, 3_000])
def test_more_alternatives_than_an_evaluation_survives_are_refused(count: int) -> None:
    with pytest.raises(SettingsError, match="are written as a list"):
        Syntax("key", alternatives(count), hint="")


@pytest.mark.parametrize(
    "text",
    [
        alternatives(DEEPEST - 1),
        "abs(" * (DEEPEST - 1) + "zip" + ")" * (DEEPEST - 1),
        "[" * (DEEPEST - 1) + "zip" + "]" * (DEEPEST - 1),
        ".".join(["zip"] * DEEPEST),
    ],
    ids=["or", "functions", "lists", "path"],
)
def test_what_is_not_refused_for_its_depth_is_evaluated(text: str) -> None:
    try:
        found(text, {"zip": -1})
    except Unevaluated as error:
        assert "Recursion" not in str(error)


def test_the_way_that_the_refusal_names_works() -> None:
    zips = [f"{number:05}" for number in range(1_000)]
    text = f"contains([{', '.join(repr(each) for each in zips)}], zip)"
    assert found(text, {"zip": zips[-1]}) is True
    assert found(text, {"zip": "x"}) is False


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_these_are_false(value: object) -> None:
    assert not is_true(value)


@pytest.mark.parametrize("value", [0, 0.0, True, "0", [None], {"": None}])
def test_these_are_true(value: object) -> None:
    assert is_true(value)


def test_what_fails_is_told_without_the_value() -> None:
    with pytest.raises(Unevaluated) as caught:
        found("length(phone)", {"phone": 6_145_550_142})
    assert str(caught.value) == "length() got number where it takes string or array or object"


def test_an_expression_is_shown_on_one_line_and_not_long() -> None:
    assert shown("a\n&& b") == "`a?&& b`"
    assert shown("x" * (SHOWN_MAX + 1)) == f"`{'x' * SHOWN_MAX}…`"
