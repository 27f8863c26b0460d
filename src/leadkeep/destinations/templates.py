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

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2 import Template as Compiled
from jinja2.exceptions import UndefinedError
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from leadkeep.destinations.template_filters import FILTERS, TESTS
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

_EXPRESSIONS = (
    *(nodes.Const, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Slice),
    *(nodes.Filter, nodes.Test, nodes.Call, nodes.Keyword, nodes.Concat, nodes.CondExpr),
    *(nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Compare, nodes.Operand),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
)
_ALLOWED = (nodes.Template, nodes.Output, nodes.If, nodes.For, nodes.Assign, *_EXPRESSIONS)

_METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(
        {
            *("upper", "lower", "strip", "lstrip", "rstrip", "title", "capitalize"),
            *("startswith", "endswith", "removeprefix", "removesuffix", "find", "count"),
            *("split", "rsplit", "splitlines", "partition", "rpartition"),
            *("isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower"),
        }
    ),
    dict: frozenset({"items", "keys", "values", "get"}),
    list: frozenset({"index", "count"}),
}
"""Methods whose result is no larger than what they read."""

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
            _Checked(key).visit(tree)
            unknown = find_undeclared_variables(tree) - {*NAMES, "lead", "range"}
            if unknown:
                raise SettingsError(
                    f"{key}: a lead has no `{min(unknown)}`",
                    hint=f"There are: {', '.join((*NAMES, 'lead'))}.",
                )
            self._names = frozenset(NAMES) & find_undeclared_variables(tree)
            code = _ENVIRONMENT.compile(_Charging().visit(tree))
            self._compiled = Compiled.from_code(_ENVIRONMENT, code, _ENVIRONMENT.globals, None)
        except TemplateSyntaxError as error:
            raise SettingsError(
                f"{key}: line {error.lineno}: {error.message}", hint=_HINT
            ) from None
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


_HINT = "See docs/reference/transformation.md for what a template may use."


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
        if attribute in _METHODS.get(type(obj), ()):
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
        allowed = isinstance(obj, BuiltinMethodType) and obj.__name__ in _METHODS.get(owner, ())
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


# ---------------------------------------------------------------- the language


class _Checked:
    """Refuses what is not part of the language."""

    def __init__(self, key: str) -> None:
        self._key = key

    def visit(self, tree: nodes.Template) -> None:
        """Look at every node.

        Raises:
            SettingsError: one is not allowed.
        """
        below: list[nodes.Node] = [tree]
        while below:
            node = below.pop()
            for problem in _problems(node):
                raise SettingsError(f"{self._key}: line {node.lineno}: {problem}", hint=_HINT)
            below.extend(node.iter_child_nodes())


def _problems(node: nodes.Node) -> Iterator[str]:
    if not isinstance(node, _ALLOWED):
        yield f"{type(node).__name__.lower()} is not part of templates here"
    elif isinstance(node, nodes.Name) and node.name.startswith("_"):
        yield f"`{node.name}`: names do not begin with _"
    elif isinstance(node, nodes.Filter) and node.name not in FILTERS:
        yield f"there is no filter `{node.name}` (there are: {', '.join(sorted(FILTERS))})"
    elif isinstance(node, nodes.Test) and node.name not in TESTS:
        yield f"there is no test `{node.name}` (there are: {', '.join(sorted(TESTS))})"
    elif isinstance(node, nodes.For) and node.recursive:
        yield "a loop cannot be recursive"
    elif isinstance(node, (nodes.Call, nodes.Filter, nodes.Test)):
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            yield "* and ** arguments are not part of templates here"
        elif isinstance(node, nodes.Call) and not _may_be_called(node.node):
            name = getattr(node.node, "attr", getattr(node.node, "name", "that"))
            yield f"`{name}` cannot be called"


def _may_be_called(called: nodes.Expr) -> bool:
    if isinstance(called, nodes.Getattr):
        return any(called.attr in names for names in _METHODS.values())
    return isinstance(called, nodes.Name) and called.name == "range"


class _Charging(NodeTransformer):
    """Puts `_charged` around whatever an operation reads, and `_counted` around loops."""

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        super().generic_visit(node, *args, **kwargs)
        if isinstance(node, nodes.For):
            node.iter = _filtered("_counted", node.iter)
        elif isinstance(node, (nodes.Filter, nodes.Test)):
            if node.node is not None:
                node.node = _reading(node.node)
            node.args = [_reading(one) for one in node.args]
        elif isinstance(node, nodes.Call):
            if isinstance(node.node, nodes.Getattr):
                node.node.node = _reading(node.node.node)
            node.args = [_reading(one) for one in node.args]
        elif isinstance(node, nodes.Concat):
            node.nodes = [_reading(one) for one in node.nodes]
        elif isinstance(node, nodes.Compare):
            node.expr = _reading(node.expr)
        elif isinstance(node, (nodes.Operand, nodes.Keyword)):
            node_any: Any = node
            name = "expr" if isinstance(node, nodes.Operand) else "value"
            setattr(node_any, name, _reading(getattr(node_any, name)))
        elif isinstance(node, nodes.List) or (isinstance(node, nodes.Tuple) and node.ctx == "load"):
            node.items = [_reading(one) for one in node.items]
        elif isinstance(node, nodes.Pair):
            node.key, node.value = _reading(node.key), _reading(node.value)
        elif isinstance(node, nodes.Getitem):
            node.node = _reading(node.node) if isinstance(node.arg, nodes.Slice) else node.node
        return node


def _reading(node: Any) -> nodes.Expr:
    if isinstance(node, nodes.Const):
        return node
    return _filtered("_charged", node)


def _filtered(name: str, node: Any) -> nodes.Expr:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
