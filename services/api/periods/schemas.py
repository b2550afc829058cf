"""Freeze requests, snapshots, statements and verifications on the wire. Fractions are "n/d" text beside a decimal for display."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.api.instants import decimal
from services.core.scoring.canonical import IndicatorRow, LineRow, PersonRow
from services.core.scoring.evidence import Evidence
from services.core.scoring.gathering import View
from services.schemes.models import PointsTable
from services.store.snapshots import Snapshot

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
PeriodText = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]
ALL_BRANCHES = "all"


class Body(BaseModel):
    """A request body: unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Excuse(Body):
    """Somebody named takes it upon them that a person has no score this time."""

    person: Name = Field(description="The roster id of the person who is not computable.", examples=["GC09"])
    reason: Reason
    by: Name = Field(description="Who excuses.")


class Override(Body):
    """Somebody named freezes in spite of open items; kept with the snapshot."""

    reason: Reason
    by: Name


class FreezeRequest(Body):
    """What to freeze. The same thing is frozen once."""

    scheme: Name = Field(examples=["s01"])
    branch: Name = Field(
        ALL_BRANCHES, description="The branch whose people are scored; `all` = every branch, each ranked in itself."
    )
    view: View = Field(
        View.SETTLED,
        description="`settled`: everything known; `provisional`: only what had happened by the period's end.",
    )
    parameters: dict[str, PointsTable] = Field(
        default_factory=dict,
        description="The points tables that the scheme requires.",
        examples=[{"problem_points": {"attitude": 2, "missed_appointment": 1, "misdiagnosis": 3}}],
    )
    excuse: tuple[Excuse, ...] = ()
    early: bool = Field(False, description="Freeze although the period has not ended yet.")
    force: Override | None = Field(None, description="Freeze although quarantined records or conflicts are open.")


class Exact(BaseModel):
    """An exact number."""

    fraction: str = Field(examples=["259/3"])
    decimal: str = Field(examples=["86.333333333333"])

    @classmethod
    def of(cls, text: str) -> Exact:
        """From its stored form."""
        return cls(fraction=text, decimal=decimal(Fraction(text)))

    @classmethod
    def maybe(cls, text: str | None) -> Exact | None:
        """The same for a number that may be missing."""
        return None if text is None else cls.of(text)


class Bilingual(BaseModel):
    """A text in both languages."""

    zh: str
    en: str


class SnapshotItem(BaseModel):
    """A sealed snapshot: what it is a function of, and its hash."""

    id: UUID
    period: str
    scheme: str
    scheme_version: int
    branch: str
    view: View
    revision: int
    created_at: datetime
    created_by: str
    sealed_at: datetime
    content_hash: str = Field(description="SHA-256 over header and rows, hexadecimal.")
    cutoff: dict[str, int] = Field(description="For each shard the first sequence number that is not included.")
    roster_version: int
    definition_version: int
    core_version: int
    parameters: dict[str, Any]
    counts: dict[str, Any] = Field(
        description="Rows and SHA-256 of each section; postings that nobody in the roster explains."
    )

    @classmethod
    def of(cls, snapshot: Snapshot) -> SnapshotItem:
        """From the store's row."""
        header = snapshot.header
        return cls(
            id=header.snapshot_id,
            period=header.period,
            scheme=header.scheme,
            scheme_version=header.scheme_version,
            branch=header.cohort,
            view=View(header.view),
            revision=header.revision,
            created_at=snapshot.created_at,
            created_by=header.created_by,
            sealed_at=snapshot.sealed_at,
            content_hash=snapshot.content_hash.hex(),
            cutoff={str(shard): seq for shard, seq in sorted(header.cutoff.items())},
            roster_version=header.roster_version,
            definition_version=header.definition_version,
            core_version=header.core_version,
            parameters=dict(header.parameters),
            counts=dict(snapshot.counts),
        )


class SnapshotList(BaseModel):
    """The sealed snapshots of a period."""

    items: list[SnapshotItem]


class MoneyItem(BaseModel):
    """Money by place: proposed, not paid, until somebody named confirms it."""

    place_amount: str | None = Field(description="What the place earns; null when the place earns no money at all.")
    proposed: str = Field(examples=["-100.00"])
    remark: str | None
    words: Bilingual | None


class PersonItem(BaseModel):
    """One person of a snapshot. The name comes from the roster as it was frozen."""

    person: str
    name: str | None
    branch: str
    status: Literal["scored", "not_appraised", "not_computable"]
    reason: Bilingual | None
    newcomer: bool
    regions: list[str]
    total: Exact | None
    rank: str | None = Field(description="A fraction: 5/2 = shares the places 2 and 3.")
    ranked: int | None = Field(description="How many are ranked in the branch.")
    money: MoneyItem | None
    excuse: Excuse | None

    @classmethod
    def of(cls, row: PersonRow, name: str | None, excuse: Excuse | None) -> PersonItem:
        """From the store's row."""
        body = row.body
        return cls(
            person=row.person,
            name=name,
            branch=body["branch"],
            status=row.status,
            reason=body["reason"],
            newcomer=body["newcomer"],
            regions=body["regions"],
            total=Exact.maybe(row.total),
            rank=row.rank,
            ranked=body["ranked"],
            money=body["money"],
            excuse=excuse,
        )


class PersonList(BaseModel):
    """The people of a snapshot, best total first in each branch, then those without a score."""

    items: list[PersonItem]


class InputItem(BaseModel):
    """A number that entered a line."""

    name: str
    numerator: str
    denominator: str | None


class LineItem(BaseModel):
    """One step of the score; the points of all lines add up to the total."""

    no: int
    criterion: str
    rule: str
    words: Bilingual
    arithmetic: str = Field(examples=["20 × (4 − 5/2) ÷ (4 − 1) = 10"])
    points: Exact
    seed: str = Field(description="Where the rule is written: seed file:line.", examples=["000:175"])
    inputs: list[InputItem]
    shard: int | None
    case: str | None
    cause: str | None = Field(description="Source and id of the event behind an occurrence.")
    marks: list[str]

    @classmethod
    def of(cls, row: LineRow) -> LineItem:
        """From the store's row."""
        return cls(no=row.line_no, criterion=row.criterion, rule=row.rule, points=Exact.of(row.points), **row.body)


class IndicatorItem(BaseModel):
    """One indicator with numerator and denominator; `value` null = undefined, with the reason."""

    indicator: str
    numerator: Exact
    denominator: Exact
    value: Exact | None
    parts: list[dict[str, str]]
    own_maximum: dict[str, str] | None
    undefined: Bilingual | None
    marks: list[str]
    rank: str | None
    ranked: int | None
    points: Exact | None
    newcomer_default: bool

    @classmethod
    def of(cls, row: IndicatorRow) -> IndicatorItem:
        """From the store's row."""
        body = dict(row.body)
        points = Exact.maybe(body.pop("points"))
        return cls(
            indicator=row.indicator,
            numerator=Exact.of(row.numerator),
            denominator=Exact.of(row.denominator),
            value=Exact.maybe(row.value),
            points=points,
            **body,
        )


class EvidenceItem(BaseModel):
    """The net postings of one case for one measure."""

    measure: str
    dim: str
    shard: int
    case: str
    n: int
    value: int = Field(description="n × value per item: 1 for counts, millionths for amounts.")

    @classmethod
    def of(cls, row: Evidence) -> EvidenceItem:
        """From the store's row."""
        return cls(measure=row.measure, dim=row.dim, shard=row.shard, case=row.case, n=row.n, value=row.value)


class Statement(BaseModel):
    """One person's frozen score, explained down to the cases."""

    snapshot: SnapshotItem
    scheme: Bilingual
    person: PersonItem
    subtotal: Exact | None
    deducted: Exact | None
    before_veto: Exact | None
    veto: str | None
    lines: list[LineItem]
    lines_sum: Exact
    indicators: list[IndicatorItem]
    evidence: list[EvidenceItem]


class DifferingPosting(BaseModel):
    """One posting on which journal and ledger disagree: signed items in each."""

    engineer: str
    measure: str
    dim: str
    at_ms: int
    book_ms: int
    value: int
    journal: int
    refolded: int


class DifferingCase(BaseModel):
    """A case whose journal does not say what its events say; details of the first ones only."""

    shard: int
    case: str
    postings: list[DifferingPosting]


class Verification(BaseModel):
    """The outcome: `same`, or what differs."""

    same: bool
    snapshot: UUID
    cases: int = Field(description="Cases refolded from the ledger up to the cutoff.")
    postings: int = Field(description="Journal postings read up to the cutoff.")
    differing_cases: list[DifferingCase]
    differing_cases_total: int
    differing_sections: list[str] = Field(
        description="Sections whose rows, evaluated again from the journal, hash otherwise than the seal says."
    )
    tampered_sections: list[str] = Field(description="Sections whose stored rows hash otherwise than the seal says.")
    remarks: list[str] = Field(description="What may explain a difference: another core version, a changed scheme.")
