"""Where things lie in the repository."""

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
STAND_INS = TESTS / "stand_ins"
