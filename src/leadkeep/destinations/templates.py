"""Templates of bodies and headers: Jinja in a sandbox, bounded by work and not by the clock.

A template is the operator's, what it is filled with is a stranger's, and it is rendered where every
other delivery waits. So the language is cut down until its cost can be counted: no macros, imports,
blocks or recursion, a list of filters and methods, and a budget. Everything that an operation reads
is charged before it is read, each turn of a loop costs, and the result is cut off. The same lead
therefore always comes out the same, on a busy machine too.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import BuiltinMethodType
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, pass_context
from jinja2 import Template as Compiled
from jinja2.exceptions import UndefinedError
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from leadkeep.destinations.template_filters import FILTERS, TESTS
from leadkeep.destinations.template_language import HINT, METHODS, Charging, check
from leadkeep.errors import SettingsError
from leadkeep.sources.request_view import NAMES, Unreadable, View

RESULT_CHARS = 1024**2
"""A longer result is refused."""

TEMPLATE_CHARS = 64 * 1024

BUDGET = 4_000_000
"""What one rendering may cost: characters and values read, and turns of loops."""

_TURN = 40
"""One turn of a loop costs as much as so many characters."""

_ELEMENT = 5
"""So does each element of a list or table."""

_STEP = 10
"""So does every operation, however little it reads."""

_BIGGEST_NUMBER = 2**128
_FILE = "<template>"
_BUDGET_NAME = "_budget"

_LOOP = frozenset(
    {"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"}
)


class TemplateFailed(Exception):
    """A template has no result for this lead; `str()` says why, without quoting the lead."""


class Template:
    """One template.

    Args:
        key: the setting that it comes from, for errors.
        text: Jinja, cut down as said above.

    Raises:
        SettingsError: it is wrong; says in which line.
    """

    def __init__(self, key: str, text: str) -> None:
        self._text = text
        if len(text) > TEMPLATE_CHARS:
            raise SettingsError(f"{key}: longer than {TEMPLATE_CHARS // 1024} Ki characters")
        try:
            tree = _ENVIRONMENT.parse(text)
            check(key, tree)
            unknown = find_undeclared_variables(tree) - {*NAMES, "lead", "range"}
            if unknown:
                raise SettingsError(
                    f"{key}: a lead has no `{min(unknown)}`",
                    hint=f"There are: {', '.join((*NAMES, 'lead'))}.",
                )
            self._names = frozenset(NAMES) & find_undeclared_variables(tree)
            code = _ENVIRONMENT.compile(Charging().visit(tree))
            self._compiled = Compiled.from_code(_ENVIRONMENT, code, _ENVIRONMENT.globals, None)
        except TemplateSyntaxError as error:
            raise SettingsError(f"{key}: line {error.lineno}: {error.message}", hint=HINT) from None
        except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
            raise SettingsError(f"{key}: too involved ({type(error).__name__})") from None

    def render(self, view: View, lead: Mapping[str, str]) -> str:
        """The result for one lead.

        Args:
            view: the request.
            lead: what Leadkeep itself knows of it.

        Raises:
            TemplateFailed: there is none.
        """
        budget = Budget(BUDGET)
        try:
            values = {**view.parts(self._names), "lead": dict(lead), _BUDGET_NAME: budget}
            context = self._compiled.new_context(values)
            pieces: list[str] = []
            left = RESULT_CHARS
            for piece in self._compiled.root_render_func(context):
                left -= len(piece)
                if left < 0:
                    raise TemplateFailed(f"its result is longer than {RESULT_CHARS:,} characters")
                pieces.append(piece)
        except Unreadable as error:
            raise TemplateFailed(str(error)) from None
        except TemplateFailed as error:
            raise TemplateFailed(f"{self._line(error)}{error}") from None
        except UndefinedError as error:
            raise TemplateFailed(f"{self._line(error)}{self._missing(error)}") from None
        except Exception as error:
            # Anything that a payload brings about: said by its kind, for its words may quote it.
            raise TemplateFailed(f"{self._line(error)}it failed ({type(error).__name__})") from None
        return "".join(pieces)

    def _line(self, error: BaseException) -> str:
        line, trace = 0, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == _FILE:
                line = self._compiled.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return f"line {line}: " if line else ""

    def _missing(self, error: UndefinedError) -> str:
        # Jinja's words end in the name; one that does not stand in the template is the lead's.
        name = (error.message or "").rpartition("'")[0].rpartition("'")[2]
        known = name.isidentifier() and name in self._text
        return f"the lead has no `{name}`" if known else "the lead has not what it names"


# ---------------------------------------------------------------- what things cost


class Budget:
    """What a rendering has left."""

    __slots__ = ("_left",)

    def __init__(self, units: int) -> None:
        self._left = units

    def spend(self, units: int) -> None:
        """Take some.

        Raises:
            TemplateFailed: there are not so many.
        """
        self._left -= units
        if self._left < 0:
            raise TemplateFailed("it is too much work for this lead")

    def read(self, value: object) -> None:
        """Take what reading a value costs: all that is in it, as often as it is in it."""
        if isinstance(value, str):
            self.spend(_STEP + len(value))
            return
        self.spend(_STEP)
        below = [value]
        while below:
            one = below.pop()
            if isinstance(one, str):
                self.spend(len(one))
            elif isinstance(one, dict):
                self.spend(sum(map(len, one)) + _ELEMENT * len(one))
                below.extend(one.values())
            elif isinstance(one, (list, tuple)):
                self.spend(_ELEMENT * len(one))
                below.extend(one)
            elif isinstance(one, range):
                self.spend(len(one))


@pass_context
def _charged(context: Context, value: object) -> object:
    """Stands around everything that an operation reads; what comes bit by bit is fetched here."""
    budget: Budget = context[_BUDGET_NAME]
    if isinstance(value, Iterator) or type(value) in _DICT_VIEWS:
        assert isinstance(value, Iterable)
        value = list(_counted(context, value))
    budget.read(value)
    return value


@pass_context
def _counted(context: Context, values: Iterable[object]) -> Iterator[object]:
    """Stands around what a loop goes over."""
    budget: Budget = context[_BUDGET_NAME]
    if isinstance(values, Undefined):
        str(values)  # says what is missing
    for value in values:
        budget.spend(_TURN)
        yield value


@pass_context
def _written(context: Context, value: object) -> str:
    """A value as it stands in the result."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float, Undefined)):
        text = str(value)  # of what is missing: says so
    else:
        raise TemplateFailed("a list or table stands where text belongs; write it with |tojson")
    budget: Budget = context[_BUDGET_NAME]
    budget.spend(_STEP + len(text))
    return text


_DICT_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


# ---------------------------------------------------------------- the sandbox


class _Environment(ImmutableSandboxedEnvironment):
    """Nothing is loaded, nothing is changed, and nothing is reached that is not listed here."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A field of a table, else a method that is allowed; a field wins over a method."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        if attribute in METHODS.get(type(obj), ()):
            return getattr(obj, attribute)
        if isinstance(obj, Undefined):
            str(obj)  # says what is missing
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An element of a table, a list or a text."""
        if isinstance(obj, (dict, list, tuple, str)):
            try:
                return obj[argument]
            except (LookupError, TypeError):
                pass
        if isinstance(obj, Undefined):
            str(obj)  # says what is missing
        return self.undefined(obj=obj, name=argument)

    def is_safe_callable(self, obj: Any) -> bool:
        """A method that `getattr` gave out, or `range`."""
        owner = type(getattr(obj, "__self__", None))
        allowed = isinstance(obj, BuiltinMethodType) and obj.__name__ in METHODS.get(owner, ())
        return allowed or obj is _range

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic: of numbers within bounds; `+` of two texts or lists as well."""
        budget: Budget = context[_BUDGET_NAME]
        for side in (left, right):
            if isinstance(side, Undefined):
                str(side)  # says what is missing
            budget.read(side)
        numbers = all(isinstance(side, (int, float)) for side in (left, right))
        alike = type(left) is type(right) and isinstance(left, (str, list))
        if not numbers and not (operator == "+" and alike):
            raise TemplateFailed(f"`{operator}` is for numbers")
        result = super().call_binop(context, operator, left, right)
        if numbers and abs(result) > _BIGGEST_NUMBER:
            raise TemplateFailed("a number grows too large")
        return result


def _range(*bounds: object) -> range:
    """`range`, of which only what is gone through costs."""
    numbers = [bound for bound in bounds if isinstance(bound, int)]
    if len(numbers) != len(bounds) or not 1 <= len(numbers) <= 3:
        raise TemplateFailed("range() takes one to three whole numbers")
    return range(*numbers)


def _made() -> _Environment:
    environment = _Environment(
        undefined=StrictUndefined,
        autoescape=False,
        finalize=_written,
        optimized=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters = {**FILTERS, "_charged": _charged, "_counted": _counted}
    environment.tests = dict(TESTS)
    environment.globals = {"range": _range}
    return environment


_ENVIRONMENT = _made()
