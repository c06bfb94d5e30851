"""Check that wheel and sdist hold the package, all of it, and nothing else; for a release, that the tag names them."""

import argparse
import email
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = "airflow_provider_brevo"
SDIST_EXTRAS = {"PKG-INFO", "pyproject.toml", "README.md", "LICENSE", ".gitignore"}


def main(folder: Path, tag: str | None) -> int:
    """Compare what the files in a folder hold with what git knows of the package.

    :param folder: where one wheel and one sdist are.
    :param tag: the tag of a release, which has to be the version of both; None where nothing is released.
    """
    listed = subprocess.run(["git", "ls-files", PACKAGE], cwd=ROOT, capture_output=True, text=True, check=True)
    expected = set(listed.stdout.split())
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()} - SDIST_EXTRAS - {""}
    problems = [
        f"{file.name}: {word} {name}"
        for file, held in ((wheel, in_wheel), (sdist, in_sdist))
        for word, names in (("lacks", expected - held), ("also holds", held - expected))
        for name in sorted(names)
    ]
    if tag is not None:
        problems += release_problems(tag, wheel.name, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), metadata)
    print("\n".join(problems) or f"{wheel.name} and the sdist hold the {len(expected)} files of the package, no more")
    return 1 if problems else 0


def release_problems(tag: str, wheel: str, changelog: str, metadata: str) -> list[str]:
    """List what speaks against releasing a wheel under a tag.

    :param tag: such as ``v0.1.0``.
    :param wheel: the name of its file, which holds the version.
    :param changelog: the text of CHANGELOG.md.
    :param metadata: the text of METADATA in the wheel, which PyPI shows.
    """
    version = wheel.split("-")[1]
    problems = []
    if tag != f"v{version}":
        problems.append(f"the tag is {tag}, but {wheel} needs v{version}: correct the tag, or __version__")
    if f"\n## [{version}]" not in changelog:
        problems.append(f"CHANGELOG.md has no section [{version}]: rename [Unreleased], and start a new one")
    shown = email.message_from_string(metadata)
    if "Project-URL" not in shown:
        problems.append("METADATA has no Project-URL: set [project.urls] in pyproject.toml")
    if relative := re.findall(r"\]\((?![a-z]+:|#)", shown.get_payload()):
        problems.append(f"README.md has {len(relative)} relative links, which lead nowhere on PyPI: make them absolute")
    return problems


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where one wheel and one sdist are")
    parser.add_argument("--tag", help="the tag of a release")
    options = parser.parse_args()
    sys.exit(main(options.folder, options.tag))
