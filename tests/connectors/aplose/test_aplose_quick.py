"""Documents made the quick way are the documents."""

from __future__ import annotations

import dataclasses

import pytest

from connectors.aplose.quick import quick
from connectors.documents import DOCUMENT_TYPES, AnyDocument


@pytest.mark.parametrize("cls", DOCUMENT_TYPES.values(), ids=lambda cls: cls.__name__)
def test_a_quick_document_is_like_any_other(cls: type[AnyDocument]) -> None:
    """Same type, same defaults, equal, frozen; a missing or unknown argument is refused."""
    required = {f.name: "x" for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING}
    made = quick(cls)(**required, facet="f")  # type: ignore[arg-type]
    assert type(made) is cls
    assert made == cls(**required, facet="f")  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.facet = "g"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del made.facet
    with pytest.raises(TypeError):
        quick(cls)()
    with pytest.raises(TypeError):
        quick(cls)(**required, nonsense=1)  # type: ignore[call-arg,arg-type]
