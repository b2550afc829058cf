"""A process remembers the keys it saw lately, for a bounded time."""

import pytest

from services.runtime.clock import FixedClock
from services.runtime.keyring import Keyring
from services.runtime.security import ApiKey, KeyRevoked, KeysUnavailable, KeyUnknown, NewKey, new_key


class Table:
    """Keys in memory, which may be away."""

    def __init__(self) -> None:
        self.rows: dict[str, ApiKey] = {}
        self.away = False
        self.asked = 0

    async def find(self, prefix: str) -> ApiKey | None:
        self.asked += 1
        if self.away:
            raise KeysUnavailable
        return self.rows.get(prefix)

    def add(self, *, revoked_ms: int | None = None, made: NewKey | None = None) -> NewKey:
        made = made or new_key()
        self.rows[made.prefix] = ApiKey(
            made.key_id, made.prefix, made.secret_hash, "t", frozenset(), (), revoked_ms=revoked_ms
        )
        return made


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(1_800_000_000_000)


@pytest.fixture
def keyring(table: Table, clock: FixedClock) -> Keyring:
    return Keyring(table.find, clock, fresh_ms=5_000, stale_ms=60_000)


def header(made: NewKey) -> dict[str, str]:
    return {"x-api-key": made.plain}


async def test_a_key_is_looked_up_once_in_a_few_seconds(keyring: Keyring, table: Table, clock: FixedClock) -> None:
    made = table.add()
    for _ in range(3):
        assert (await keyring.authenticate(header(made))).key_id == made.key_id
    assert table.asked == 1
    clock.advance(5_000)
    await keyring.authenticate(header(made))
    assert table.asked == 2


async def test_a_revocation_acts_within_seconds(keyring: Keyring, table: Table, clock: FixedClock) -> None:
    made = table.add()
    await keyring.authenticate(header(made))
    table.add(made=made, revoked_ms=clock.now_ms())
    clock.advance(5_000)
    with pytest.raises(KeyRevoked):
        await keyring.authenticate(header(made))


async def test_a_known_key_stands_while_the_table_is_away_for_a_bounded_time(
    keyring: Keyring, table: Table, clock: FixedClock
) -> None:
    made = table.add()
    await keyring.authenticate(header(made))
    table.away = True
    clock.advance(59_999)
    assert (await keyring.authenticate(header(made))).key_id == made.key_id
    clock.advance(1)
    with pytest.raises(KeysUnavailable):
        await keyring.authenticate(header(made))


async def test_a_key_not_seen_before_cannot_be_judged_while_the_table_is_away(keyring: Keyring, table: Table) -> None:
    made = table.add()
    table.away = True
    with pytest.raises(KeysUnavailable):
        await keyring.authenticate(header(made))


async def test_an_unknown_prefix_is_remembered_as_unknown(keyring: Keyring, table: Table) -> None:
    for _ in range(3):
        with pytest.raises(KeyUnknown):
            await keyring.authenticate(header(new_key()) | {"x-api-key": "kh_000000000000_0"})
    assert table.asked == 1


async def test_guesses_do_not_fill_the_memory(keyring: Keyring) -> None:
    for number in range(5_000):
        with pytest.raises(KeyUnknown):
            await keyring.authenticate({"x-api-key": f"kh_{number}_0"})
    assert len(keyring._seen) < 5_000
