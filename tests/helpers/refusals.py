"""Refusals as every test wants them: one line of text, and a cure."""

from __future__ import annotations

import pytest

from osnet_lib.errors import OSNetError


def refused(error: type[OSNetError], call, *args, **kwargs) -> OSNetError:
    """What a call raises."""
    with pytest.raises(error) as caught:
        call(*args, **kwargs)
    assert caught.value.cure and "\n" not in str(caught.value)
    return caught.value


def refusal_of(error: type[OSNetError], call, *args, **kwargs) -> str:
    """The line that tells it."""
    return str(refused(error, call, *args, **kwargs))
