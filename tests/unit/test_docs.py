"""The documentation is complete, agrees with its sources, and leads somewhere."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_brevo import _compat

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
NEWEST = "3.3"


def _load_script():
    spec = importlib.util.spec_from_file_location("reference_script", ROOT / "scripts" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = _load_script()
API = {name: module for module in reference.MODULES for name in reference.public_names(module)}
ERRORS = list(reference.public_names("exceptions"))


def text_of(pages):
    """Join the text of some pages."""
    return "\n".join(path.read_text(encoding="utf-8") for path in pages)


def without_code(text):
    """Take the code blocks out of a page."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def slugs(path):
    """List the anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#{1,6} +(.*)$", without_code(path.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def links(path):
    """List the relative links of a page."""
    text = re.sub(r"`[^`\n]*`", "", without_code(path.read_text(encoding="utf-8")))
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]


@pytest.mark.skipif(
    not _compat.airflow_version().startswith(NEWEST), reason="pages are written with the newest version of Airflow"
)
def test_reference_pages_agree_with_their_sources():
    """A page that was changed by hand, or whose source has changed, fails."""
    script = ROOT / "scripts" / "reference.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_page_that_differs_is_noticed(tmp_path, monkeypatch, capsys):
    """The check above can fail: for a stale page, a missing one, and one without a source."""
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "PAGES", tmp_path)
    pages = {tmp_path / "same.md": "same", tmp_path / "stale.md": "new", tmp_path / "missing.md": "new"}
    monkeypatch.setattr(reference, "wanted", lambda: pages)
    for name, text in {"same": "same", "stale": "old", "orphan": "old"}.items():
        (tmp_path / f"{name}.md").write_text(text, encoding="utf-8")
    assert reference.main(["--check"]) == 1
    told = capsys.readouterr().out
    assert [word for word in ("same", "stale", "missing", "orphan") if f"{word}.md" in told] == [
        "stale",
        "missing",
        "orphan",
    ]
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0


@pytest.mark.parametrize("name", [*API, *ERRORS])
def test_every_public_name_is_documented(name):
    """Each class and function has a heading of its own in the reference."""
    headings = re.findall(r"^## (.*)$", text_of(DOCS.glob("reference/*.md")), flags=re.MULTILINE)
    assert name in headings


@pytest.mark.parametrize("name", API)
def test_every_public_name_is_shown(name):
    """Each class and function appears in code, in an example, a guide or the README."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$",
        text_of([ROOT / "README.md", *DOCS.glob("guides/*.md")]),
        flags=re.MULTILINE | re.DOTALL,
    )
    code = "\n".join([*blocks, text_of((ROOT / "example_dags").glob("*.py"))])
    assert re.search(rf"\b{name}\b", code)


def test_every_public_name_has_a_docstring():
    """The reference has something to say about each."""
    for module in (*reference.MODULES, "exceptions"):
        assert all(value.__doc__ for value in reference.public_names(module).values())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    """Relative links lead to a file that exists, and to a heading in it."""
    for link in links(path):
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), link
        assert not anchor or anchor in slugs(file), link


@pytest.mark.parametrize("path", [path for path in PAGES if DOCS in path.parents and not path.is_symlink()], ids=str)
def test_every_page_of_the_site_links_within_the_site(path):
    """What lies outside of docs/ is not on the site."""
    assert all((path.parent / link.partition("#")[0]).resolve().is_relative_to(DOCS) for link in links(path))


def test_every_page_is_within_two_clicks_of_the_readme():
    """A reader who starts at the README finds each guide, each reference page and each decision."""
    reached = {ROOT / "README.md"}
    for _ in range(2):
        reached |= {
            (page.parent / link.partition("#")[0]).resolve()
            for page in reached
            if page.suffix == ".md"
            for link in links(page)
            if not link.startswith("#")
        }
    assert {path for path in PAGES if not path.is_symlink()} - reached <= {DOCS / "index.md"}


def test_every_page_is_in_the_navigation():
    """The site's menu names each page once, or leads to an index that does."""
    menu = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    menu += [f"decisions/{link}" for link in links(DOCS / "decisions" / "index.md")]
    assert sorted(menu) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
