"""Templates that keep the types of what they name.

Airflow renders ``"{{ total }}"`` to text, so a number arrives as ``"42.5"``. Its native mode guesses types from text,
so the text ``"00123"`` arrives as a number, and it gives up Jinja's sandbox. Here a template that is one expression
gives the value itself, whatever it is; with text around the expression it gives text; and the sandbox holds.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Any, ClassVar

from jinja2 import Environment, StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.sandbox import SandboxedEnvironment

from airflow_provider_brevo.core.payload import pointer
from airflow_provider_brevo.exceptions import BrevoTemplateError

if TYPE_CHECKING:
    from jinja2.compiler import Frame

_MASK = "***"
_NO_ELSE = "else"
_WRONG_VALUES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What expressions raise that don't fit their values: the same at every try, and with a text that may quote them."""


class TypedTemplates:
    """Renders templates in one sandboxed environment, keeping types.

    :param environment: where filters, macros and loaders come from; it is not changed.
    """

    def __init__(self, environment: SandboxedEnvironment) -> None:
        # An overlay keeps the class, and with it the sandbox.
        self._environment = environment.overlay(undefined=_NamedUndefined)
        self._environment.code_generator_class = _TypedCodeGenerator
        starts = (environment.variable_start_string, environment.block_start_string, environment.comment_start_string)
        prefixes = (environment.line_statement_prefix, environment.line_comment_prefix)
        self._markers = (*starts, *(prefix for prefix in prefixes if prefix))
        # What macros and {% set %} blocks join their parts by.
        self._environment.concat = _join  # type: ignore[method-assign] # Jinja's own is typed for text alone

    def are_in(self, text: str) -> bool:
        """Tell whether a text holds anything for Jinja to do. Whatever doesn't costs nothing.

        :param text: a text that may be a template.
        """
        return any(marker in text for marker in self._markers)

    def render(self, source: str, context: Mapping[str, Any], *, field: str) -> Any:
        """Render one template.

        :param source: the template.
        :param context: what it may name; it is not changed.
        :param field: JSON pointer to the template, for errors.
        :return: the expression's value if the template is one expression, else text.
        :raises BrevoTemplateError: the template isn't valid, or names something that isn't defined. Errors of code that
            the template calls are passed on, with a note that names the field.
        """
        try:
            value = _plain(self._render(source, context))
        except TemplateError as error:
            failure = _template_error(error, source, field)
        except _WRONG_VALUES as error:
            failure = BrevoTemplateError(
                field,
                f"can't be computed ({type(error).__name__})",
                advice="check the expression against the values it works on",
            )
        except Exception as error:
            error.add_note(f"While rendering the template {field} of the Brevo event.")
            raise
        else:
            undefined = next(_undefined_in(value), None)
            if undefined is None:
                return value
            failure = _template_error(undefined.as_error(), source, field)
        # Outside of the except block, since Jinja's messages may quote values.
        raise failure

    def _render(self, source: str, context: Mapping[str, Any]) -> Any:
        template = self._environment.from_string(source)
        # Template.render() would turn the context into a dict first, and so compute every lazy entry of it.
        values: Any = copy.copy(context)
        for name, value in template.globals.items():
            if name not in values:
                values[name] = value
        blocks = template.blocks
        return _join(
            template.root_render_func(self._environment.context_class(self._environment, values, template.name, blocks))
        )


class TypedTemplateFields:
    """Mixin for operators and notifiers: their template fields keep types.

    It takes the place of Airflow's ``render_template``, which is the one method that every version calls for each
    field, for mapped tasks too.
    """

    masked_fields: ClassVar[frozenset[str]] = frozenset()
    """Template fields whose values are not to be stored or shown: they are rendered to :class:`Masked`."""

    row_fields: ClassVar[frozenset[str]] = frozenset()
    """Template fields that hold many rows, none of which is to be stored: they are rendered to :class:`HiddenRows`."""

    row_word: ClassVar[str] = "event"
    """What one of the many is."""

    template_fields: Any

    def render_template(
        self,
        content: Any,
        context: Any,
        jinja_env: Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render a template field, keeping types at every depth.

        :param content: the field's value.
        :param context: Airflow's context.
        :param jinja_env: Airflow's environment; where it isn't sandboxed, a sandboxed one takes its place.
        :param seen_oids: ids of values that are data already: what mapped tasks got from XCom.
        :raises BrevoTemplateError: templates that are not valid, or name something that isn't defined.
        """
        field = next((name for name in self.template_fields if getattr(self, name, None) is content), None)
        rendered, errors = self._render_field(field, content, context, jinja_env, seen_oids)
        if errors:
            raise BrevoTemplateError.of_all(errors)
        return rendered

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Any, jinja_env: Environment, seen_oids: set[int]
    ) -> None:
        """Render all fields, and report all errors at once.

        Airflow's own method stops at the first error and logs the field as the DAG's author wrote it, which may be with
        the address of a contact. It also calls fields that are functions, past :meth:`render_template`.
        """
        if parent is not self:
            base: Any = super()
            base._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)  # noqa: SLF001 # ours
            return
        errors: list[BrevoTemplateError] = []
        for field in template_fields:
            content = getattr(self, field)
            if content is not None:
                rendered, found = self._render_field(field, content, context, jinja_env, seen_oids)
                setattr(self, field, rendered)
                errors += found
        if errors:
            raise BrevoTemplateError.of_all(errors)

    def _render_field(  # noqa: C901 # one small function for one kind of value each would say less
        self, field: str | None, content: Any, context: Any, jinja_env: Environment | None, seen_oids: set[int] | None
    ) -> tuple[Any, list[BrevoTemplateError]]:
        environment = self._sandboxed(jinja_env)
        templates = TypedTemplates(environment)
        errors: list[BrevoTemplateError] = []

        def render(value: Any, place: str) -> Any:  # noqa: PLR0911 # one line a type reads best
            if (seen_oids is not None and id(value) in seen_oids) or isinstance(value, _HIDDEN):
                return value
            if isinstance(value, str):
                if not templates.are_in(value):
                    return value
                try:
                    return templates.render(value, context, field=place)
                except BrevoTemplateError as error:
                    errors.append(error)
                    return None
            if isinstance(value, Mapping):
                return {key: render(inner, pointer(place, key, at)) for at, (key, inner) in enumerate(value.items())}
            if type(value) in {list, tuple}:
                return type(value)(render(inner, f"{place}/{index}") for index, inner in enumerate(value))
            # XComArgs, object storage paths, objects with template fields of their own: all as Airflow does it.
            base: Any = super(TypedTemplateFields, self)
            return base.render_template(value, context, jinja_env, seen_oids)

        if callable(content):
            rendered = content(context=context, jinja_env=jinja_env)
        elif field is not None and comes_from_xcom(self, field, content, context):
            rendered = content
        else:
            rendered = render(content, f"/{field or 'template'}")
        if rendered is not None and not isinstance(rendered, _HIDDEN):
            if field in self.masked_fields:
                rendered = Masked(rendered)
            elif field in self.row_fields:
                rendered = HiddenRows(rendered, self.row_word)
        return rendered, errors

    def _sandboxed(self, jinja_env: Environment | None) -> SandboxedEnvironment:
        operator: Any = self
        environment = jinja_env or operator.get_template_env()
        if isinstance(environment, SandboxedEnvironment):
            return environment
        # A DAG or an operator that asks for native rendering brings an environment without a sandbox.
        dag = getattr(operator, "dag", None) if getattr(operator, "_dag", None) else None
        sandboxed: SandboxedEnvironment = dag.get_template_env(force_sandboxed=True) if dag else SandboxedEnvironment()
        return sandboxed


class Masked(Mapping[str, Any]):
    """A rendered field that is stored and shown with its keys only.

    Airflow stores what template fields hold after rendering, and shows it to everybody who may see the DAG.

    :param value: the rendered field: an object, unless the DAG's author made a mistake.
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        self._entries: Mapping[str, Any] = value if isinstance(value, Mapping) else {}

    def __getitem__(self, key: str) -> Any:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __bool__(self) -> bool:
        return bool(self.value)

    def serialize(self) -> Any:
        """Return what may be stored; Airflow asks for this from 3.3 on."""
        return _mask(self.value)

    def __repr__(self) -> str:
        """Return what may be stored, as text; Airflow asks for this before 3.3."""
        return json.dumps(self.serialize(), ensure_ascii=False)


class HiddenRows:
    """A rendered field of many rows: their number is stored and shown, nothing else.

    It is no sequence, since Airflow would store it as one.

    :param value: the rendered field: a list of rows, unless the DAG's author made a mistake.
    :param word: what one of them is.
    """

    def __init__(self, value: Any, word: str = "event") -> None:
        self.value = value
        self._word = word

    def __bool__(self) -> bool:
        return bool(self.value)

    def serialize(self) -> str:
        """Return what may be stored; Airflow asks for this from 3.0 on."""
        is_text = isinstance(self.value, str | bytes)
        if isinstance(self.value, Sized) and not is_text:
            count = len(self.value)
            return f"<{count} {self._word}{'' if count == 1 else 's'}, not shown>"
        return f"<a {type(self.value).__name__}, not shown>"

    __str__ = __repr__ = serialize


_HIDDEN = (Masked, HiddenRows)


def comes_from_xcom(operator: Any, field: str, content: Any, context: Any) -> bool:
    """Tell whether a field of a mapped task was given by a row of ``expand_kwargs`` that another task returned."""
    mapped = task_in_dag(operator)
    return (
        is_row_of_task(getattr(mapped, "expand_input", None), context)
        and mapped.partial_kwargs.get(field) is not content
    )


def task_in_dag(operator: Any) -> Any:
    """Return what the DAG has under an operator's id: the operator, the mapped task it was made of, or ``None``."""
    dag = getattr(operator, "_dag", None)
    return dag.task_dict.get(operator.task_id) if dag else None


def is_row_of_task(expand_input: Any, context: Any) -> bool:
    """Tell whether a mapped task's row of ``expand_kwargs`` is one that another task returned.

    Airflow counts the objects and lists in such a row as written by the DAG's author, and would render them: a text of
    the data that holds ``{{`` would be run as a template.
    """
    if type(expand_input).__name__ != "ListOfDictsExpandInput":  # it has moved from version to version
        return False
    rows = expand_input.value
    row = rows[context["ti"].map_index] if isinstance(rows, list | tuple) else rows
    return not isinstance(row, Mapping)


def unmask(value: Any) -> Any:
    """Return the value behind a :class:`Masked` or :class:`HiddenRows`, and everything else as it is."""
    return value.value if isinstance(value, _HIDDEN) else value


def _mask(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _mask(inner) for key, inner in value.items()}
    return _MASK


# --------------------------------------------------------------------------------------------------- inside of Jinja


class _TypedCodeGenerator(NativeCodeGenerator):
    """Generates code that yields values instead of their text."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> Any:
        # Constants are folded into the text around them, also where there is none: {{ 42.5 }} would be "42.5".
        if isinstance(node, nodes.TemplateData):
            return super()._output_child_to_const(node, frame, finalize)
        raise nodes.Impossible

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802 # named by Jinja
        # A loop that happens to run once must not give another type than one that runs twice: the empty text makes
        # the result text however often it runs.
        self.visit(nodes.Output([nodes.TemplateData("")]).set_lineno(node.lineno), frame)
        super().visit_For(node, frame)

    def visit_CondExpr(self, node: nodes.CondExpr, frame: Frame) -> None:  # noqa: N802 # named by Jinja
        # Without else, Jinja makes an undefined value of a kind that doesn't fail.
        if node.expr2 is None:
            undefined = nodes.EnvironmentAttribute("undefined")
            name = nodes.Keyword("name", nodes.Const(_NO_ELSE))
            node.expr2 = nodes.Call(undefined, [], [name], None, None)
        super().visit_CondExpr(node, frame)


class _NamedUndefined(StrictUndefined):
    """Fails wherever it is used, with nothing but the name in the message: Jinja's own messages may quote values."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return f"{self._undefined_name}{' of None' if self._undefined_obj is None else ''}"

    def as_error(self) -> TemplateError:
        """Return the error that using the value would raise."""
        error: TemplateError = self._undefined_exception(self._undefined_message)
        return error


def _join(parts: Iterable[Any]) -> Any:
    values = list(parts)
    return values[0] if len(values) == 1 else "".join(map(str, values))


def _plain(value: Any) -> Any:
    # Airflow 2 hands some entries of the context over as lazy proxies.
    return value.__wrapped__ if type(value).__module__.startswith("lazy_object_proxy") else value


def _undefined_in(value: Any, around: frozenset[int] = frozenset()) -> Iterator[_NamedUndefined]:
    if isinstance(value, Undefined):
        yield value  # type: ignore[misc] # the environment makes no other kind
    elif isinstance(value, Mapping | list | tuple | set | frozenset) and id(value) not in around:
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _undefined_in(inner, around | {id(value)})


def _template_error(error: TemplateError, source: str, field: str) -> BrevoTemplateError:
    said = error.message or ""
    if isinstance(error, TemplateSyntaxError):
        return BrevoTemplateError(field, f"is no valid template: {said.rstrip('.')}", advice="correct the Jinja syntax")
    name = said.removesuffix(" of None")
    if name == _NO_ELSE:
        return BrevoTemplateError(
            field, "has an 'if' without 'else' that was not met", advice="say what else: {{ value if test else none }}"
        )
    # A name that isn't written in the template was looked up by a value, so it may be one.
    shown = f" '{name}'" if re.fullmatch(r"\w+", name) and name in source else " something"
    if isinstance(error, SecurityError):
        return BrevoTemplateError(
            field, f"reaches for{shown}, which templates may not touch", advice="compute the value in a task"
        )
    if isinstance(error, UndefinedError) and said.endswith(" of None"):
        return BrevoTemplateError(
            field,
            f"looks{shown} up in None",
            advice="check that the task it is pulled from ran, and returned something",
        )
    if isinstance(error, UndefinedError):
        return BrevoTemplateError(
            field,
            f"names{shown}, which is not defined",
            advice="correct the name, or give a value for the case that it is missing: {{ name | default(none) }}",
        )
    return BrevoTemplateError(field, f"failed with {type(error).__name__}", advice="correct the template")
