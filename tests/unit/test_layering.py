"""Who imports whom, and what a DAG file pays for it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "airflow_provider_brevo"
HEAVY = ["requests", "urllib3", "jsonschema", "jsonschema_rs", "referencing", "pandas", "numpy", "pyarrow", "aiohttp"]


def imports(path):
    """List the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def files(*folders):
    """List the Python files of some folders of the package."""
    return sorted(path for folder in folders for path in (PACKAGE / folder).rglob("*.py"))


@pytest.mark.parametrize("path", files("core", "sandbox", "exceptions"), ids=lambda path: path.stem)
def test_the_core_never_imports_airflow(path):
    """The Events API is a plain Python library."""
    assert not [name for name in imports(path) if name.split(".")[0] == "airflow"]


@pytest.mark.parametrize("path", files("core"), ids=lambda path: path.stem)
def test_the_core_never_looks_up(path):
    """Nothing in the core imports a surface."""
    ours = [name for name in imports(path) if name.startswith("airflow_provider_brevo.")]
    assert all(name.startswith(("airflow_provider_brevo.core", "airflow_provider_brevo.exceptions")) for name in ours)


@pytest.mark.parametrize("path", files("sandbox"), ids=lambda path: path.stem)
def test_the_sandbox_shares_no_code_with_the_provider(path):
    """Two readings of the documents catch each other's mistakes only if neither uses the other."""
    ours = [name for name in imports(path) if name.startswith("airflow_provider_brevo")]
    assert all(name.startswith("airflow_provider_brevo.sandbox") for name in ours)


def test_only_one_module_asks_for_airflows_version():
    """Branches on the version live in _compat.py and nowhere else."""
    suspicious = ("airflow.__version__", "AIRFLOW_V_", "airflow_version")
    for path in files("."):
        text = path.read_text(encoding="utf-8")
        if path.name != "_compat.py":
            assert not [word for word in suspicious if word in text.replace("_compat.airflow_version", "")], path


def test_the_package_itself_imports_nothing():
    """`import airflow_provider_brevo` gives a version and costs nothing."""
    assert list(imports(PACKAGE / "__init__.py")) == []


def test_parsing_a_dag_loads_nothing_heavy():
    """The operator's module adds neither an HTTP library nor a validator to what Airflow has loaded."""
    code = f"""
import sys
from airflow.providers.common.compat.sdk import DAG, BaseOperator, AirflowFailException, conf, task
before = set(sys.modules)
import airflow_provider_brevo.operators.brevo
print([name for name in {HEAVY} if name in set(sys.modules) - before])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_file_is_too_long_to_read():
    """A file has one idea and is read in one sitting."""
    tests = Path(__file__).parents[1].rglob("*.py")
    assert not [path for path in [*files("."), *tests] if len(path.read_text(encoding="utf-8").splitlines()) > 400]
