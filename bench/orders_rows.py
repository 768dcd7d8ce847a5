"""The lines of the table about orders, from the figures. Pure: figures in, lines out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

SLACK = 1.5
"""A load may take so many times as long as HubSpot's limits alone."""
A_SECOND = {"search": 4.0, "ties": 13.0, "other": 17.0}
"""Calls that the hub allows itself at HubSpot."""
Line = dict[str, Any]


def of_plain(found: dict[str, Any]) -> str:
    rate = found["records"] / found["seconds"]
    return f"{found['seconds']:.0f} s ({rate:.1f}/s) for {found['records']:,}"


def of_load(found: dict[str, Any], kind: str, plain: dict[str, Any]) -> Iterator[Line]:
    load, facts = found["load"], found["loaded"]
    few, records = f"for {plain['records']:,}", found["customers"] + found["orders"]
    limits = sum(facts["by_limit"][name] / rate for name, rate in A_SECOND.items())
    yield _line(
        f"{found['customers']:,} customers and {found['orders']:,} orders → contacts, companies, deals, tied, {kind}",
        f"{load['seconds']:.0f} s ({records / load['seconds']:.0f}/s)", of_plain(plain),
        f"≤ {SLACK} × HubSpot's limits: {limits:.0f} s", load["seconds"] <= SLACK * limits,
    )  # fmt: skip
    plain_calls = [one / plain["records"] for one in plain["loaded"]["calls"]]
    yield _line(
        f"calls a record there, HubSpot + order system, {kind}",
        f"{facts['calls'][1] / records:.3f} + {facts['calls'][0] / records:.3f}",
        f"{plain_calls[1]:.2f} + {plain_calls[0]:.2f}",
    )
    yield _line(
        f"CPU a record, every fate and tie stored, {kind}", f"{load['cpu'] / records * 1e6:.0f} µs",
        f"{plain['cpu'] / plain['records'] * 1e6:.0f} µs (stores nothing)",
    )  # fmt: skip
    yield _line(
        f"peak memory, {kind}", f"{load['megabytes']:.0f} MB", "", "≤ 300 MB", load["megabytes"] <= 300
    )
    wrong = [
        (one["doubled"], one["apart"] + one["deals_apart"], one["untied"]) for one in (facts, plain["loaded"])
    ]
    yield _line(
        f"there twice, fields or deals that differ, contacts without their company, {kind}",
        "{}, {}, {}".format(*wrong[0]), "{}, {}, {} {}".format(*wrong[1], few), "0, 0, 0",
        not any(wrong[0]) and load["balances"] and not load["dead"],
    )  # fmt: skip


def of_edits(found: dict[str, Any], kind: str) -> Iterator[Line]:
    edits, facts = found["edits"], found["edited"]
    made, calls = sum(facts["edits"].values()), facts["calls_since"]
    yield _line(
        f"{made:,} edits on both sides in {edits['during']:.0f} s, 5 % failures: alike after the last, {kind}",
        f"{edits['after']:.0f} s",
    )
    yield _line(
        f"calls for that, HubSpot + order system, of them failed, {kind}",
        f"{calls[1]:,} + {calls[0]:,}, {facts['failed']:,}",
    )
    here, there = facts["written_since"]
    allowed = found["customers"] + facts["edits"]["contacts"] + there
    yield _line(
        f"versions of contacts read, for those loaded, their edits, and writes of ours since, {kind}",
        f"{edits['versions']:,} for {found['customers']:,} + {facts['edits']['contacts']:,} + {there:,}", "",
        "≤ one each", edits["versions"] <= allowed,
    )  # fmt: skip
    yield _line(
        f"writes that echoes led to: customers written beyond the edits of contacts, {kind}",
        f"{max(here - facts['edits']['contacts'] - edits['asked'], 0)}", "", "0",
        here <= facts["edits"]["contacts"] + edits["asked"],
    )  # fmt: skip
    yield _line(f"conflicts that a person was asked about, {kind}", f"{edits['asked']}")
    out = edits["undone"] + edits["unbalanced"]
    apart = facts["apart"] + facts["deals_apart"] + facts["untied"]
    yield _line(
        f"there twice, apart, deliveries and runs out of balance, {kind}",
        f"{facts['doubled']}, {apart}, {out}", "", "0, 0, 0", not (facts["doubled"] or apart or out),
    )  # fmt: skip


def _line(what: str, hub: str, plain: str = "", goal: str = "", well: bool | None = None) -> Line:
    return {"what": what, "hub": hub, "plain": plain, "goal": goal, "well": well}
