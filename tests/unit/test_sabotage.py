"""What ``make e2e-sabotage`` breaks is still there to be broken."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def sabotage():
    """Import the script."""
    spec = importlib.util.spec_from_file_location("sabotage", ROOT / "scripts" / "sabotage.py")
    script = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "sabotage", script)
        spec.loader.exec_module(script)
        yield script


def test_every_change_applies_to_the_code_as_it_is(sabotage):
    """Each text to replace is there once, and the code with the change can be compiled."""
    for change in sabotage.CHANGES:
        path = ROOT / sabotage.PACKAGE / change.path
        compile(change.broken(path.read_text()), path, "exec")


def test_every_test_that_should_notice_exists(sabotage):
    """Each is a function of the file that is named."""
    for change in sabotage.CHANGES:
        path, _, name = change.test.partition("::")
        assert f"\ndef {name}(" in (ROOT / "tests" / path).read_text(), change.name


@pytest.mark.parametrize(("code", "found"), [("nothing of it", 0), ("right right", 2)])
def test_a_change_that_does_not_apply_says_so(sabotage, code, found):
    """A text that has changed is an error, and no change without effect."""
    change = sabotage.Change(name="break it", path="core/payload.py", right="right", wrong="wrong", test="none")
    with pytest.raises(sabotage.SabotageError, match=f"is {found} times in airflow_provider_brevo/core/payload.py"):
        change.broken(code)
