"""`python -m services.metrics`: one metrics worker."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys

import uvloop
from pydantic import ValidationError

from services.metrics.errors import EXIT_HALTED
from services.metrics.worker import serve
from services.runtime import logging as runtime_logging
from services.runtime.settings import MetricsSettings

# A batch makes a few hundred thousand objects, none of them in circles: looking for circles every 700 of them took a
# third of the CPU. What lives on after start-up is left out for good.
GC_THRESHOLDS = (200_000, 20, 50)


def main() -> int:
    """Run until told to stop; returns the exit code (see services.metrics.worker)."""
    try:
        settings = MetricsSettings()
    except ValidationError as fault:
        sys.stderr.write(f"settings are wrong: {fault}\n")
        return EXIT_HALTED
    runtime_logging.configure(settings.log_level)
    if settings.log_level != "DEBUG":
        # A rebalance alone is forty lines of theirs; Faust logs in the name of the modules that extend it, too.
        for library in ("aiokafka", "faust", "mode", "services.metrics.app", "services.metrics.transport"):
            logging.getLogger(library).setLevel(logging.WARNING)
    # Faust makes loops of its own (its consumer runs in a thread), so the policy is set and not only a runner.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    return asyncio.run(serve(settings))


if __name__ == "__main__":
    sys.exit(main())
