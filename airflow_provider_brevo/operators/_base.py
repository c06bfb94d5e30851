"""What the operators share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowNotFoundException

from airflow_provider_brevo.core.hosts import shown_id
from airflow_provider_brevo.exceptions import BrevoError, BrevoUsageError
from airflow_provider_brevo.links import BrevoReferenceLink
from airflow_provider_brevo.templating import TypedTemplateFields

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from os import PathLike

    from airflow.providers.common.compat.sdk import BaseOperatorLink

_ASSETS = "brevo://"


class BrevoTask(TypedTemplateFields):
    """Mixin for operators: templates keep types, and one that can't be rendered ends the task without further tries.

    It is no operator itself: of a class between Airflow's and ours ``partial()`` takes the wrong defaults.
    """

    # Stays empty: with ".json" in it, a value "intro.json" would be taken for a file.
    template_ext: Sequence[str] = ()
    ui_color = "#c0f0d8"

    operator_extra_links: Collection[BaseOperatorLink] = (BrevoReferenceLink(),)

    brevo_conn_id: str
    properties_schema: Mapping[str, Any] | str | PathLike[str] | None = None

    # Airflow's, of the operator that this is mixed into.
    outlets: list[Any]

    def render_template(self, *args: Any, **kwargs: Any) -> Any:
        """Render a template field, keeping types.

        :raises AirflowFailException: a template is not valid, or names something that isn't defined.
        """
        with _no_further_tries():
            return super().render_template(*args, **kwargs)

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> None:
        if parent is self:
            template_fields = [field for field in template_fields if not is_final(field, getattr(self, field))]
        with _no_further_tries():
            super()._do_render_template_fields(parent, template_fields, *args, **kwargs)

    def _tell_assets(self, context: Any, **counts: int) -> None:
        """Write what was sent into the events of the assets ``brevo://…`` among the outlets.

        :param context: the task's.
        :param counts: the event's extra: numbers alone, as everybody may read it.
        """
        for outlet in self.outlets or ():
            if str(getattr(outlet, "uri", "")).startswith(_ASSETS):
                context["outlet_events"][outlet].extra.update(counts)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Say which connection there isn't, and that trying again doesn't make it."""
        try:
            yield
        except AirflowNotFoundException:
            raise AirflowFailException(
                f"There is no connection {shown_id(self.brevo_conn_id)}; add one of the type Brevo with this id."
            ) from None  # Airflow's says no more, and quotes the id, which may be a key


def as_boolean(value: Any, name: str) -> bool:
    """Return what a template field holds as the boolean that it means.

    :param value: a boolean, or its text.
    :param name: the field's name, for the error.
    :raises BrevoUsageError: it means neither.
    """
    text = value.strip().lower() if isinstance(value, str) else value
    if text in (True, "true"):
        return True
    if text in (False, None, "false", ""):
        return False
    raise BrevoUsageError(f"{name} is neither true nor false", advice="give a boolean, or a template that is one")


def is_final(field: str, value: Any) -> bool:
    """Tell whether there is nothing to render in a template field.

    :param field: its name.
    :param value: what it holds.
    """
    # A schema holds no templates, though its regular expressions may look like some.
    if field == "properties_schema" and isinstance(value, Mapping):
        return True
    # Airflow 3.1 would take any object with a method `resolve` for the result of another task.
    return isinstance(value, PurePath) and not hasattr(value, "protocol")


@contextmanager
def _no_further_tries() -> Iterator[None]:
    try:
        yield
    except BrevoError as error:
        raise AirflowFailException(str(error)) from error
