"""Run mypy and judge its findings: there are none in the strict packages, and elsewhere their number only falls.

Run by ``make types``. pyproject.toml says what is checked and how; tools/types.count holds the number of findings
elsewhere and the version of Python that it was counted with. Another version installs other stubs, so that there the
number is only an upper bound.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECORD = "tools/types.count"
# As in pyproject.toml, under [[tool.mypy.overrides]].
STRICT = ("metrics/", "core/", "features/", "comparison/", "errors.py", "checks.py", "version.py")
MYPY = ("-m", "mypy", "--config-file=pyproject.toml", "--no-pretty", "--no-color-output", "--no-error-summary")


def findings(output: str) -> list[str]:
    """The files of mypy's findings, below osnet_lib, each as often as it has one; notes belong to a finding."""
    files = re.findall(r"^([^:\n]+):(?:\d+:)* error: ", output, re.MULTILINE)
    return [file.replace("\\", "/").removeprefix("osnet_lib/") for file in files]


def judge(output: str, status: int, record: str, python: str) -> list[str]:
    """What is wrong with what mypy printed, in sentences.

    Parameters
    ----------
    output, status : str, int
        Of mypy.
    record : str
        The text of tools/types.count, such as ``12 with Python 3.11``.
    python : str
        The version at hand, such as ``3.11``.
    """
    known = re.fullmatch(r"(\d+) with Python (3\.\d+)\s*", record)
    if not known:
        return [f"{RECORD} holds {record.strip()!r}: write it like `12 with Python 3.11`."]
    files = findings(output)
    if status not in (0, 1) or bool(files) != bool(status):
        return [f"mypy did not finish (exit status {status}): read what it says above."]
    strict = [file for file in files if file.startswith(STRICT)]
    count, most = len(files) - len(strict), int(known[1])
    wrong = [f"{len(strict)} in packages that have none: correct them."] if strict else []
    if count > most:
        wrong.append(f"{count} elsewhere, where {most} are known: correct the new ones.")
    if count < most and python == known[2]:
        wrong.append(f"{count} elsewhere, where {most} were known: write {count} into {RECORD}, so that it stays so.")
    return wrong


def main() -> None:
    """Check the types of the package; exit code 1 where something is wrong."""
    done = subprocess.run(
        [sys.executable, *MYPY], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    print(done.stdout, end="")
    python = "{}.{}".format(*sys.version_info)
    if wrong := judge(done.stdout, done.returncode, (ROOT / RECORD).read_text("utf-8"), python):
        sys.exit("\n".join(f"types: {sentence}" for sentence in wrong))
    print(f"types: none in the strict packages, {len(findings(done.stdout))} elsewhere, all known.")


if __name__ == "__main__":
    main()
