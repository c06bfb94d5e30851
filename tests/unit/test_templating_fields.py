"""Template fields of an operator: what is rendered, what is data, what is replaced."""

from datetime import UTC, datetime

import pytest
from jinja2 import Environment
from jinja2.nativetypes import NativeEnvironment
from jinja2.sandbox import SandboxedEnvironment

from airflow_provider_brevo.exceptions import BrevoTemplateError
from airflow_provider_brevo.templating import TypedTemplateFields

MOMENT = datetime(2024, 1, 24, tzinfo=UTC)
VALUES = {"whole": 42, "yes": True, "year": "2024", "zip": "00123"}


class Fields:
    """Stands for Airflow's part: renders what the mixin leaves to it."""

    def render_template(self, content, *_):
        return ("airflow", content)

    def get_template_env(self):
        return SandboxedEnvironment()


class Operator(TypedTemplateFields, Fields):
    """An operator with two fields, one of them masked."""

    template_fields = ("event_name", "identifiers")
    masked_fields = frozenset({"identifiers"})
    task_id = "send"
    _dag = None

    def __init__(self, event_name=None, identifiers=None):
        self.event_name = event_name
        self.identifiers = identifiers

    def rendered(self, name, environment=None, **kwargs):
        """Render one field as Airflow does."""
        return self.render_template(getattr(self, name), VALUES, environment, **kwargs)


class Untouchable:
    """An environment that must not be needed."""

    def __getattr__(self, name):
        raise AssertionError(name)


@pytest.mark.parametrize(
    "text", ["", "00123", "+33612345678", "2024", "True", "1e5", "[1, 2]", "intro.json", "report.sql", "{ x }"]
)
def test_plain_strings_are_returned_as_they_are(text):
    """A string without Jinja is the same object afterwards, at every depth."""
    assert Operator(text).rendered("event_name") is text
    assert Operator([text]).rendered("event_name")[0] is text


def test_every_leaf_is_rendered_and_containers_are_copied():
    """Strings at any depth are rendered; the DAG's own objects stay as they are."""
    content = {"a": ["{{ whole }}", ("{{ yes }}", "x {{ year }}")], "{{ key }}": 5}
    rendered = Operator(content).rendered("event_name")

    assert rendered["a"] == [42, (True, "x 2024")]
    assert content["a"][0] == "{{ whole }}"
    assert "{{ key }}" in rendered


def test_what_is_no_text_is_left_to_airflow():
    """XComArgs, paths and the like are rendered as Airflow does it."""
    assert Operator({"a": MOMENT}).rendered("event_name") == {"a": ("airflow", MOMENT)}


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        ("{{ missing }}", "/event_name"),
        ({"a": {"b": ["x", "{{ missing }}"]}}, "/event_name/a/b/1"),
    ],
)
def test_errors_name_the_field_as_a_pointer(content, pointer):
    """An error says which template of which field, however deep it is."""
    with pytest.raises(BrevoTemplateError) as caught:
        Operator(content).rendered("event_name")
    assert caught.value.field == pointer


def test_template_outside_of_all_fields_has_a_name():
    """Content that belongs to no field is named a template."""
    with pytest.raises(BrevoTemplateError, match="^/template names"):
        Operator().render_template("{{ missing }}", VALUES)


def test_values_of_mapped_tasks_are_data():
    """What a mapped task got from XCom is not rendered again."""
    data = "{{ whole }}"

    assert Operator(data).rendered("event_name", seen_oids={id(data)}) is data


class Dag:
    """A DAG that knows its tasks, and how to make a sandboxed environment."""

    def __init__(self, task=None):
        self.task_dict = {"send": task}

    def get_template_env(self, *, force_sandboxed):
        environment = SandboxedEnvironment() if force_sandboxed else NativeEnvironment()
        environment.globals["of_the_dag"] = 7
        return environment


@pytest.mark.parametrize("environment", [NativeEnvironment(), Environment()])  # noqa: S701 # what is tested is that it isn't used
@pytest.mark.parametrize("dag", [None, Dag()])
def test_environment_without_sandbox_is_replaced(environment, dag):
    """A DAG with native rendering brings no sandbox: one takes its place, made by the DAG where there is one."""
    operator = Operator("{{ ''.__class__ }}")
    operator._dag = operator.dag = dag
    with pytest.raises(BrevoTemplateError, match="may not touch"):
        operator.rendered("event_name", environment)

    operator.event_name = "{{ zip }}"
    assert operator.rendered("event_name", environment) == "00123"
    operator.event_name = "{{ of_the_dag | default(0) }}"
    assert operator.rendered("event_name", environment) == (7 if dag else 0)


def test_given_sandbox_is_used():
    """Airflow's own sandboxed environment, with its filters, is the one that is used."""
    environment = SandboxedEnvironment()
    environment.filters["shout"] = str.upper

    assert Operator("{{ 'a' | shout }}").rendered("event_name", environment) == "A"


class ListOfDictsExpandInput:
    """What Airflow calls the argument of expand_kwargs."""

    def __init__(self, value):
        self.value = value


class Mapped:
    """A mapped task, with what was given by partial()."""

    def __init__(self, expand_input, **partial_kwargs):
        self.expand_input = expand_input
        self.partial_kwargs = partial_kwargs


class TaskInstance:
    """The second of the mapped tasks."""

    map_index = 1


def _mapped(rows, content, **partial_kwargs):
    operator = Operator(content)
    operator._dag = operator.dag = Dag(Mapped(rows, **partial_kwargs))
    return operator.render_template(content, {**VALUES, "ti": TaskInstance()}, SandboxedEnvironment())


XCOM = object()


@pytest.mark.parametrize("rows", [XCOM, [{}, XCOM]], ids=["all rows", "one row"])
def test_rows_of_expand_kwargs_that_come_from_a_task_are_data(rows):
    """Texts inside of a row that another task returned are never run as templates."""
    content = {"a": ["{{ whole }}"]}

    assert _mapped(ListOfDictsExpandInput(rows), content) is content


def test_rows_of_expand_kwargs_that_stand_in_the_dag_are_templates():
    """A row that the DAG's author wrote is rendered like any argument."""
    assert _mapped(ListOfDictsExpandInput([{}, {"event_name": "x"}]), "{{ whole }}") == 42


def test_arguments_of_partial_are_templates():
    """What partial() was given is the author's, whatever the rows are."""
    content = "{{ whole }}"

    assert _mapped(ListOfDictsExpandInput(XCOM), content, event_name=content) == 42


def test_other_mapped_tasks_are_templates():
    """With expand() Airflow itself tells data and templates apart."""
    assert _mapped(object(), "{{ whole }}") == 42
