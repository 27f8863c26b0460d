"""Templates say what they are given, and a hostile one ends soon, small and inside of its box."""

import json
import re
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadkeep.destinations.template_filters import FILTERS
from leadkeep.destinations.templates import RESULT_CHARS, Template, TemplateFailed
from leadkeep.errors import SettingsError
from leadkeep.sources.request_view import NAMES, View

SAMPLES = Path(__file__).parents[2] / "samples"
LEAD = {"id": "0198", "number": "1786802449123", "received_at": "2026-11-24T10:00:00.000Z"}
LEAD |= {"key": "0198-3", "part": "3"}
PAYLOAD = {
    "name": 'Ada "Countess" <Example>',
    "phone": "(614) 555-0142",
    "items": [{"sku": "a", "n": 2}, {"sku": "b", "n": 3}],
    "empty": None,
    "yes": True,
    "state": "OH",
}


def a_view(payload: object = PAYLOAD, **overrides: Any) -> View:
    values: dict[str, Any] = {
        "source": "auto",
        "method": "POST",
        "target": b"/auto?campaign=7",
        "headers": b"Content-Type: application/json\r\nX-Vendor: One\r\n",
        "body": json.dumps(payload).encode(),
    }
    return View(**(values | overrides))


def rendered(text: str, payload: object = PAYLOAD, **overrides: Any) -> str:
    return Template("key", text).render(a_view(payload, **overrides), LEAD)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{ payload.name }}", 'Ada "Countess" <Example>'),
        ("{{ payload.name|tojson }}", '"Ada \\"Countess\\" <Example>"'),
        ("{{ payload.name|e }}", "Ada &quot;Countess&quot; &lt;Example&gt;"),
        ("{{ payload.phone|digits }}", "6145550142"),
        ("{{ payload.items|length }}", "2"),
        ("{{ payload['items'][1].sku }}", "b"),
        ("{% for i in payload.items %}{{ i.sku }}{{ i.n * 2 }}{{ ',' if not loop.last }}"
         "{% endfor %}", "a4,b6"),
        ("{% for k, v in payload.items[0].items() %}{{ k }}={{ v }};{% endfor %}", "sku=a;n=2;"),
        ("{% for k, v in payload.items[0]|items %}{{ k }}={{ v }};{% endfor %}", "sku=a;n=2;"),
        ("{{ payload.empty }}|{{ payload.yes }}|{{ payload.empty|tojson }}", "|true|null"),
        ("{{ payload.middle|default('none') }}", "none"),
        ("{% if payload.middle is defined %}x{% else %}y{% endif %}", "y"),
        ("{{ {'a': [payload.state, 1]}|tojson }}", '{"a": ["OH", 1]}'),
        ("{{ payload.items|map(attribute='sku')|join('-') }}", "a-b"),
        ("{{ payload.items|map(attribute='n')|sum }}", "5"),
        ("{{ payload.name.split(' ')[0]|upper ~ '!' }}", "ADA!"),
        ("{{ payload.name[:3] }}", "Ada"),
        ("{{ 'a' + 'b' }}{{ 1 + 2 }}{{ 7 // 2 }}", "ab33"),
        ("{% set x = payload.state %}{{ x }}", "OH"),
        ("{{ headers['x-vendor'] }} {{ path }} {{ query.campaign }} {{ source }} {{ method }}",
         "One /auto 7 auto POST"),
        ("{{ lead.id }} {{ lead.number }} {{ lead.received_at }}",
         "0198 1786802449123 2026-11-24T10:00:00.000Z"),
        ("{% for i in range(3) %}{{ i }}{% endfor %}", "012"),
        ("{{ payload.state in ['OH', 'KY'] }}", "true"),
    ],
)  # fmt: skip
def test_what_a_template_says(text: str, result: str) -> None:
    assert rendered(text) == result


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ payload.nothing }}", "line 1: the lead has no `nothing`"),
        ("\n\n{{ payload.nothing.more }}", "line 3: the lead has no `nothing`"),
        ("{{ payload[payload.state] }}", "the lead has not what it names"),
        ("{% if payload.nothing %}x{% endif %}", "the lead has no `nothing`"),
        ("{{ payload.items }}", "write it with |tojson"),
        ("{{ payload.name|int }}", "failed (ValueError)"),
        ("{{ payload.name * 3 }}", "`*` is for numbers"),
        ("{{ '%s' % payload.name }}", "`%` is for numbers"),
        ("{{ payload.empty|int }}", "failed (NoSuchValue)"),
        ("{{ 1 / 0 }}", "failed (ZeroDivisionError)"),
        ("{{ payload.empty.name }}", "has no `name`"),
    ],
)
def test_what_has_no_result_says_why_and_nothing_of_the_lead(text: str, why: str) -> None:
    with pytest.raises(TemplateFailed) as caught:
        rendered(text)
    assert why in str(caught.value)
    assert "Ada" not in str(caught.value)
    assert "OH" not in str(caught.value)


def test_a_payload_that_cannot_be_read_whole_is_not_half_read() -> None:
    with pytest.raises(TemplateFailed, match="broken JSON"):
        rendered("{{ payload.state }}", body=b'{"state": "OH", "name": ')
    assert rendered("{{ path }}", body=b'{"state": ') == "/auto"


OUT_OF_THE_BOX = [
    "{{ ''.__class__ }}",
    "{{ payload.__class__.__mro__ }}",
    "{{ payload['__class__'] }}",
    "{{ ''['__class__'] }}",
    "{{ range.__globals__ }}",
    "{{ (1).__class__.__base__.__subclasses__() }}",
    "{{ payload.get.__self__ }}",
    "{{ loop }}",
    "{{ self }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler }}",
    "{{ lipsum() }}",
    "{{ namespace(a=1) }}",
    "{{ joiner.__init__.__globals__.os }}",
    "{{ dict(a=1) }}",
    "{{ _budget }}",
    "{{ payload|attr('__class__') }}",
    "{{ payload|_charged }}",
    "{{ payload.pop('name') }}",
    "{{ payload.items.append(1) }}",
    "{{ payload.update({}) }}",
    "{{ '{0.__class__}'.format(payload) }}",
    "{{ 'a'.join(['b']) }}",
    "{{ 'a'.encode() }}",
    "{{ payload() }}",
    "{{ payload.name() }}",
    "{% import 'os' as os %}",
    "{% include '/etc/passwd' %}",
    "{% extends 'x' %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% block b %}{% endblock %}",
    "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% set ns = namespace() %}",
    "{% set x %}a{% endset %}",
    "{% filter upper %}a{% endfilter %}",
    "{% autoescape true %}a{% endautoescape %}",
    "{% with %}{% endwith %}",
    "{{ range(*[1]) }}",
    "{{ payload|sort(**{'reverse': 1}) }}",
    "{{ payload is callable }}",
    "{% for i in loop.__class__ %}{% endfor %}",
    "{% for i in [1] %}{{ loop.__class__ }}{% endfor %}",
    "{% for i in [1] %}{{ loop.cycle('a') }}{% endfor %}",
    "{{ payload|map('__class__') }}",
    "{{ payload.items|map(attribute='__class__')|list|tojson }}",
    "{{ payload.items|map('attr', '__class__')|list|tojson }}",
    "{{ 2 ** 10 }}",
    "{{ nothing_like_this }}",
]


@pytest.mark.parametrize("text", OUT_OF_THE_BOX)
def test_nothing_leads_out_of_the_box(text: str) -> None:
    with pytest.raises((SettingsError, TemplateFailed)):
        rendered(text)


DOUBLED = "".join(f"{{% set a{n + 1} = a{n} ~ a{n} %}}" for n in range(40))
NESTED = "".join(f"{{% set a{n + 1} = [a{n}, a{n}] %}}" for n in range(40))
TABLES = "".join(f"{{% set a{n + 1} = {{'x': a{n}, 'y': a{n}}} %}}" for n in range(40))
ADDED = "".join(f"{{% set a{n + 1} = a{n} + a{n} %}}" for n in range(40))

TOO_MUCH = [
    "{% for i in range(10**9) %}x{% endfor %}",
    "{% for i in range(1000000000) %}{% endfor %}",
    "{% for i in range(1000000000) %}x{% endfor %}",
    "{% for i in range(9000) %}{% for j in range(9000) %}{% for k in range(9000) %}"
    "{% endfor %}{% endfor %}{% endfor %}",
    "{{ range(1000000000)|list|length }}",
    "{{ range(1000000000)|sum }}",
    "{{ range(1000000000)|sort|first }}",
    "{{ range(1000000000)|map('string')|join('x') }}",
    "{{ 999999999 in range(1000000000)|list }}",
    "{{ 'x' * 1000000000 }}",
    "{{ [1] * 1000000000 }}",
    "{{ 1000000000 * 'x' }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ 'a'|center(1000000000) }}",
    "{{ 'a'.ljust(1000000000) }}",
    "{{ 'a'.zfill(1000000000) }}",
    "{{ 'a\t'.expandtabs(1000000000) }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ 'a'|indent(1000000000) }}",
    "{{ 'a'|wordwrap(1) }}",
    "{{ [1]|tojson(indent=1000000000) }}",
    "{{ [1]|batch(1000000000, 'x')|list }}",
    "{{ 1.5|round(1000000000) }}",
    "{{ ('x' ~ payload.big)|replace('', payload.big) }}",
    "{{ payload.big|replace('x', payload.big) }}",
    "{{ payload.many|join(payload.big) }}",
    "{% set a0 = 'x' %}" + DOUBLED + "{{ a40 }}",
    "{% set a0 = 'xx' %}" + ADDED + "{{ a40 }}",
    "{% set a0 = ['xx'] %}" + ADDED + "{{ a40|length }}",
    "{% set a0 = 'x' %}" + NESTED + "{{ a40|tojson }}",
    "{% set a0 = 'x' %}" + NESTED + "{{ a40 == a40|list }}",
    "{% set a0 = 'x' %}" + TABLES + "{{ a40|tojson }}",
    "{% for i in range(100000) %}{{ payload.big }}{% endfor %}",
    "{% for i in range(100000) %}{{ payload.big|length }}{% endfor %}",
    "{% for i in range(100000) %}{% if 'y' in payload.big %}{% endif %}{% endfor %}",
    "{% for i in range(100000) %}{{ payload.big.count('x') }}{% endfor %}",
    "{% for i in range(100000) %}{{ payload.big[1:]|length }}{% endfor %}",
    "{% for i in range(100000) %}{{ payload.many|sort|first }}{% endfor %}",
    "{% for i in range(50000) %}" + "x" * 1_000 + "{% endfor %}",
    "{% for a in payload.many %}{% for b in payload.many %}{{ a }}{% endfor %}{% endfor %}",
    "{% for i in range(90000) if i in payload.many %}{% endfor %}",
    "{{ " + "9" * 50 + " * " + "9" * 50 + " }}",
    "{{ " + "9" * 5_000 + " }}",
    "{{ " + "payload.big ~ " * 1_000 + "'' }}",
    "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "{{ [" + "payload.big, " * 1_000 + "]|length }}",
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", TOO_MUCH)
def test_what_is_too_much_is_refused_before_it_takes_time_or_memory(text: str) -> None:
    payload = {"big": "x" * 100_000, "many": ["y"] * 20_000}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((SettingsError, TemplateFailed)):
        rendered(text, payload)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 200 * 1024


def test_a_result_may_be_as_long_as_is_said_and_no_longer() -> None:
    text = "{% for i in range(4) %}" + "x" * (RESULT_CHARS // 32) + "{% endfor %}"
    assert len(rendered(text)) == RESULT_CHARS // 8
    with pytest.raises(TemplateFailed, match="longer than 1,048,576"):
        rendered(text.replace("range(4)", "range(33)"))


def test_an_honest_template_over_a_large_lead_is_no_problem() -> None:
    payload = {"items": [{"name": f"number {n}", "price": n} for n in range(3_000)]}
    text = "[{% for i in payload.items %}{{ i.name|tojson }}{{ ',' if not loop.last }}{% endfor %}]"
    assert len(json.loads(rendered(text, payload))) == 3_000


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{{ payload.name", "line 1"),
        ("\n{% for %}", "line 2"),
        ("{{ payload|nope }}", "there is no filter `nope`"),
        ("{{ payload is nope }}", "no test `nope`"),
        ("{{ paylod.name }}", "a lead has no `paylod`"),
        ("x" * 70_000, "longer than 64 Ki"),
        ("{{ payload.name.format(1) }}", "`format` cannot be called"),
    ],
)
def test_a_wrong_template_is_named_before_it_is_ever_used(text: str, what: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Template("destinations.crm.transform.body", text)
    assert str(caught.value).startswith("destinations.crm.transform.body: ")
    assert what in str(caught.value)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abc") | st.text(), inner),
)
SOME = [
    Template("key", text)
    for text in (
        "{{ payload|tojson }}",
        "{% for a in payload %}{{ a }}{% endfor %}",
        "{{ payload.a.b }}{{ payload.a + payload.b }}",
        "{{ payload.a|int }}{{ payload.b|join(',') }}",
        "{{ payload.a.split(payload.b) }}",
        "{{ payload.a[payload.b] }}{{ payload|dictsort }}",
        "{{ payload.a|sort|unique|first|upper }}",
        "{{ payload.a == payload.b }}{{ payload.a < payload.b }}",
    )
]


@settings(max_examples=300, deadline=None)
@given(template=st.sampled_from(SOME), payload=TREES)
def test_no_payload_brings_about_anything_but_a_result_or_a_reason(
    template: Template, payload: object
) -> None:
    try:
        assert isinstance(template.render(a_view(payload), LEAD), str)
    except TemplateFailed as failed:
        assert len(str(failed)) < 200


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.[jf]*")), ids=lambda path: path.name)
def test_every_sample_can_be_written_as_json(sample: Path) -> None:
    kind = b"application/json" if sample.suffix == ".json" else b"application/x-www-form-urlencoded"
    view = a_view(headers=b"Content-Type: " + kind + b"\r\n", body=sample.read_bytes())
    text = Template("key", '{"all": {{ payload|tojson }}}').render(view, LEAD)
    assert json.loads(text)["all"]


def test_the_page_names_every_filter_and_every_part_of_a_lead() -> None:
    page = (SAMPLES.parents[1] / "docs/reference/transformation.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (names|filters) \| (.*) \|$", page, re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", rows["filters"])) == set(FILTERS)
    assert {*NAMES, "lead", *LEAD} == set(re.findall(r"`(\w+)`", rows["names"]))
