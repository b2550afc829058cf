"""One small month for all tests of the simulator."""

import pytest

from services.simulator.month import Month, Plan, simulate

PLAN = Plan("2026-10", seed=11, engineers=16, representatives=8, scale=0.6)


@pytest.fixture(scope="session")
def small() -> Month:
    """A month of 16 engineers."""
    return simulate(PLAN)
