"""The demo, step by step. Each step ends in checks; a check that fails is shown, and the demo's exit code tells."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg
from rich.console import Console

from services.cli.showing import frozen
from services.cli.showing.api import Api, ApiError, connected
from services.cli.showing.board import TICKETS, resolvers, rows_of
from services.cli.showing.live import Watcher, board, watched
from services.ingest.connectors.audit import read_audit
from services.ingest.connectors.servicenow import SOURCE, Translation, translate
from services.runtime.clock import SystemClock
from services.runtime.settings import Settings
from services.simulator.delivery.gateway import gateway
from services.simulator.month import Month, Plan, previous_month, simulate
from services.simulator.occurrence import Event
from services.stack.stack import Stack
from services.store.census import recorded_events
from services.store.keys import ensure_bootstrap_key

POINTS: Final = {"problem_points": {"attitude": 2, "missed_appointment": 1, "misdiagnosis": 3}}
EXCUSED_BY: Final = "the demo"
SETTLED_SECONDS: Final = 60
SAMPLE: Final = Path(__file__).parents[1] / "sample_incidents.csv"


@dataclass(slots=True)
class Show:
    """One run: `up`, then `run`. `failures` are the checks that did not hold; `complete` says that all were made."""

    stack: Stack
    console: Console
    seed: int
    failures: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    sent: int = 0
    distinct: int = 0
    complete: bool = False
    addresses: dict[str, str] = field(default_factory=dict)

    def up(self) -> None:
        """The stack. Outside of the event loop, so that Ctrl-C ends it at once."""
        self._title("Kafka, PostgreSQL and Kaohe on this machine, from Python packages alone")
        with self.console.status("Starting …") as line:
            state = self.stack.up(lambda said: line.update(f"{said.capitalize()} …") if said else None).state
        healthy = [process.name for process in state.processes if process.state == "healthy"]
        self._check(len(healthy) == len(state.processes), f"healthy: {', '.join(healthy)}")
        self.addresses = state.addresses

    async def run(self, *, stay: bool) -> None:
        """All other steps, in order; then, if asked to stay, nothing until interrupted."""
        key = await self._key()
        async with connected(self.addresses["API"], key) as api:
            month = await self._imagine(api)
            await self._simulate(api, key, month)
            await self._incidents(api, key)
            await self._freeze(api, month)
        self._close(key, month)
        self.complete = True
        if stay:
            self.console.print("\n[bold]Ctrl-C ends the demo and its stack.[/bold]")
            await asyncio.Event().wait()

    # -- steps ---------------------------------------------------------------------------------------------------------------

    async def _key(self) -> str:
        async with self._database() as connection:
            key = await ensure_bootstrap_key(connection)
        if key is None:
            raise RuntimeError("the demo's database is not fresh: it holds a key already")
        return key

    async def _imagine(self, api: Api) -> Month:
        now = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC)
        zone = ZoneInfo(Settings().zone)
        month = simulate(Plan(previous_month(now.astimezone(zone).date()), seed=self.seed, zone=zone, until=now))
        organisation = month.organisation
        self._title(
            f"An after-sales organisation: {len(organisation.branches)} branches, {len(organisation.regions)} teams, {len(organisation.engineers)} engineers, {len(organisation.representatives)} representatives"
        )
        imported = await api.roster_import(organisation.roster_csv())
        records = len(list(organisation.roster()))
        self._check(imported["added"] == records, f"roster imported: {imported['added']} of {records} records")
        return month

    async def _simulate(self, api: Api, key: str, month: Month) -> None:
        self._title(
            f"{month.plan.month}, as its events arrived: some twice, some late, out of order, amended or withdrawn"
        )
        events = [arrival.event for arrival in month.arrivals]
        watcher = Watcher(api, month.plan.month, [region.id for region in month.organisation.regions])
        async with gateway(self.addresses["Ingest"], key) as way:
            accepted = await watched(watcher, way, events, self.console)
        self._check(accepted == len(events), f"{accepted:,} of {len(events):,} events accepted by the gateway")
        self._check(watcher.pushes > 1, f"the figures moved as events came: {watcher.pushes} pushes over the stream")
        self.sent += len(events)
        self.distinct += month.identities
        await self._settled(api)
        self.console.print(await board(api, month.plan.month))
        repeated = len(events) - month.identities
        await self._check_ledger(
            f"the ledger holds the {month.identities:,} distinct events; {repeated:,} repetitions counted nothing"
        )
        strangers = {worker["source_id"] for worker in await api.unmatched() if worker["source"] == "crm"}
        self._check(
            bool(strangers) and all(name.startswith("TMP") for name in strangers),
            f"listed, not dropped: ids that no roster row explains ({', '.join(sorted(strangers)) or 'none'})",
        )

    async def _incidents(self, api: Api, key: str) -> None:
        file = _real_incidents()
        self._title(
            f"{'Real incidents' if file != SAMPLE else 'Incidents of the shape that ServiceNow exports'}: {file.name}"
        )
        with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            audit = read_audit(lines, zone=ZoneInfo(Settings().zone))
        translation = translate(audit)
        await api.roster_import(_roster_of(translation))
        async with gateway(self.addresses["Ingest"], key) as way:
            for _ in range(2):  # the second time counts nothing
                for at in range(0, len(translation.events), way.batch):
                    receipt = await way.send(translation.events[at : at + way.batch])
                    self.sent += receipt.accepted
        self.distinct += len(translation.events)
        await self._settled(api)
        self._check(
            not audit.rejects,
            f"{len(audit.updates):,} rows of {translation.incidents:,} incidents read, {len(translation.events):,} events",
        )
        await self._check_ledger(
            f"imported twice, recorded once: {self.distinct:,} distinct events of {self.sent:,} sent"
        )
        busiest = _busiest_month(translation.events)
        rows = [row for row in rows_of(await api.kpis("engineer", busiest, TICKETS)) if row.figures]
        self.console.print(resolvers(rows, busiest))

    async def _freeze(self, api: Api, month: Month) -> None:
        branch = month.organisation.branches[0]
        period = month.plan.month
        self._title(f"{period} frozen: S01 客服代表 and S02 上门服务工程师, branch {branch.id} {branch.name}")
        for scheme, parameters in (("s01", POINTS), ("s02", {})):
            request = {"scheme": scheme, "branch": branch.id, "parameters": parameters}
            snapshot = await self._frozen(api, period, request)
            people = await api.people(snapshot["id"])
            self.console.print(
                frozen.people(people, f"{scheme.upper()} {period}, sealed: {snapshot['content_hash'][:16]}…")
            )
            await self._prove(api, snapshot["id"], people, in_full=scheme == "s01")

    async def _frozen(self, api: Api, period: str, request: dict[str, Any]) -> dict[str, Any]:
        """Freeze; who cannot be computed is excused by somebody named. The same request again must give the same snapshot."""
        key = f"demo {period} {request['scheme']}"
        try:
            snapshot = await api.freeze(period, request, key)
        except ApiError as refused:
            if refused.kind != "not-computable":
                raise
            missing = refused.problem["people"]
            self.console.print(
                f"Refused at first: {len(missing)} people cannot be computed ({missing[0]['person']}: {missing[0]['reason']['en']}). Excused by {EXCUSED_BY}."
            )
            excuses = [{"person": one["person"], "reason": one["reason"]["en"], "by": EXCUSED_BY} for one in missing]
            request, key = request | {"excuse": excuses}, f"{key} excused"
            snapshot = await api.freeze(period, request, key)
        again = await api.freeze(period, request, key)
        self._check(
            again == snapshot,
            f"{request['scheme'].upper()} sealed; the same request again is answered with the same snapshot",
        )
        return snapshot

    async def _prove(self, api: Api, snapshot: str, people: Sequence[dict[str, Any]], *, in_full: bool) -> None:
        scored = [person for person in people if person["total"] is not None]
        statements = [await api.statement(snapshot, person["person"]) for person in scored]
        if in_full and statements:
            self.console.print(frozen.statement(max(statements, key=lambda one: len(one["lines"]))))
        exact = sum(frozen.sum_of_lines(one) == Fraction(one["person"]["total"]["fraction"]) for one in statements)
        self._check(
            bool(scored) and exact == len(scored),
            f"the lines of {exact} of {len(scored)} statements sum to the score, exactly",
        )
        found = await api.verify(snapshot)
        self._check(
            found["same"] is True,
            f"verified: {found['cases']:,} cases folded again from the ledger, {found['postings']:,} postings compared: same",
        )

    def _close(self, key: str, month: Month) -> None:
        self._title("To go on by hand")
        api, period = self.addresses["API"], month.plan.month
        self.console.print(
            f"API       {api}\nGateway   {self.addresses['Ingest']}\nKafka     {self.addresses['Kafka']}\nKey       {key}",
            highlight=False,
            soft_wrap=True,
        )
        self.console.print(
            f"curl -H 'Authorization: Bearer {key}' '{api}/v1/kpis?level=engineer&window={period}&indicator=dispatch.on_time_score'",
            highlight=False,
            soft_wrap=True,
        )
        seconds = time.monotonic() - self.began
        if self.failures:
            self.console.print(f"\n[bold red]{len(self.failures)} checks did not hold[/bold red] ({seconds:.0f} s):")
            for failure in self.failures:
                self.console.print(f"  ✗ {failure}", markup=False)
        else:
            self.console.print(f"\n[bold green]Every step held.[/bold green] {seconds:.0f} s", highlight=False)

    # -- what steps share ----------------------------------------------------------------------------------------------------

    def _title(self, text: str) -> None:
        seconds = time.monotonic() - self.began
        self.console.print(f"\n[dim]{seconds:3.0f} s[/dim]  [bold]{text}[/bold]", highlight=False)

    def _check(self, held: bool, text: str) -> None:
        self.console.print(("[green]✓[/green] " if held else "[bold red]✗[/bold red] ") + text, highlight=False)
        if not held:
            self.failures.append(text)

    async def _settled(self, api: Api) -> None:
        """Wait until everything that was sent is committed."""
        deadline = time.monotonic() + SETTLED_SECONDS
        seen = 0
        with self.console.status("Counting …"):
            while seen < self.sent and time.monotonic() < deadline:
                seen = sum(source["events"] for source in await api.sources())
                await asyncio.sleep(0.2)
        if seen != self.sent:
            self._check(held=False, text=f"{seen:,} of {self.sent:,} events were committed within {SETTLED_SECONDS} s")

    async def _check_ledger(self, text: str) -> None:
        async with self._database() as connection:
            recorded = await recorded_events(connection)
        self._check(recorded == self.distinct, text if recorded == self.distinct else f"{text}: {recorded:,} recorded")

    @asynccontextmanager
    async def _database(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.stack.environment()["KAOHE_DATABASE_URL"])
        try:
            yield connection
        finally:
            await connection.close()


def _real_incidents() -> Path:
    """The real audit where it is at hand, else the small one that comes with the package."""
    root = Path(__file__).parents[3]
    folder = Path(os.environ.get("KAOHE_REAL_DATA") or root.parent / "shared" / "data")
    real = folder / "servicenow_incidents.csv"
    return real if real.exists() else SAMPLE


def _roster_of(translation: Translation) -> str:
    """A roster of the people whom the incidents name, so that their figures have somebody to belong to."""
    first = min(event["time"] for event in translation.events)[:4] + "-01-01"
    names = sorted({event["data"]["engineer"] for event in translation.events if "engineer" in event["data"]})
    people = "".join(f"person,{name},{name},服务台工程师,SD,,{first},,,\n" for name in names)
    ids = "".join(f"person_id,{name},,,,,{first},,{SOURCE},{name}\n" for name in names)
    return (
        f"record,id,name,post,branch,region,from,to,source,source_id\nbranch,SD,服务台,,SD,,{first},,,\n{people}{ids}"
    )


def _busiest_month(events: Sequence[Event]) -> str:
    """The month in which most was resolved, YYYY-MM."""
    resolved = [str(event["time"])[:7] for event in events if event["type"] == "kaohe.ticket.resolved.v1"]
    return max(sorted(set(resolved)), key=resolved.count)
