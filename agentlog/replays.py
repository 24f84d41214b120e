"""The log read again: receipts of it. What is done is in replay/; this names what may be asked for."""

from __future__ import annotations

from agentlog.scope import Scope
from replay.receipt import MARKS_DEFAULT, LogReceipt, take_receipt


class Replays:
    """What a store's log can tell about its past."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def receipt(self, marks: int = MARKS_DEFAULT) -> LogReceipt:
        """Return a receipt of the whole log as it stands: position and hash chain, of any tenant's events.

        Args:
            marks: positions before the head that are noted as well; 0 to 10,000.
        Raises BadInput.
        """
        return await take_receipt(self._scope.log, marks)
