"""Files that tasks name: on this machine, or in an object store that Airflow has a connection for."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_brevo import _compat
from airflow_provider_brevo.core.checkpoint import is_local
from airflow_provider_brevo.exceptions import BrevoSourceError, BrevoUsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_LOCAL = ("file", "local")
_REFUSED = ("http", "https", "ftp", "ftps")
_LONGEST_NAME = 60


def locate(value: Any, name: str) -> Any:
    """Return the path that a task's argument names.

    Chained URIs (``a::b://``) are refused, since what stands behind the first part can't be confined, and so is what
    isn't storage: whoever may set a parameter could have the worker fetch from anywhere.

    :param value: a path, a ``file:///…`` or object store URI, or one of Airflow's ``ObjectStoragePath``.
    :param name: the argument's name, for the error.
    :return: a ``pathlib.Path`` for what is on this machine, else an ``ObjectStoragePath``. Nothing is opened.
    :raises BrevoUsageError: it names nothing that may be used.
    """
    text = str(value)
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not text or not (isinstance(value, str | Path) or hasattr(value, "protocol")):
        raise BrevoUsageError(f"{name} is no path", advice="give text, a pathlib.Path, or an ObjectStoragePath")
    if not separator:
        return _confined(Path(text), name)
    if "::" in text:
        raise BrevoUsageError(f"{name} is a chained URI", advice="name the file itself, as s3://bucket/events.jsonl")
    if scheme in _LOCAL:
        if not rest.startswith("/"):
            raise BrevoUsageError(f"{name} is a {scheme} URI with a host", advice="write three slashes: file:///…")
        return _confined(Path(rest), name)
    if scheme in _REFUSED:
        raise BrevoUsageError(
            f"{name} is a URL of the scheme {scheme}, which is not read", advice="copy the file to a storage first"
        )
    if ":" in (urlsplit(text).netloc.rpartition("@")[0]):
        raise BrevoUsageError(
            f"{name} holds credentials", advice="name a connection of Airflow instead, as s3://conn_id@bucket/…"
        )
    return _stored(value, text, name, scheme)


def _stored(value: Any, text: str, name: str, scheme: str) -> Any:
    try:
        path = value if hasattr(value, "protocol") else _compat.storage_path(text)
        path.fs  # noqa: B018 # attaches the file system, and fails where Airflow has none for the scheme
    except Exception as error:
        raise BrevoUsageError(
            f"{name} can't be used: Airflow opens no storage of the scheme {scheme} ({type(error).__name__})",
            advice="install the provider that brings it, and check the connection that the URI names",
        ) from error
    return path


def _confined(path: Path, name: str) -> Path:
    roots = _compat.local_roots()
    if not roots:
        return path
    resolved = path.resolve()  # symbolic links lead out of a folder otherwise
    if not any(resolved.is_relative_to(Path(root).resolve()) for root in roots):
        raise BrevoUsageError(
            f"{name} is outside of the folders that tasks may use",
            advice="use one of those that Airflow's configuration lists as [brevo] local_roots",
        )
    return resolved


def reader(path: Any, columns: Collection[str]) -> Callable[[], Iterator[Any]]:
    """Return a function that reads a file's rows, from its beginning at each call.

    :param path: what :func:`locate` has returned.
    :param columns: what has to be there; see :func:`~airflow_provider_brevo.core.sources.read_rows`.
    :raises BrevoSourceError: the name tells no format. Errors of reading come with the rows, and name the path.
    """
    from airflow_provider_brevo.core.sources import format_of, read_rows  # noqa: PLC0415 # not needed to parse a DAG

    file_format, gzipped = format_of(str(path))

    def read() -> Iterator[Any]:
        with opened(path) as stream:
            try:
                yield from read_rows(stream, format=file_format, gzipped=gzipped, columns=columns)
            except BrevoSourceError as error:
                error.problem = f"{path}: {error.problem}"
                raise

    return read


def opened(path: Any) -> Any:
    """Open a file to read its bytes.

    :param path: what :func:`locate` has returned.
    :raises BrevoSourceError: it can't be opened.
    """
    # What is no plain file, a pipe say, could keep the worker waiting for ever.
    try:
        if is_local(path) and path.exists() and not path.is_file():
            problem, advice, later = "is no file", "name the file itself", False
        else:
            return path.open("rb")
    except FileNotFoundError:
        problem, later = "does not exist", True
        advice = "check the name, and that the worker sees the folder; retries wait for a file that is still to come"
    except PermissionError:
        problem, advice, later = "may not be read", "give the worker's user access to it", True
    except Exception as error:  # noqa: BLE001 # each storage has errors of its own
        problem, advice, later = (
            f"can't be opened ({type(error).__name__})",
            "check the storage and its connection",
            True,
        )
    failure = BrevoSourceError(f"{path} {problem}", advice=advice)
    failure.retry_later = later
    # Without the cause: errors of storages may quote requests with their credentials.
    raise failure


def task_file(folder: Any, context: Any, suffix: str) -> Any:
    """Return the file of one task below a folder. Runs, tasks and mapped tasks never share one.

    :param folder: what :func:`locate` has returned.
    :param context: the task's.
    :param suffix: what the name ends in.
    """
    ti = context["ti"]
    key = [ti.dag_id, ti.run_id, ti.task_id, ti.map_index]
    # The readable part is cut and cleaned, so it may be that of another task; the digest never is.
    digest = hashlib.blake2b(json.dumps(key).encode(), digest_size=8).hexdigest()
    dag, run, task = (re.sub(r"[^\w-]", "_", part, flags=re.ASCII)[:_LONGEST_NAME] for part in key[:3])
    mapped = f"-{ti.map_index}" if ti.map_index >= 0 else ""
    return folder / dag / run / f"{task}{mapped}-{digest}{suffix}"
