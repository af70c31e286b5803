"""The Python that ATC finds for its operator compiler: the host's, and not that of our virtual environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# What CANN's page lists for its operator compiler (TBE): the module to import, and the package that holds it.
TBE_PACKAGES = {
    "attr": "attrs",
    "Cython": "cython",
    "numpy": "numpy",
    "decorator": "decorator",
    "sympy": "sympy",
    "cffi": "cffi",
    "yaml": "pyyaml",
    "pathlib2": "pathlib2",
    "psutil": "psutil",
    "google.protobuf": "protobuf",
    "scipy": "scipy",
    "requests": "requests",
    "absl": "absl-py",
}
LISTED_CANN = ((8, 1), (8, 3))  # the versions whose lists are known here
_PYTHONS = ((3, 7), (3, 11, 4))  # what they list
_NUMPYS = ((1, 19, 2), (1, 24, 0))
# Read by Python 3.7 as well.
_PROBE = """
import importlib.util, json, sys
def there(name):
    try:
        return importlib.util.find_spec(name) is not None
    except Exception:
        return False
try:
    import numpy
    version = numpy.__version__
except Exception:
    version = None
print(json.dumps({"version": list(sys.version_info[:3]), "executable": sys.executable, "numpy": version,
                  "missing": [name for name in sys.argv[1:] if not there(name)]}))
"""


@dataclass(frozen=True)
class HostPython:
    """A Python of this host, as it described itself.

    Attributes
    ----------
    executable : str
    version : tuple of int
        Three numbers.
    numpy : str or None
        The version that it imports; None where it cannot.
    missing : tuple of str
        Packages of `TBE_PACKAGES` that it lacks.
    """

    executable: str
    version: tuple[int, int, int]
    numpy: str | None
    missing: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        numpy = f"numpy {self.numpy}" if self.numpy else "no numpy that can be imported"
        return f"{self.executable} (Python {_dotted(self.version)}, {numpy})"

    def faults(self, cann: tuple[int, int] | None) -> list[str]:
        """What ends the operator compiler, as clauses; Python and numpy are judged for CANN to 8.3 or unknown only."""
        found = []
        if cann is None or cann <= LISTED_CANN[1]:
            if self.version >= (3, 13):
                found.append(f"is Python {_dotted(self.version)}, too new for CANN's operator compiler")
            if self.numpy and _numbers(self.numpy) >= (2,):
                found.append(f"has numpy {self.numpy}, without the np.float_ that CANN's operator compiler uses")
        if self.numpy is None and "numpy" not in self.missing:
            found.append("has a numpy that does not import")
        if self.missing:
            found.append(f"lacks {', '.join(self.missing)}")
        return found

    def unlisted(self, cann: tuple[int, int] | None) -> list[str]:
        """Versions that CANN's page does not list, as clauses; none where that page is not known here."""
        found = []
        if lists_are_known(cann):
            if not _PYTHONS[0] <= self.version <= _PYTHONS[1]:
                found.append(f"is Python {_dotted(self.version)}, where CANN lists 3.7 to 3.11.4")
            if self.numpy and not _NUMPYS[0] <= _numbers(self.numpy) <= _NUMPYS[1]:
                found.append(f"has numpy {self.numpy}, where CANN lists 1.19.2 to 1.24.0")
        return found

    def cure(self) -> str:
        """How to give ATC a Python that suits."""
        suits = self.numpy and _NUMPYS[0] <= _numbers(self.numpy) <= _NUMPYS[1]
        wanted = [*([] if suits else ["'numpy>=1.19.2,<=1.24.0'"]), *(name for name in self.missing if name != "numpy")]
        other = "Put a Python from 3.7 to 3.11.4 first on PATH"
        if not wanted or self.version >= (3, 12):
            return f"{other}."
        return f"{other}, or complete this one: {self.executable} -m pip install {' '.join(wanted)}"


def lists_are_known(cann: tuple[int, int] | None) -> bool:
    """Whether it is known here which Python and numpy that CANN lists."""
    return cann is not None and LISTED_CANN[0] <= cann <= LISTED_CANN[1]


def atc_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for ATC: ours without the virtual environment.

    ATC starts the first ``python3`` of PATH for its operator compiler. That must not be the study's, whose numpy it
    cannot use. So ``VIRTUAL_ENV``, its folders on PATH and PYTHONPATH, and those of the virtual environment that runs
    this process, activated or not, are left out.
    """
    kept = dict(os.environ if environ is None else environ)
    ours = {Path(folder) for folder in (kept.pop("VIRTUAL_ENV", None), _own_environment()) if folder}
    kept.pop("VIRTUAL_ENV_PROMPT", None)
    for name in ("PATH", "PYTHONPATH"):
        if name in kept:
            kept[name] = os.pathsep.join(
                entry for entry in kept[name].split(os.pathsep) if not ours & {Path(entry), *Path(entry).parents}
            )
    return kept


def _own_environment() -> str | None:
    return sys.prefix if sys.prefix != sys.base_prefix else None


def find_atc_python(environ: Mapping[str, str] | None = None) -> HostPython | None:
    """The Python that ATC will find in `atc_environment`; None where there is none or it does not answer."""
    kept = atc_environment(environ)
    program = shutil.which("python3", path=kept.get("PATH", os.defpath))
    return ask_python(program, kept) if program else None


def ask_python(program: str, environ: Mapping[str, str]) -> HostPython | None:
    """What a Python says of itself in an environment; None where it does not answer."""
    try:
        done = subprocess.run(
            [program, "-c", _PROBE, *TBE_PACKAGES],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=True,
        )
        said = json.loads(done.stdout.decode("utf-8", "replace").strip().splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
    major, minor, micro = said["version"]
    missing = tuple(TBE_PACKAGES[name] for name in said["missing"])
    return HostPython(said["executable"] or program, (major, minor, micro), said["numpy"], missing)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
