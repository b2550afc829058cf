"""An idempotency key belongs to who works under it; freezes and verifications have a bound each."""

from __future__ import annotations

from services.api.periods import endpoints
from services.store import freezing
from tests.integration.freeze.month import S01, Site


async def test_a_request_refused_because_another_is_under_way_leaves_no_claim(counted_site: Site) -> None:
    key_id = await counted_site.pool.fetchval("SELECT key_id FROM api_key")
    async with freezing.locks(counted_site.pool) as held:
        assert await held.take(f"kaohe.request {key_id} k1")
        answer = await counted_site.freeze(S01)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:kaohe:problem:request-under-way")
        assert await counted_site.pool.fetchval("SELECT count(*) FROM idempotency") == 0
    # Hence another request may take the key.
    assert (await counted_site.freeze(S01 | {"view": "provisional"})).status_code == 201


async def test_a_claim_that_was_broken_off_does_not_bind_its_key_to_the_request(counted_site: Site) -> None:
    await counted_site.pool.execute(
        "INSERT INTO idempotency (key_id, idempotency_key, request_hash) SELECT key_id, 'k1', 'another' FROM api_key"
    )
    first = await counted_site.freeze(S01)
    assert first.status_code == 201, first.text
    assert (await counted_site.freeze(S01)).json() == first.json()
    assert (await counted_site.freeze(S01 | {"view": "provisional"})).status_code == 422


async def test_verifications_do_not_take_the_turns_of_freezes(counted_site: Site) -> None:
    made = await counted_site.frozen(S01)
    await counted_site.verify(made["id"])
    turns = counted_site.app.state.verifying
    assert endpoints.VERIFICATIONS_AT_A_TIME == 1
    async with turns:
        assert turns.locked()
        assert (await counted_site.freeze(S01 | {"view": "provisional"}, key="k2")).status_code == 201
