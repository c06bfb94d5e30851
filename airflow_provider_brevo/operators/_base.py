"""What the operators share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowNotFoundException

from airflow_provider_brevo.exceptions import BrevoError, BrevoUsageError
from airflow_provider_brevo.templating import TypedTemplateFields

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class BrevoTask(TypedTemplateFields):
    """Mixin for operators: templates keep types, and one that can't be rendered ends the task without further tries.

    It is no operator itself: of a class between Airflow's and ours ``partial()`` takes the wrong defaults.
    """

    # Stays empty: with ".json" in it, a value "intro.json" would be taken for a file.
    template_ext: Sequence[str] = ()
    ui_color = "#c0f0d8"

    brevo_conn_id: str

    def render_template(self, *args: Any, **kwargs: Any) -> Any:
        """Render a template field, keeping types.

        :raises AirflowFailException: a template is not valid, or names something that isn't defined.
        """
        with _no_further_tries():
            return super().render_template(*args, **kwargs)

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        with _no_further_tries():
            super()._do_render_template_fields(*args, **kwargs)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Say which connection there isn't, and that trying again doesn't make it."""
        try:
            yield
        except AirflowNotFoundException as error:
            raise AirflowFailException(
                f"There is no connection {self.brevo_conn_id!r}; add one of the type Brevo with this id."
            ) from error


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


@contextmanager
def _no_further_tries() -> Iterator[None]:
    try:
        yield
    except BrevoError as error:
        raise AirflowFailException(str(error)) from error
