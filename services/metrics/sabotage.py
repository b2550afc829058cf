"""Faults that a test may order from a running worker, with KAOHE_TESTING=1 only: to prove that the guards notice them."""

from __future__ import annotations

import asyncio
import signal

import structlog

from services.metrics.batch import PartitionBatch
from services.metrics.lanes import Lanes

log = structlog.get_logger(__name__)

FAULTS = frozenset({"drop_batch"})


class LosingLanes(Lanes):
    """Lanes that lose a batch in silence, as Faust's known bugs would: one for each SIGUSR1.

    To the stream the batch looks taken. Only the next one of its partition can show that it is missing.
    """

    _to_lose = 0

    def listen(self) -> None:
        """Lose one batch more for each SIGUSR1 from now on."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._order)

    async def put(self, batch: PartitionBatch, epoch: int) -> bool:
        """Queue the batch, or lose it and say that it was queued."""
        if self._to_lose and epoch == self.epoch and batch.records:
            self._to_lose -= 1
            log.critical(
                "sabotage.batch_lost", topic=batch.topic, partition=batch.partition, records=len(batch.records)
            )
            return True
        return await super().put(batch, epoch)

    def _order(self) -> None:
        self._to_lose += 1
