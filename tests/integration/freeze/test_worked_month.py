"""The worked month through Kafka, processor and PostgreSQL: the frozen statements give the example's figures to the digit."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from tests.integration.freeze.conftest import Frozen
from tests.integration.freeze.month import S01, Site, example_events, expected


def rank_and_money(person: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": person["status"],
        "total": person["total"],
        "rank": person["rank"],
        "money": person["money"] and person["money"]["proposed"],
    }


async def people(site: Site, snapshot: str) -> dict[str, dict[str, Any]]:
    items = (await site.get(f"/v1/snapshots/{snapshot}/people"))["items"]
    return {item["person"]: rank_and_money(item) for item in items}


def wanted(view: str, scheme: str) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "status": person["status"],
            "total": person.get("total"),
            "rank": person.get("rank"),
            "money": (person.get("money") or {}).get("proposed"),
        }
        for name, person in expected()[view][scheme]["persons"].items()
    }


@pytest.mark.parametrize("view", ["settled", "provisional"])
@pytest.mark.parametrize("scheme", ["s01", "s02"])
async def test_every_total_place_and_amount_is_the_examples(
    shared_site: Site, frozen: Frozen, scheme: str, view: str
) -> None:
    assert await people(shared_site, frozen[scheme, view]["id"]) == wanted(view, scheme.upper())


async def test_shuffled_repeated_and_split_arrivals_freeze_the_same_rows(empty_site: Site) -> None:
    events = example_events() * 2
    rng = random.Random(7)
    rng.shuffle(events)
    # Of one identity the first arrival counts; the example's repetition is equal, so any order will do.
    for start in range(0, len(events), 101):
        await empty_site.publish(events[start : start + 101])
        await empty_site.work(page=rng.randint(3, 20))
    made = await empty_site.frozen(S01)
    assert await people(empty_site, made["id"]) == wanted("settled", "S01")
    assert (await empty_site.verify(made["id"]))["same"] is True


async def test_each_statement_adds_up_and_shows_where_it_comes_from(shared_site: Site, frozen: Frozen) -> None:
    snapshot = frozen["s01", "settled"]["id"]
    for person in ("KF01", "KF02", "KF03", "KF04", "KF06", "KF07", "KF08"):
        found = await shared_site.get(f"/v1/snapshots/{snapshot}/people/{person}/statement")
        points = [Fraction(line["points"]["fraction"]) for line in found["lines"]]
        assert sum(points) == Fraction(found["person"]["total"]["fraction"])
        assert found["lines_sum"] == found["person"]["total"]
        assert all(line["seed"].startswith("000:17") for line in found["lines"])
    kf01 = await shared_site.get(f"/v1/snapshots/{snapshot}/people/KF01/statement")
    deduction = kf01["lines"][-1]
    assert (deduction["case"], deduction["cause"], deduction["points"]["fraction"]) == ("PG-06", "hq 1001", "-1/2")
    assert kf01["person"]["name"] == "王敏"


async def test_the_evidence_names_the_cases_behind_each_measure(shared_site: Site, frozen: Frozen) -> None:
    snapshot = frozen["s01", "settled"]["id"]
    found = await shared_site.get(f"/v1/snapshots/{snapshot}/people/KF03/statement")
    cases: dict[str, list[str]] = {}
    for row in found["evidence"]:
        cases.setdefault(row["measure"], []).append(row["case"])
    assert cases["dispatch.completed.day_1"] == ["PG-14"]
    assert cases["dispatch.completed.later"] == ["PG-05"]
    assert cases["workload.accepted"] == ["PG-12", "PG-13", "PG-14", "PG-15", "TK-01"]
    assert "PG-13" not in cases.get("complaint.upheld", [])
    assert cases["finding.engineer_problem"] == ["PG-12"]


async def test_a_statement_reads_as_text_in_both_languages(shared_site: Site, frozen: Frozen) -> None:
    snapshot = frozen["s01", "settled"]["id"]
    path = f"/v1/snapshots/{snapshot}/people/KF01/statement"
    chinese = await shared_site.get(path, accept="text/plain")
    english = await shared_site.get(path, accept="text/plain", **{"accept-language": "en-GB,zh;q=0.5"})
    assert "王敏" in chinese
    assert "20 × (4 − 5/2) ÷ (4 − 1) = 10" in chinese
    assert "合计" in chinese
    assert "place 5/2 of 4 in the branch" in english
    assert "49/10" in english
    engineer = f"/v1/snapshots/{frozen['s02', 'settled']['id']}/people/GC01/statement"
    assert "(推定,非原文)" in await shared_site.get(engineer, accept="text/plain")
    assert "Money, proposed and not confirmed: -100.00" in english


async def test_who_is_not_scored_has_the_reason_and_the_excuse_in_the_statement(
    shared_site: Site, frozen: Frozen
) -> None:
    s01, s02 = frozen["s01", "settled"], frozen["s02", "settled"]
    away = await shared_site.get(f"/v1/snapshots/{s01['id']}/people/KF05/statement")
    assert away["person"]["status"] == "not_appraised"
    assert away["person"]["reason"]["en"] == expected()["settled"]["S01"]["persons"]["KF05"]["reason"]
    excused = await shared_site.get(f"/v1/snapshots/{s02['id']}/people/GC09/statement")
    assert excused["person"]["status"] == "not_computable"
    assert excused["person"]["excuse"]["by"] == "HR Zhang"
    assert excused["person"]["total"] is None


async def test_one_branch_may_be_frozen_alone_and_ranks_as_it_did_among_all(counted_site: Site) -> None:
    made = await counted_site.frozen(S01 | {"branch": "SZ"})
    found = await people(counted_site, made["id"])
    assert found == {name: row for name, row in wanted("settled", "S01").items() if name <= "KF05"}
