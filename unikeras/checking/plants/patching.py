"""How plants change what is there."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any


def put(owner: Any, name: str, value: Any) -> None:
    """Puts something else in the place of an attribute of a module or class."""
    setattr(owner, name, value)


def wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Calls of a function or method go to `around`, which gets the original before the arguments."""
    original = getattr(owner, name)

    @functools.wraps(original)  # Keras looks at the signature of a layer's `call`
    def call(*args: Any, **kwargs: Any) -> Any:
        return around(original, *args, **kwargs)

    setattr(owner, name, call)


def after_init(cls: Any, change: Callable[[Any], None]) -> None:
    """Every new object of a class is changed once it is made."""
    original = cls.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:  # not by `wrap`: Keras looks for `self` in the signature
        original(self, *args, **kwargs)
        change(self)

    put(cls, "__init__", init)


@contextlib.contextmanager
def temporarily(owner: Any, **attributes: Any) -> Iterator[None]:
    """While it lasts, an object has other attributes."""
    before = {name: getattr(owner, name) for name in attributes}
    try:
        for name, value in attributes.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)
