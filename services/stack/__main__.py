"""The supervisor's process: `python -m services.stack`, started by `kaohe up`."""

import asyncio
import sys

from services.runtime.logging import configure
from services.runtime.settings import StackSettings
from services.stack.errors import StackError
from services.stack.state import supervising
from services.stack.supervisor import Supervisor


def main() -> int:
    """Supervise the stack of KAOHE_HOME until told to stop; 1 when it could not be started."""
    settings = StackSettings()
    configure(settings.log_level)
    with supervising(settings.home.absolute()) as held:
        if not held:
            return 0  # somebody else supervises this home already
        try:
            asyncio.run(_run(settings))
        except StackError:
            return 1  # told by state.json
    return 0


async def _run(settings: StackSettings) -> None:
    await Supervisor(settings).run()


if __name__ == "__main__":
    sys.exit(main())
