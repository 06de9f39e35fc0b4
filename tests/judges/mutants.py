"""Changes the crypto core in small ways, one at a time, and lists the changes that no fast test notices.

    python -m tests.judges.mutants

It works on a copy in a temporary folder, with mutmut. `docs/mutation.md` explains the survivors that remain.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / ".venv-judges" / "lib" / "python3.11" / "site-packages"
MODULES = ("message", "keyring", "materials")
CONFIGURATION = f"""
[tool.mutmut]
source_paths = ["crypto"]
only_mutate = [{", ".join(f'"crypto/{module}.py"' for module in MODULES)}]
pytest_add_cli_args_test_selection = ["tests/crypto"]
"""
# mutmut stands behind this project's own packages, so that what is mutated runs with what it always runs with.
START = f"import sys; sys.path.append({str(PACKAGES)!r}); from mutmut.__main__ import cli; cli()"


def prepare(folder: Path) -> None:
    """What the fast tests need, and nothing else."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("crypto", "tests/crypto"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "tests" / "__init__.py", folder / "tests")
    (folder / "pyproject.toml").write_text(CONFIGURATION)


def mutmut(folder: Path, *arguments: str) -> str:
    """What mutmut says. Raises where it fails."""
    run = subprocess.run(
        [sys.executable, "-c", START, *arguments],
        cwd=folder,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return run.stdout


def main() -> None:
    """Run, and print each survivor with its change."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name)
        prepare(folder)
        tried = re.findall(r"(\d+)/\1 ", mutmut(folder, "run"))[-1]
        results = [line.split(":")[0].strip() for line in mutmut(folder, "results").splitlines()]
        survivors = [name for name in results if name.startswith("crypto.")]
        for survivor in survivors:
            change = mutmut(folder, "show", survivor).splitlines()
            lines = [line for line in change if line[:1] in "+-" and line[:3] not in ("+++", "---")]
            print("", survivor, *lines, sep="\n")
        print(f"\n{len(survivors)} of {tried} changes were not noticed")


if __name__ == "__main__":
    main()
