"""Which exceptions are a person's to mend, and the one line that says how."""

from __future__ import annotations


def expected(problem: BaseException) -> str | None:
    """The message for a problem of input, settings or surroundings; None for a bug of ours."""
    from connectors.errors import ConnectorError  # noqa: PLC0415
    from gateway.imports import ImportRefused  # noqa: PLC0415
    from gateway.settings import SettingsError  # noqa: PLC0415
    from gateway.sources import SourceTaken  # noqa: PLC0415
    from gateway.store.errors import StoreError  # noqa: PLC0415
    from gateway.store.leases import LeaseHeld  # noqa: PLC0415
    from gateway.tokens import TokenRefused  # noqa: PLC0415

    if isinstance(problem, LeaseHeld):
        return f"{problem.name.removeprefix('sync:')} is being read by {problem.owner} right now; try again later"
    if isinstance(problem, (ImportRefused, SourceTaken, SettingsError, StoreError, ConnectorError, TokenRefused)):
        return str(problem)
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename or ''}: {problem.strerror}".lstrip(": ")
    return None
