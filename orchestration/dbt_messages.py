"""dbt's messages, composed only where somebody listens: most of them are for its own logs.

Imported where dbt is already.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager import EventManager
from dbt_common.events.event_manager_client import ctx_set_event_manager, get_event_manager


@contextmanager
def heard(names: Collection[str], levels: Collection[str]) -> Iterator[None]:
    """Let dbt compose the messages of some names and of some levels, and no others.

    Args:
        names: Of events, such as `LogTestResult`.
        levels: Such as `warn`.
    """
    before = get_event_manager()
    ctx_set_event_manager(_Heard(names, levels))
    try:
        yield
    finally:
        ctx_set_event_manager(before)


class _Heard(EventManager):
    def __init__(self, names: Collection[str], levels: Collection[str]) -> None:
        super().__init__()
        self._names = names
        self._levels = levels

    def fire_event(
        self,
        e: BaseEvent,
        level: EventLevel | None = None,
        node: Any = None,
        force_warn_or_error_handling: bool = False,
    ) -> None:
        is_heard = type(e).__name__ in self._names
        if is_heard or (level or e.level_tag()).value in self._levels:
            super().fire_event(e, level, node, force_warn_or_error_handling)
