"""Templates keep the types of what they name, and the sandbox holds."""

import math
from datetime import UTC, datetime

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment

from airflow_provider_brevo.exceptions import BrevoTemplateError
from airflow_provider_brevo.templating import TypedTemplates

MOMENT = datetime(2024, 1, 24, tzinfo=UTC)
VALUES = {
    "decimal": 42.5,
    "whole": 42,
    "yes": True,
    "nothing": None,
    "list": [1, "a", {"b": 2.5}],
    "dict": {"a": {"b": [1]}},
    "moment": MOMENT,
    "zip": "00123",
    "phone": "+33612345678",
    "year": "2024",
    "truth": "True",
    "exponent": "1e5",
    "literal": "[1, 2]",
    "empty": "",
    "template": "{{ whole }}{% if %}",
    "secret": "SeCrEtVaLuE",
    "nan": math.nan,
}


def render(source, environment=None, **context):
    """Render one template in a sandboxed environment."""
    templates = TypedTemplates(environment or SandboxedEnvironment())
    return templates.render(source, {**VALUES, **context}, field="/event_properties/p")


def failure(source, **context):
    """Return the error that a template ends in."""
    with pytest.raises(BrevoTemplateError) as caught:
        render(source, **context)
    assert caught.value.__context__ is None
    assert caught.value.field == "/event_properties/p"
    return caught.value


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(
    "form", ["{{ %s }}", "{{%s}}", "{{- %s -}}", "{# note #}{{ %s }}", "{%% if true %%}{{ %s }}{%% endif %%}"]
)
def test_one_expression_gives_the_value_itself(name, form):
    """A template that is one expression gives the very object that it names: text that looks like a number too."""
    assert render(form % name) is VALUES[name]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ 42.5 }}", 42.5),
        ("{{ 42 }}", 42),
        ("{{ none }}", None),
        ("{{ true }}", True),
        ("{{ '00123' }}", "00123"),
        ("{{ [1, 'a', 2.5] }}", [1, "a", 2.5]),
        ("{{ {'a': 1} }}", {"a": 1}),
        ("{{ 1 + 1.5 }}", 2.5),
        ("{{ 'a' ~ 1 }}", "a1"),
        ("{{ (1, 2) }}", (1, 2)),
    ],
)
def test_constants_are_not_folded_to_text(source, expected):
    """Literals inside of an expression keep their type, too."""
    rendered = render(source)

    assert rendered == expected
    assert type(rendered) is type(expected)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("order {{ whole }}", "order 42"),
        ("{{ whole }} ", "42 "),
        ("{{ whole }}{{ year }}", "422024"),
        ("{{ whole }}{{ '' }}", "42"),
        ("{{ 1 }}{{ 2 }}", "12"),
        ("{{ nothing }}!", "None!"),
        ("", ""),
        ("{# nothing but a note #}", ""),
        ("{% if false %}{{ whole }}{% endif %}", ""),
        ("{{ whole }}\n", 42),
    ],
)
def test_text_around_an_expression_gives_text(source, expected):
    """As soon as there is anything around an expression, the result is text; one line end at the end is none."""
    assert render(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% set x = whole %}{{ x }}", 42),
        ("{% set x %}{{ decimal }}{% endset %}{{ x }}", 42.5),
        ("{% set x %}a{{ decimal }}{% endset %}{{ x }}", "a42.5"),
        ("{% macro m(x) %}{{ x }}{% endmacro %}{{ m(dict) }}", VALUES["dict"]),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(1) }}", "<1>"),
        ("{{ whole | string }}", "42"),
        ("{{ year | int }}", 2024),
        ("{{ list | length }}", 3),
        ("{{ list | first }}", 1),
        ("{{ missing | default(none) }}", None),
        ("{{ missing | default(42.5) }}", 42.5),
        ("{{ whole if yes else missing }}", 42),
        ("{{ missing is defined }}", False),
        ("{{ dict.a.b[0] }}", 1),
        ("{{ dict['a'] }}", {"b": [1]}),
        ("{{ moment.year }}", 2024),
        ("{{ '%05d' | format(whole) }}", "00042"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ],
)
def test_statements_and_filters_keep_types(source, expected):
    """Macros, set blocks, filters and conditions give values, not their text."""
    rendered = render(source)

    assert rendered == expected
    assert type(rendered) is type(expected)


@pytest.mark.parametrize(("items", "expected"), [([], ""), ([1], "1"), ([1, 2], "12")])
def test_loop_gives_text_however_often_it_runs(items, expected):
    """A loop that happens to run once gives the same type as one that runs twice."""
    assert render("{% for item in items %}{{ item }}{% endfor %}", items=items) == expected


def test_value_with_jinja_inside_is_data():
    """What a value holds is never rendered, whether it stands alone or in text."""
    assert render("{{ template }}") == "{{ whole }}{% if %}"
    assert render("a {{ template }}") == "a {{ whole }}{% if %}"


@pytest.mark.parametrize(
    "source",
    [
        "{{ missing }}",
        "a {{ missing }}",
        "{{ missing.deeper }}",
        "{{ missing['deeper'] }}",
        "{{ missing() }}",
        "{{ missing + 1 }}",
        "{{ missing | upper }}",
        "{{ dict.missing }}",
        "{{ dict.a.missing }}",
        "{{ [1, missing] }}",
        "{{ [[missing]] }}",
        "{{ (1, missing) }}",
        "{{ {'a': {'b': missing}} }}",
        "{{ {missing: 1} }}",
        "{% if missing %}a{% endif %}",
        "{% for x in missing %}{% endfor %}",
        "{% set x = missing %}{{ x }}",
        "{% set x %}{{ missing }}{% endset %}{{ x }}",
    ],
)
def test_undefined_names_are_errors_at_any_depth(source):
    """A name that isn't defined is an error that says which, also inside of lists, objects and text."""
    error = failure(source)

    assert "/event_properties/p names 'missing', which is not defined" in str(error)
    assert "default(none)" in error.advice


@pytest.mark.parametrize(
    "source", ["{{ dict[secret] }}", "{{ dict[secret].x }}", "{{ dict[secret ~ '@x'] }}", "{{ list[987] }}"]
)
def test_lookup_by_a_value_does_not_quote_the_value(source):
    """A key that came from a value may be personal data, so the error doesn't name it."""
    error = failure(source)

    assert "which is not defined" in str(error)
    assert "SeCrEtVaLuE" not in f"{error!r}{vars(error)}"


@pytest.mark.parametrize(
    "source",
    [
        "{{ zip.__class__ }}",
        "{{ zip.__class__.__mro__ }}",
        "{{ zip.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ [zip.__class__] }}",
        "{{ zip | attr('__class__') }}",
        "a {{ zip.__class__ }}",
        "{{ function.__globals__ }}",
        "{{ function.__code__ }}",
        "{{ unsafe() }}",
        "{% macro m() %}{% endmacro %}{{ m.__init__ }}",
    ],
)
@pytest.mark.parametrize("environment", [SandboxedEnvironment, ImmutableSandboxedEnvironment])
def test_sandbox_holds(source, environment):
    """Templates reach neither classes nor functions' insides, whatever they wrap it in."""

    def function():
        return 1

    def unsafe():
        return 1

    unsafe.unsafe_callable = True
    with pytest.raises(BrevoTemplateError, match="which templates may not touch") as caught:
        render(source, environment(), function=function, unsafe=unsafe)

    assert caught.value.advice == "compute the value in a task"


def test_immutable_sandbox_stays_immutable():
    """The environment's own class, and what it forbids, is kept."""
    values = [1]

    with pytest.raises(BrevoTemplateError, match="may not touch"):
        render("{{ values.append(2) }}", ImmutableSandboxedEnvironment(), values=values)
    assert values == [1]


@pytest.mark.parametrize("source", ["{{ whole", "{% if %}", "{{ whole | no_such_filter }}", "{% endfor %}", "{{ }}"])
def test_invalid_template_is_an_error_that_names_the_field(source):
    """A mistake in the syntax is said to be one."""
    error = failure(source)

    assert "/event_properties/p is no valid template" in str(error)
    assert error.advice == "correct the Jinja syntax"


@pytest.mark.parametrize("source", ["{{ 1 | round(1, secret) }}", "{{ list | map(secret) | list }}"])
def test_other_errors_of_jinja_quote_no_values(source):
    """What else Jinja can't do names the field, and leaves out Jinja's own message, which may quote values."""
    error = failure(source)

    assert "/event_properties/p failed with " in str(error)
    assert "SeCrEtVaLuE" not in str(error)
    assert error.advice == "correct the template"


def test_errors_of_called_code_keep_their_type():
    """A fault of the surroundings that a template meets comes out as it is, with a note that names the field."""

    def broken():
        raise ConnectionError("x")

    with pytest.raises(ConnectionError) as caught:
        render("{{ broken() }}", broken=broken)
    assert caught.value.__notes__ == ["While rendering the template /event_properties/p of the Brevo event."]


@pytest.mark.parametrize(
    "source", ["{{ {}['a'][v] + 1 }}", "{{ 1 / 0 }}", "{{ v + 1 }}", "{{ int(v) }}", "{{ deep(v) }}"]
)
def test_errors_of_values_are_told_without_their_text(source):
    """What fails because of the values fails with the field and the kind of error: its text may quote them."""

    def deep(value):
        raise KeyError(value)

    with pytest.raises(BrevoTemplateError) as caught:
        render(source, v="jane.doe", int=int, deep=deep)
    assert "jane.doe" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "source", ["{{ 1 if false }}", "{{ [1 if false] }}", "a{{ 1 if false }}", "{{ (1 if false) ~ 'z' }}"]
)
def test_an_if_without_else_that_is_not_met_is_an_error(source):
    """An inline if leaves no hole in the event: what else there is has to be said."""
    with pytest.raises(BrevoTemplateError, match="without 'else'"):
        render(source)
    assert render(source.replace("false", "true")) in (1, [1], "a1", "1z")


def test_markers_are_those_of_the_environment():
    """A DAG may write its templates in other brackets."""
    environment = SandboxedEnvironment(variable_start_string="[[", variable_end_string="]]", line_statement_prefix="%%")
    templates = TypedTemplates(environment)
    assert templates.are_in("[[ x ]]")
    assert templates.are_in("%% set x = 1")
    assert not templates.are_in("{{ x }}")
    assert templates.render("[[ x ]]", {"x": 42.5}, field="/f") == 42.5


def test_value_that_contains_itself_is_returned():
    """The search for undefined names ends for values that contain themselves."""
    cycle = [1]
    cycle.append(cycle)

    assert render("{{ cycle }}", cycle=cycle) is cycle


def test_environment_and_context_stay_as_they_were():
    """Filters and globals of the given environment are used, and neither it nor the context is changed."""
    environment = SandboxedEnvironment()
    environment.filters["twice"] = lambda value: value * 2
    environment.globals["answer"] = 42
    before, context = dict(vars(environment)), {"x": 1.5}

    templates = TypedTemplates(environment)
    assert templates.render("{{ x | twice }}", context, field="/f") == 3.0
    assert templates.render("{{ answer }}", context, field="/f") == 42
    assert templates.render("{{ x }}", {"x": 1, "answer": 0}, field="/f") == 1
    assert templates.render("{% set x = 2 %}{{ x }}", context, field="/f") == 2

    assert vars(environment) == before
    assert context == {"x": 1.5}
    assert environment.from_string("{{ 42 }}").render() == "42"


def test_context_is_not_computed_as_a_whole():
    """Entries of the context that a template doesn't name are never looked at: Airflow's may be costly."""

    class Lazy(dict):
        def __getitem__(self, key):
            if key == "costly":
                raise AssertionError
            return super().__getitem__(key)

        def __copy__(self):
            return Lazy(self)

    assert TypedTemplates(SandboxedEnvironment()).render("{{ x }}", Lazy(x=1, costly=2), field="/f") == 1


class Proxy:
    """Looks like the proxies that Airflow 2 puts into the context."""

    __module__ = "lazy_object_proxy.slots"

    def __init__(self, wrapped):
        self.__wrapped__ = wrapped


def test_lazy_proxies_are_unwrapped():
    """Where Airflow 2 hands over a lazy proxy, its value arrives and not the proxy."""
    assert render("{{ proxy }}", proxy=Proxy(MOMENT)) is MOMENT
