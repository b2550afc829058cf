"""A statement as plain text for people, in Chinese or English; wide characters count two columns."""

from __future__ import annotations

import unicodedata
from typing import Literal

from services.api.periods.schemas import Bilingual, Exact, IndicatorItem, LineItem, Statement

Language = Literal["zh", "en"]
WIDTH = 100

_LABELS: dict[str, Bilingual] = {
    "title": Bilingual(zh="考核结果单", en="Appraisal statement"),
    "period": Bilingual(zh="考核期", en="Period"),
    "scheme": Bilingual(zh="考核办法", en="Scheme"),
    "person": Bilingual(zh="被考核人", en="Person"),
    "branch": Bilingual(zh="分公司", en="Branch"),
    "regions": Bilingual(zh="辖区", en="Regions"),
    "view": Bilingual(zh="口径", en="View"),
    "settled": Bilingual(zh="结算(已知全部事件)", en="settled (everything known)"),
    "provisional": Bilingual(zh="暂估(期末前已发生)", en="provisional (what had happened by the period's end)"),
    "status": Bilingual(zh="状态", en="Status"),
    "scored": Bilingual(zh="已计分", en="scored"),
    "not_appraised": Bilingual(zh="不参加考核", en="not appraised"),
    "not_computable": Bilingual(zh="无法计算", en="not computable"),
    "excused": Bilingual(zh="豁免", en="Excused"),
    "newcomer": Bilingual(zh="首月", en="first month"),
    "lines": Bilingual(zh="计分明细", en="Lines"),
    "total": Bilingual(zh="合计", en="Total"),
    "rank": Bilingual(zh="名次", en="Place"),
    "of": Bilingual(zh="共", en="of"),
    "money": Bilingual(zh="奖罚建议(未确认)", en="Money, proposed and not confirmed"),
    "indicators": Bilingual(zh="指标", en="Indicators"),
    "evidence": Bilingual(zh="依据(按单据净额)", en="Evidence (net postings of each case)"),
    "hash": Bilingual(zh="内容哈希", en="Content hash"),
    "sealed": Bilingual(zh="封存时间", en="Sealed"),
    "snapshot": Bilingual(zh="快照", en="Snapshot"),
}


def render(statement: Statement, language: Language) -> str:
    """The statement as text, ended by a line break."""
    parts = [
        *_head(statement, language),
        "",
        _say("lines", language),
        *(text for line in statement.lines for text in _line(line, language)),
        "─" * WIDTH,
        *_result(statement, language),
        "",
        _say("indicators", language),
        *(_indicator(row, language) for row in statement.indicators),
        "",
        _say("evidence", language),
        *_evidence(statement),
        "",
        f"{_say('snapshot', language)} {statement.snapshot.id}",
        f"{_say('sealed', language)} {statement.snapshot.sealed_at.isoformat(timespec='seconds')}",
        f"{_say('hash', language)} {statement.snapshot.content_hash}",
    ]
    return "\n".join(parts) + "\n"


def _head(statement: Statement, language: Language) -> list[str]:
    person, snapshot = statement.person, statement.snapshot
    name = f"{person.name} ({person.person})" if person.name else person.person
    rows = [
        ("period", snapshot.period),
        ("scheme", f"{_in(statement.scheme, language)} ({snapshot.scheme} v{snapshot.scheme_version})"),
        ("view", _say(snapshot.view.value, language)),
        ("person", name + (f" · {_say('newcomer', language)}" if person.newcomer else "")),
        ("branch", person.branch),
    ]
    if person.regions:
        rows.append(("regions", ", ".join(person.regions)))
    reason = f": {_in(person.reason, language)}" if person.reason else ""
    rows.append(("status", _say(person.status, language) + reason))
    if person.excuse:
        rows.append(("excused", f"{person.excuse.by}: {person.excuse.reason}"))
    return [_say("title", language), "═" * WIDTH, *(f"{_pad(_say(label, language), 12)}{text}" for label, text in rows)]


def _line(line: LineItem, language: Language) -> list[str]:
    marks = f" [{', '.join(line.marks)}]" if line.marks else ""
    first = _fit(f"{line.no:>3}. {_in(line.words, language)}{marks}", line.points.fraction, line.points.decimal)
    source = f" ← {line.cause}" if line.cause else ""
    return [first, f"     {line.arithmetic}   ({line.seed}){source}"]


def _result(statement: Statement, language: Language) -> list[str]:
    person = statement.person
    if person.total is None:
        return [f"     {_say('total', language)}  —"]
    rows = [_fit(f"     {_say('total', language)}", person.total.fraction, person.total.decimal)]
    if person.rank is not None:
        place = person.rank.removesuffix("/1")
        rows.append(f"     {_say('rank', language)} {place} ({_say('of', language)} {person.ranked})")
    if person.money is not None:
        remark = f" — {_in(person.money.words, language)}" if person.money.words else ""
        rows.append(f"     {_say('money', language)}: {person.money.proposed}{remark}")
    return rows


def _indicator(row: IndicatorItem, language: Language) -> str:
    ratio = f"{_short(row.numerator)} ÷ {_short(row.denominator)}"
    value = f"= {_short(row.value)} ({row.value.decimal})" if row.value else f"— {_in(row.undefined, language)}"
    parts = ", ".join(f"{part['id']} {_whole(part['amount'])}" for part in row.parts if part["amount"] != "0/1")
    own = row.own_maximum
    peak = f" ÷ ({_whole(own['numerator'])} ÷ {_whole(own['denominator'])} {own['month']})" if own else ""
    marks = f" [{', '.join(row.marks)}]" if row.marks else ""
    return f"     {row.indicator}: {ratio}{peak} {value}{marks}" + (f"  [{parts}]" if parts else "")


def _evidence(statement: Statement) -> list[str]:
    groups: dict[str, list[str]] = {}
    for row in statement.evidence:
        label = f"{row.measure} {row.dim}".strip()
        groups.setdefault(label, []).append(row.case if row.n == 1 else f"{row.case} × {row.n}")
    return [f"     {label}: {', '.join(cases)}" for label, cases in groups.items()]


def _fit(text: str, fraction: str, shown: str) -> str:
    numbers = f"{_whole(fraction):>12}  {shown:>20}"
    return _pad(text, WIDTH - len(numbers)) + numbers


def _short(number: Exact) -> str:
    return _whole(number.fraction)


def _whole(fraction: str) -> str:
    return fraction.removesuffix("/1")


def _say(label: str, language: Language) -> str:
    return _in(_LABELS[label], language)


def _in(words: Bilingual | None, language: Language) -> str:
    if words is None:
        return ""
    return words.zh if language == "zh" else words.en


def _pad(text: str, columns: int) -> str:
    return text + " " * max(1, columns - sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text))
