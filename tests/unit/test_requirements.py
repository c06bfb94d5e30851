"""What is asked for is what is tested and told."""

import re
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPAT = "apache-airflow-providers-common-compat"
GUIDE = (ROOT / "docs" / "guides" / "managed-airflow.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def oldest():
    """Give the oldest allowed version of each dependency, those of the extras too."""
    extras = PROJECT["optional-dependencies"].values()
    return dict(requirement.split(">=") for requirement in chain(PROJECT["dependencies"], *extras))


def test_the_oldest_common_compat_is_tested():
    """Airflow 2.11 is tested with the oldest version that is allowed, so that no name is used that it lacks."""
    for suffix in ("in", "txt"):
        pins = (ROOT / "requirements" / f"airflow-2.11.{suffix}").read_text(encoding="utf-8").splitlines()
        assert f"{COMPAT}=={oldest()[COMPAT]}" in pins


def test_an_administrator_is_told_each_version():
    """The guide's table has each dependency but Airflow, with the oldest version that is allowed."""
    told = dict(re.findall(r"^\| `([\w-]+)`.*? \| ([\d.]+) or later \|$", GUIDE, flags=re.MULTILINE))
    assert told == {name: version for name, version in oldest().items() if name != "apache-airflow"}


def test_what_the_guide_calls_tested_is_tested():
    """The pins of each Airflow that it names have the version that it names."""
    told = re.findall(r"Airflow ([\d.]+) with ([\d.]+\d)", GUIDE)
    assert len(told) == 2
    for airflow, version in told:
        pins = (ROOT / "requirements" / f"airflow-{airflow}.txt").read_text(encoding="utf-8")
        assert f"\n{COMPAT}=={version}\n" in pins
