"""What runs on GitHub is what runs here, and only what was tested is published."""

import importlib.util
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
PUBLISH = "pypa/gh-action-pypi-publish@"


def jobs(name):
    """Read the jobs of a workflow."""
    return yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text(encoding="utf-8"))["jobs"]


def steps(job):
    """List the steps of a job, none for one that calls another workflow."""
    return job.get("steps", [])


def targets(job):
    """List what a job makes, once for each entry of its matrix."""
    commands = "\n".join(step.get("run", "") for step in steps(job))
    names = re.findall(r"^make (\$\{\{ matrix\.target \}\}|\S+)", commands, flags=re.MULTILINE)
    entries = job.get("strategy", {}).get("matrix", {}).get("target", [])
    return [target for name in names for target in (entries if name.startswith("$") else [name])]


def artifacts(job, action):
    """List the artifacts that a job uploads or downloads."""
    return [
        step["with"]["name"] for step in steps(job) if step.get("uses", "").startswith(f"actions/{action}-artifact@")
    ]


def needed(all_jobs, name):
    """Collect the jobs that have to succeed before one starts."""
    needs = all_jobs[name].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct.union(*(needed(all_jobs, other) for other in direct))


@pytest.mark.parametrize(
    "target", [target for name in ("ci", "release") for job in jobs(name).values() for target in targets(job)]
)
def test_every_target_that_a_workflow_makes_is_in_the_makefile(target):
    """`make` knows how to make it from what is in the repository."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", target],  # noqa: S607 # the make that runs the tests
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_ci_tests_every_version_that_is_promised():
    """Each Airflow that has pins and each Python among the classifiers has its job, and no other has."""
    made = {target for job in jobs("ci").values() for target in targets(job) if target.startswith("matrix-")}
    pins = {path.stem.removeprefix("airflow-") for path in (ROOT / "requirements").glob("airflow-*.txt")}
    assert {target.removeprefix("matrix-").partition("-py")[0] for target in made} == pins
    promised = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    others = {target.partition("-py")[2] for target in made if "-py" in target}
    assert others == set(promised) - {"3.11"}  # which runs all that don't name theirs


def test_nothing_is_published_before_the_built_wheel_was_tested():
    """The job that publishes needs the one that tests the wheel, and the whole of CI."""
    release = jobs("release")
    (publishing,) = (name for name, job in release.items() if any(PUBLISH in s.get("uses", "") for s in steps(job)))
    before = needed(release, publishing)
    (testing,) = (name for name in before if "wheel" in targets(release[name]))
    assert any(release[name].get("uses") == "./.github/workflows/ci.yml" for name in before)
    (artifact,) = artifacts(release[publishing], "download")
    assert artifacts(release[testing], "download") == [artifact]
    assert not [step for step in steps(release[publishing]) if "run" in step]  # nothing is built on the way
    uploading = [name for name, job in release.items() if artifacts(job, "upload")]
    assert [artifacts(release[name], "upload") for name in uploading] == [[artifact]]
    assert set(uploading) <= needed(release, testing)


def test_no_job_may_do_more_or_take_longer_than_it_needs():
    """All may read the repository; only the one that publishes may prove who it is, and it may do nothing else."""
    for path in WORKFLOWS.glob("*.yml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}
        for name, job in jobs(path.stem).items():
            assert job.get("permissions") == ({"id-token": "write"} if name == "publish" else None)
            assert "uses" in job or job["timeout-minutes"] <= 30


def release_problems(tag, changelog, metadata):
    """List what the release check has against a wheel of version 1.2.0."""
    spec = importlib.util.spec_from_file_location("check_dist", ROOT / "scripts" / "check_dist.py")
    check_dist = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check_dist)
    return check_dist.release_problems(tag, "airflow_provider_brevo-1.2.0-py3-none-any.whl", changelog, metadata)


METADATA = "Name: a\nProject-URL: Source, https://example.com/a\n\n[guide](https://example.com) [here](#here)\n"


@pytest.mark.parametrize(
    ("tag", "changelog", "named"),
    [
        ("v1.2.0", "# Changelog\n\n## [1.2.0] - 2026-03-01\n", []),
        ("v1.2.1", "# Changelog\n\n## [1.2.0] - 2026-03-01\n", ["v1.2.0"]),
        ("1.2.0", "# Changelog\n\n## [1.2.0] - 2026-03-01\n", ["v1.2.0"]),
        ("v1.2.0", "# Changelog\n\n## [Unreleased]\n", ["CHANGELOG.md"]),
        ("v1.2", "# Changelog\n\n## [1.2.0rc1]\n", ["v1.2.0", "CHANGELOG.md"]),
    ],
)
def test_a_release_is_tagged_with_the_version_of_its_wheel(tag, changelog, named):
    """A tag that differs from the version, or a version without a section in the changelog, is refused."""
    problems = release_problems(tag, changelog, METADATA)
    assert len(problems) == len(named)
    assert all(name in problem for name, problem in zip(named, problems, strict=True))


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        (METADATA.replace("Project-URL", "Summary"), "Project-URL"),
        (METADATA.replace("(https://example.com)", "(docs/guide.md)"), "relative links"),
    ],
)
def test_a_release_leads_to_the_project(metadata, named):
    """A wheel whose page on PyPI would not say where the project is, or has links that lead nowhere, is refused."""
    (problem,) = release_problems("v1.2.0", "\n## [1.2.0]\n", metadata)
    assert named in problem
