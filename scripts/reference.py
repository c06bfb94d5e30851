"""Write the reference pages in docs/reference/ from the code, and examples and states into the guides.

    python scripts/reference.py            write what has changed
    python scripts/reference.py --check    write nothing, and fail where a page differs from its source

It needs nothing but the package and Airflow. Signatures are those of the newest version of Airflow that is tested.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

sys.path.insert(0, str(Path(__file__).parent))  # a test loads this file from elsewhere
from state_drawing import drawing, table_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = "airflow_provider_brevo"
DOCS = ROOT / "docs"
PAGES = DOCS / "reference"
NOTE = "<!-- Written by scripts/reference.py: change the source it names, not this page. -->\n\n"

MODULES = (
    "operators.brevo",
    "decorators.brevo",
    "transfers.sql_to_brevo",
    "sensors.brevo",
    "notifications.brevo",
    "hooks.brevo",
    "core.mapping",
    "core.bulk_states",
    "core.checkpoint",
    "core.rejections",
    "core.client",
    "core.config",
    "core.auth",
    "core.validation",
    "core.tracking_plan",
    "sandbox",
)
"""What belongs to the public API, beside the errors."""

PUBLIC = {
    "hooks.brevo": ("BrevoHook",),
    "core.bulk_states": ("BulkResult", "Attempt"),
    "core.checkpoint": ("InFile",),
    "core.validation": ("load_schema", "prepare_event", "find_violations"),
}
"""Where only some names of a module belong to it: the rest is for the package itself."""

CALLED_BY_AIRFLOW = {"get_connection_form_widgets", "get_ui_field_behaviour", "render_template"}
"""Methods that are public because Airflow calls them, and say nothing to people."""


# ------------------------------------------------------------------------------------------------ what there is


def public_names(module_name: str) -> dict[str, Any]:
    """List the public classes and functions of a module: as ``__all__`` or ``PUBLIC`` says, or all without underscore.

    :param module_name: the module's name below the package.
    """
    module = importlib.import_module(f"{PACKAGE}.{module_name}")
    listed = getattr(module, "__all__", PUBLIC.get(module_name))
    if listed is not None:
        return {name: getattr(module, name) for name in listed}
    found = {
        name: value
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }
    return dict(sorted(found.items(), key=lambda item: inspect.getsourcelines(item[1])[1]))


def errors() -> dict[str, type[BaseException]]:
    """List the error classes, in the order of the source."""
    return {name: value for name, value in public_names("exceptions").items() if issubclass(value, BaseException)}


# ---------------------------------------------------------------------------------------- docstrings to Markdown


def markdown(text: str) -> str:
    """Turn the little reStructuredText that our docstrings use into Markdown.

    :param text: a docstring or a part of it, with its indentation removed.
    """
    text = re.sub(r":\w+:`~?([\w.]+)`", lambda match: f"`{match[1].rpartition('.')[2]}`", text)
    text = re.sub(r"`([^`<]+) <(https?://[^>]+)>`_", r"[\1](\2)", text)
    text = text.replace("``", "`")
    out: list[str] = []
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("==="):
            out += _table(lines)
        elif line.endswith("::"):
            out += [line[:-1], "", *_literal(lines)]
        else:
            out.append(line)
    return "\n".join(out).strip()


def _table(lines: Iterator[str]) -> Iterator[str]:
    """Read a simple table of two columns from behind its first rule."""
    rows = []
    for line in lines:
        if not line.startswith("==="):
            rows.append(re.split(r"\s{2,}", line, maxsplit=1))
        elif len(rows) > 1:
            break
    yield from table(rows[0], rows[1:]).splitlines()


def _literal(lines: Iterator[str]) -> Iterator[str]:
    block = []
    rest = ""
    for line in lines:
        if line and not line.startswith("    "):
            rest = line
            break
        block.append(line[4:])
    yield from ["```python", *"\n".join(block).strip().splitlines(), "```", "", rest]


def docstring(value: object) -> tuple[str, list[tuple[str, str]]]:
    """Split a docstring into its text and its fields.

    :param value: what it documents.
    :return: the text in Markdown, and pairs such as ``("param event", "what is sent")``.
    """
    text = inspect.getdoc(value) or ""
    head, *parts = re.split(r"^:(?=(?:param|cvar|return|raises)\b)", text, flags=re.MULTILINE)
    fields = []
    for part in parts:
        name, _, meaning = part.partition(":")
        fields.append((name.strip(), " ".join(markdown(meaning).split())))
    return markdown(head), fields


def described(value: object) -> str:
    """Return a docstring as Markdown, with its parameters as lists."""
    text, fields = docstring(value)
    named = [(field.split()[1], meaning) for field, meaning in fields if field.split()[0] in {"param", "cvar"}]
    lines = [text, ""]
    if named:
        lines += [f"- `{name}`: {meaning}" for name, meaning in named] + [""]
    for field, meaning in fields:
        kind, _, rest = field.partition(" ")
        if kind == "return":
            lines += [f"Returns {meaning}", ""]
        elif kind == "raises":
            lines += [f"Raises `{rest}`: {meaning}", ""]
    return "\n".join(lines).strip() + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table.

    :param head: titles of the columns.
    :param rows: the cells.
    """
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


# ------------------------------------------------------------------------------------------------- the Python API


def signature(value: Any, name: str) -> str:
    """Return a signature as code, one parameter a line where it is long.

    :param value: the function or class.
    :param name: what to call it.
    """
    try:
        made = inspect.signature(value)
    except ValueError:  # an exception without an __init__ of its own
        return ""
    parts = []
    keyword_only = False
    for parameter in made.parameters.values():
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            parts.append("*")
            keyword_only = True
        parts.append(_parameter(parameter))
    returned = made.return_annotation
    arrow = "" if inspect.isclass(value) or returned in {inspect.Signature.empty, "Any"} else f" -> {_type(returned)}"
    line = f"{name}({', '.join(parts)}){arrow}"
    if len(line) > 100:  # noqa: PLR2004 # what a page shows without scrolling
        line = f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){arrow}"
    return f"```python\n{line}\n```\n"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_KEYWORD: "**", parameter.VAR_POSITIONAL: "*"}.get(parameter.kind, "")
    text = stars + parameter.name
    if parameter.annotation not in {parameter.empty, "Any"}:
        text += f": {_type(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        value = parameter.default
        default = repr(value) if not callable(value) and " at 0x" not in repr(value) else "…"
        text += f" = {default}"
    return text


def _type(annotation: Any) -> str:
    text = annotation.strip("'\"") if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:\w+\.)+(?=[A-Z])", "", text)


def _members(cls: type) -> Iterator[str]:
    for name, value in vars(cls).items():
        if name.startswith("_") or name in CALLED_BY_AIRFLOW:
            continue
        heading = f"### {cls.__name__}.{name}\n\n"
        plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if inspect.isfunction(plain):
            yield heading + signature(plain, name) + "\n" + described(plain)
        elif isinstance(value, property):
            kind = _type(inspect.signature(value.fget).return_annotation) if value.fget else ""
            yield heading + f"A property: `{kind}`.\n\n" + described(value)


def python_page() -> str:
    """Return the page of the public API."""
    parts = [
        (
            "# Python API\n\nEverything that is public, beside the [errors](errors.md). How to use it is told in"
            " [From Python](../guides/python.md).\n"
        )
    ]
    words = [
        [f"`{name}`", ", ".join(f"`{value!r}`" for value in get_args(alias))] for name, alias in sorted(_literals())
    ]
    parts += ["Types that stand for a few words:\n", table(["type", "its values"], words)]
    for module_name in MODULES:
        for name, value in public_names(module_name).items():
            parts.append(f"## {name}\n\nFrom `{PACKAGE}.{module_name}`.\n")
            parts += [signature(value, name), described(value)]
            if inspect.isclass(value):
                parts += _members(value)
            if name == "Fault":
                parts += ["### Kinds and options\n", markdown(_without_title(sys.modules[value.__module__])) + "\n"]
    return "\n".join(parts)


def _literals() -> set[tuple[str, Any]]:
    modules = [importlib.import_module(f"{PACKAGE}.{name}") for name in MODULES]
    return {
        (name, value)
        for module in modules
        for name, value in vars(module).items()
        if get_origin(value) is Literal and not name.startswith("_")
    }


def _without_title(module: object) -> str:
    return (inspect.getdoc(module) or "").partition("\n\n")[2]


# ------------------------------------------------------------------------------------------------------ the errors


def errors_page() -> str:
    """Return the page of the error tree."""
    exceptions = importlib.import_module(f"{PACKAGE}.exceptions")
    found = errors()
    tree = (inspect.getdoc(exceptions) or "").partition("text\n\n")[2]
    drawing, _, rest = tree.partition("\n\n")
    rows = [
        [
            f"[`{name}`](#{name.lower()})",
            *(_flag(cls, flag) for flag in ("uncertain", "retry_here", "retry_later")),
        ]
        for name, cls in found.items()
    ]
    parts = [
        (
            "# Errors\n\nAll errors of `airflow_provider_brevo.exceptions`. What you see in a log and what to do about"
            " it is told in [Errors and cures](../guides/errors.md).\n"
        ),
        "```text\n" + inspect.cleandoc("\n" + drawing) + "\n```\n",
        markdown(rest) + "\n",
        "## What each says about itself\n",
        (
            "Errors of a request say three things, by which the client and the operator decide:\n\n"
            "- *may have been taken*: Brevo may have the event all the same (`uncertain`).\n"
            "- *again at once*: the client makes the request again within seconds, up to the connection's `max_retries`"
            " (`retry_here`).\n"
            "- *task again*: the operator leaves the task to the retries of Airflow (`retry_later`). Without it, the"
            " task fails with `AirflowFailException` and is not tried again.\n\n"
            "With `at_most_once`, what may have been taken is never sent again, whatever the other two say.\n"
        ),
        table(["error", "may have been taken", "again at once", "task again"], rows),
    ]
    for name, cls in found.items():
        base = cls.__bases__[0].__name__
        above = f"A [`{base}`](#{base.lower()}).\n" if base in found else "The base of all.\n"
        parts += [f"## {name}\n", above, described(cls)]
        if what := vars(cls).get("what"):
            parts.append(f"Its message starts with: *{what}*.\n")
        if name == "BrevoRequestError":
            parts.append(
                "Also: `attempts`, how many requests were made before it was raised, and `retry_after`, the seconds to"
                " wait as told by the server, or `None`.\n"
            )
    violation = public_names("exceptions")["Violation"]
    parts += ["## Violation\n", "No error, but one entry of an error's `violations`.\n", described(violation)]
    return "\n".join(parts)


def _flag(cls: type, flag: str) -> str:
    if not hasattr(cls, flag):
        return "" if flag == "uncertain" else "no"
    if f"self.{flag} =" in inspect.getsource(cls):
        return "it depends"
    return "yes" if getattr(cls, flag) else "no"


# -------------------------------------------------------------------------------------------------- the connection

_STANDARD = {
    "password": (
        "API key / OAuth client secret",
        "Required. The only place for a secret: Airflow encrypts it and masks it in logs.",
    ),
    "login": ("OAuth client ID", "Only with `auth_type` = `oauth`."),
    "host": ("Base URL", "Scheme, host, port and path before `/events`."),
    "port": ("hidden in the form", "For URIs: part of the base URL."),
    "schema": ("hidden in the form", "For URIs: path of the base URL, such as `v3`."),
}
"""Airflow's own fields: what connection_form.py calls them is checked below."""


def connection_page() -> str:
    """Return the page of the connection type."""
    form = importlib.import_module(f"{PACKAGE}.connection_form")
    config = importlib.import_module(f"{PACKAGE}.core.config")
    info = importlib.import_module(f"{PACKAGE}.get_provider_info").get_provider_info()
    if any(_STANDARD[name][0] != label for name, label in form.RELABELING.items()):
        raise SystemExit("scripts/reference.py and connection_form.py call a field differently")
    defaults = {field.name: field.default for field in dataclasses.fields(config.BrevoSettings)}
    standard = [
        [f"`{name}`", label, f"`{config.DEFAULT_BASE_URL}`" if name == "host" else "", meaning]
        for name, (label, meaning) in _STANDARD.items()
    ]
    extras = [
        [
            f"`{field.name}`",
            field.label,
            ", ".join(f"`{choice}`" for choice in field.choices) or field.type,
            _default(field, defaults),
            field.description,
        ]
        for field in form.EXTRA_FIELDS
    ]
    parts = [
        (
            f"# Connection\n\nThe connection type is `{form.CONNECTION_TYPE}`, shown as *{form.HOOK_NAME}*; the"
            " operator's and the hook's default id is `brevo_default`. How to write it down, where the key may go and"
            " what to do behind a proxy is told in [Connections](../guides/connections.md).\n"
        ),
        "## Fields of Airflow\n",
        table(["field", "in the form", "default", "meaning"], standard),
        (
            "## Extras\n\nAll are optional. `null` and an empty text mean unset, and numbers may be texts. An extra"
            " that is not listed gives a warning that names it. Values that can't be used are reported all at once.\n"
        ),
        table(["extra", "in the form", "type or values", "default", "meaning"], extras),
        "## Airflow's configuration\n",
    ]
    for section, content in info["config"].items():
        for name, option in content["options"].items():
            variable = f"AIRFLOW__{section}__{name}".upper()
            parts += [
                f"### [{section}] {name}\n",
                f"{option['description']}\n",
                table(
                    ["type", "default", "example", "environment", "since"],
                    [
                        [
                            option["type"],
                            f"`{option['default']}`" if option["default"] else "empty",
                            f"`{option['example']}`",
                            f"`{variable}`",
                            option["version_added"],
                        ]
                    ],
                ),
            ]
    return "\n".join(parts)


def _default(field: Any, defaults: dict[str, Any]) -> str:
    if field.choices:
        return f"`{field.choices[0]}`"
    value = defaults.get(field.name)
    return f"`{value:g}`" if isinstance(value, int | float) else ""


# ------------------------------------------------------------------------------------------------------- the event


def event_page() -> str:
    """Return the page of the event's schema."""
    load_schema = importlib.import_module(f"{PACKAGE}.core.validation").load_schema
    schema, batch = load_schema("event"), load_schema("batch")
    fields = list(_fields(schema, schema))
    rows = [
        [f"[`{path}`](#{_slug(path)})", _types(rules), "yes" if required else "", rules.get("x-rule", "")]
        for path, rules, required in fields
    ]
    parts = [
        "# Event\n",
        (
            "The rules by which an event is checked before it is sent, from the JSON Schema that ships with the"
            ' package. `load_schema("event")` returns it. Values of Python are converted first: see'
            " [Types and templating](../guides/types-and-templating.md).\n"
        ),
        f"{schema['description']}\n",
        f"The event itself must be {schema['x-rule']}. Source: {schema['x-source']}.\n",
        table(["field", "type", "required", "rule"], rows),
    ]
    for path, rules, required in fields:
        parts += [f"## {path}\n", _field(rules, required=required)]
    parts += [
        "## Batch\n",
        f"{batch['description']}\n",
        (
            f"`events` must be {batch['properties']['events']['x-rule']}; in all at most {batch['x-max-bytes']:,}"
            f" bytes. Source: {batch['properties']['events']['x-source']}.\n"
        ),
        "## The schema\n",
        "```json\n" + json.dumps(schema, indent=2, ensure_ascii=False) + "\n```\n",
    ]
    return "\n".join(parts)


def _resolve(rules: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Put a reference's own words over those of what it leads to."""
    if "$ref" not in rules:
        return rules
    target = schema
    for step in rules["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return {**_resolve(target, schema), **{key: value for key, value in rules.items() if key != "$ref"}}


def _fields(
    rules: dict[str, Any], schema: dict[str, Any], path: str = ""
) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for name, inner in rules.get("properties", {}).items():
        field = _resolve(inner, schema)
        place = f"{path}.{name}" if path else name
        yield place, field, name in rules.get("required", [])
        yield from _fields(field, schema, place)
        for part, words in (("propertyNames", "any key"), ("additionalProperties", "any value")):
            if isinstance(field.get(part), dict):
                yield f"{place}: {words}", _resolve(field[part], schema), False


def _types(rules: dict[str, Any]) -> str:
    kinds = rules.get("type", "string")
    return ", ".join(kinds) if isinstance(kinds, list) else kinds


def _field(rules: dict[str, Any], *, required: bool) -> str:
    limits = [
        f"{words} {rules[key]:,}"
        for key, words in (
            ("minLength", "characters: at least"),
            ("minProperties", "entries: at least"),
            ("minimum", "at least"),
            ("maximum", "at most"),
            ("x-max-bytes", "bytes of compact JSON in UTF-8: at most"),
        )
        if key in rules
    ]
    if "pattern" in rules:
        limits.append(f"pattern `{rules['pattern']}`")
    if "format" in rules:
        limits.append(f"format `{rules['format']}`")
    entries = [
        ("Type", _types(rules) + (", required" if required else "")),
        ("Must be", rules.get("x-rule")),
        ("Limits", "; ".join(limits)),
        ("If refused", ", or ".join(filter(None, [rules.get("x-advice"), rules.get("x-size-advice")]))),
        ("Source", rules.get("x-source")),
    ]
    text = f"{rules['description']}\n\n" if "description" in rules else ""
    return text + "".join(f"- {name}: {value}\n" for name, value in entries if value)


def _slug(heading: str) -> str:
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


# ------------------------------------------------------------------------------------------- examples in the guides

_EMBEDDED = re.compile(r"(<!-- (example_dags/\w+\.py)(?:: (\w+))? -->\n)```python\n.*?^```\n", re.DOTALL | re.MULTILINE)


def examples_page() -> str:
    """Return the page that holds every example."""
    parts = [
        (
            "# Examples\n\nDAGs that run, each with one idea. They are in the folder `example_dags/`, and each is run"
            " and checked on every version of Airflow that is tested.\n"
        )
    ]
    for path in sorted((ROOT / "example_dags").glob("*.py")):
        code = path.read_text(encoding="utf-8")
        title = (inspect.cleandoc(code.split('"""')[1])).strip()
        parts += [f"## {path.name}\n", f"{title}\n", f"```python\n{_without_markers(code)}```\n"]
    return "\n".join(parts)


def with_examples(text: str) -> str:
    """Renew the examples in a guide: the code blocks that stand under a comment with a file and a section.

    :param text: the guide.
    """

    def renewed(match: re.Match[str]) -> str:
        head, file, section = match.groups()
        code = (ROOT / file).read_text(encoding="utf-8")
        if section:
            code = code.split(f"# [start {section}]\n")[1].split(f"# [end {section}]")[0].rstrip(" ")
        return f"{head}```python\n{inspect.cleandoc(_without_markers(code))}\n```\n"

    return _EMBEDDED.sub(renewed, text)


_STATES = re.compile(r"(<!-- the states of a batch -->\n)(?:\|.*\n)*")


def with_states(text: str) -> str:
    """Renew the table of a batch's states in a guide, under the comment that asks for it.

    :param text: the guide.
    """
    head = ["a batch that is", "and of which", "is then, by `at_least_once`", "and by `at_most_once`"]
    return _STATES.sub(lambda match: match[1] + table(head, table_rows()), text)


def _without_markers(code: str) -> str:
    return re.sub(r"^ *# \[(?:start|end) \w+\]\n", "", code, flags=re.MULTILINE)


# ----------------------------------------------------------------------------------------------------------- pages

GENERATED: dict[str, Callable[[], str]] = {
    "event.md": event_page,
    "connection.md": connection_page,
    "errors.md": errors_page,
    "python.md": python_page,
    "examples.md": examples_page,
}


def wanted() -> dict[Path, str]:
    """Return every page that this script has a say in, as it should be."""
    pages = {PAGES / name: NOTE + _tidy(make()) for name, make in GENERATED.items()}
    guides = [*DOCS.glob("*.md"), *DOCS.glob("guides/*.md")]
    texts = {path: path.read_text(encoding="utf-8") for path in guides if not path.is_symlink()}
    pages |= {path: with_states(with_examples(text)) for path, text in texts.items()}
    return pages | {DOCS / "images" / "batch-states.svg": drawing()}


def _tidy(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write or check the pages.

    :param arguments: the command line without the program's name; ``None`` for the process's own.
    :return: the exit status.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where a page differs")
    options = parser.parse_args(arguments)
    pages = wanted()
    stale = [p for p, text in pages.items() if not p.is_file() or p.read_text(encoding="utf-8") != text]
    left = sorted(set(PAGES.glob("*.md")) - set(pages))
    if not options.check:
        PAGES.mkdir(exist_ok=True)
        for path in stale:
            path.write_text(pages[path], encoding="utf-8")
        for path in left:
            path.unlink()
        return 0
    for path in [*stale, *left]:
        print(f"{path.relative_to(ROOT)} differs from its source: run scripts/reference.py")
    return 1 if stale or left else 0


if __name__ == "__main__":
    sys.exit(main())
