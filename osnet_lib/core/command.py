"""Commands that a message gives to a reader, who pastes them into a shell."""

from __future__ import annotations

import shlex


def python_command(code: str) -> str:
    """The call that runs code which quotes its texts with ``'``."""
    return f'python -c "{code}"' if not set('"$`\\!') & set(code) else f"python -c {shlex.quote(code)}"
