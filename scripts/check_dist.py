"""Check that wheel and sdist hold the package, all of it, and nothing else."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = "airflow_provider_brevo"
SDIST_EXTRAS = {"PKG-INFO", "pyproject.toml", "README.md", "LICENSE", ".gitignore"}


def main(folder: Path) -> int:
    """Compare what the files in a folder hold with what git knows of the package.

    :param folder: where one wheel and one sdist are.
    """
    listed = subprocess.run(["git", "ls-files", PACKAGE], cwd=ROOT, capture_output=True, text=True, check=True)
    expected = set(listed.stdout.split())
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {name for name in archive.namelist() if ".dist-info/" not in name}
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()} - SDIST_EXTRAS - {""}
    problems = [
        f"{file.name}: {word} {name}"
        for file, held in ((wheel, in_wheel), (sdist, in_sdist))
        for word, names in (("lacks", expected - held), ("also holds", held - expected))
        for name in sorted(names)
    ]
    print("\n".join(problems) or f"{wheel.name} and the sdist hold the {len(expected)} files of the package, no more")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
