"""Break the product on purpose, one change at a time, and show that a test notices each.

Every change is made in a copy of the checkout in a temporary folder, never in the checkout itself.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = "airflow_provider_brevo"
PASSED, FAILED = 0, 1  # what pytest ends with; anything else means that it could not run the tests
SECONDS = 300


class SabotageError(Exception):
    """A change can't be tried, so nothing is known of the tests."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that goes wrong.

    :param name: what it is, in words.
    :param path: the file, from the package's folder.
    :param right: the text there, which occurs once.
    :param wrong: what takes its place.
    :param test: the test that should notice, as pytest names it, from the folder of the tests.
    """

    name: str
    path: str
    right: str
    wrong: str
    test: str

    def broken(self, code: str) -> str:
        """Return the code of the file with the change.

        :param code: the code as it is.
        :raises SabotageError: the text to replace isn't there just once.
        """
        if (found := code.count(self.right)) != 1:
            raise SabotageError(
                f"{self.name}: the text to replace is {found} times in {PACKAGE}/{self.path}, not once. Change it in"
                f" scripts/sabotage.py as the code has changed."
            )
        return code.replace(self.right, self.wrong)


CHANGES = (
    Change(
        name="rename a field of the form",
        path="connection_form.py",
        right='name="max_retries"',
        wrong='name="maximum_retries"',
        test="unit/test_provider_info.py::test_the_form_of_airflow_3_has_its_fields_and_labels",
    ),
    Change(
        name="log the key",
        path="core/transport.py",
        right='        url = self._base_url + path if path.startswith("/") else path\n',
        wrong='        url = self._base_url + path if path.startswith("/") else path\n        print(dict(headers))\n',
        test="integration/test_create_event_privacy.py::test_nothing_personal_and_no_key_is_left_behind",
    ),
    Change(
        name="show identifiers",
        path="operators/brevo.py",
        right='masked_fields = frozenset({"identifiers", ',
        wrong="masked_fields = frozenset({",
        test="integration/test_create_event_privacy.py::test_identifiers_are_masked_however_they_are_given",
    ),
    Change(
        name="drop the checkpoint",
        path="core/recording.py",
        right="            self._store.save(self._progress)\n",
        wrong="",
        test="integration/test_bulk_reruns.py::test_a_retry_goes_on_where_the_last_try_ended",
    ),
    Change(
        name="follow redirects",
        path="core/transport.py",
        right="allow_redirects=False",
        wrong="allow_redirects=True",
        test="contract/test_client_security.py::test_a_redirect_is_refused_and_the_key_stays",
    ),
    Change(
        name="trust any certificate",
        path="core/transport.py",
        right="verify=self._verify",
        wrong="verify=False",
        test="contract/test_client_security.py::test_an_untrusted_certificate_is_refused",
    ),
    Change(
        name="send numbers as strings",
        path="core/payload.py",
        right="            return self._float(float(value), place)\n",
        wrong="            return str(self._float(float(value), place))\n",
        test="integration/test_create_event_templates.py::test_every_type_survives",
    ),
)


def copy_of_the_checkout(folder: Path) -> None:
    """Copy all files that git tracks.

    :param folder: where they go.
    :raises SabotageError: git is missing, or this is no checkout.
    """
    command = ["git", "-C", ROOT, "ls-files", "-z"]
    try:
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SabotageError("The files can't be listed: git and a checkout of the repository are needed.") from error
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():  # else it was deleted since the last commit
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def first_failure(folder: Path, *tests: str) -> str | None:
    """Run tests on the package in a folder, and return the first one that fails; None if all pass.

    :param folder: a copy of the checkout.
    :param tests: the tests, from the folder of the tests.
    :raises SabotageError: they could not be run to their end, so that no assertion of theirs has failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *(f"tests/{test}" for test in tests)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    failure = re.search(r"^FAILED tests/(.+?)(?: - |$)", done.stdout, re.MULTILINE)
    if done.returncode != (FAILED if failure else PASSED):
        raise SabotageError(f"The tests could not be run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return failure and failure[1]


def try_out(change: Change, folder: Path) -> str | None:
    """Break the copy, return the test that notices, and mend the copy.

    :param change: what to break.
    :param folder: a copy of the checkout.
    :raises SabotageError: the change or the test is out of date.
    """
    path = folder / PACKAGE / change.path
    code = path.read_text(encoding="utf-8")
    path.write_text(change.broken(code), encoding="utf-8")
    try:
        return first_failure(folder, change.test)
    finally:
        path.write_text(code, encoding="utf-8")


def try_all(folder: Path) -> int:
    """Try all changes on a copy, say what came of each, and return how many nothing noticed.

    :param folder: an empty folder.
    :raises SabotageError: nothing can be said of some change.
    """
    copy_of_the_checkout(folder)
    tests = sorted({change.test for change in CHANGES})
    if failure := first_failure(folder, *tests):
        raise SabotageError(f"{failure} fails without any change: mend that first.")
    print(f"Without any change all of the {len(tests)} tests pass.", flush=True)
    unnoticed = 0
    for change in CHANGES:
        noticed = try_out(change, folder)
        unnoticed += noticed is None
        print(f"{change.name:<26} -> {noticed or f'NOT NOTICED by {change.test}'}", flush=True)
    print(f"{len(CHANGES) - unnoticed} of {len(CHANGES)} changes were noticed.")
    return unnoticed


def main() -> int:
    """Try all changes; 0 if a test notices each."""
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="sabotage-") as folder:
            return 1 if try_all(Path(folder)) else 0
    except SabotageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
