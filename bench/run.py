#!/usr/bin/env python
"""Measures the hub on the simulator, beside a plain script that does the same; `make bench`.

Each part runs in a process of its own. It prints a table and puts it into bench/results.md in place of the
part's former one: a part measured on its own leaves the others as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results.md"
POSTGRES = os.environ.get("BENCH_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
ROWS = 1_000_000
KILLS = 10
QUICK = 20
is_quick = False
QUIET = 0.5
"""The load of a machine on which figures mean something."""
PACKAGES = ("Django", "django-q2", "psycopg", "simple-salesforce", "slack-sdk")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `well` None: there is no goal."""

    what: str
    hub: str
    plain: str = ""
    goal: str = ""
    well: bool | None = None

    @property
    def mark(self) -> str:
        return {None: "", True: "PASS", False: "MISS"}[self.well]


def measure(part: str, *arguments: object) -> Any:
    """Run one part in its own process and return its figures."""
    environment = {
        "PATH": os.environ["PATH"],
        "ENV_FILE": os.devnull,
        "LOG_LEVEL": "CRITICAL",
        "BENCH_POSTGRES": POSTGRES,
    }
    command = [sys.executable, "-m", f"bench.{part}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return json.loads(done.stdout)


def databases() -> list[str]:
    """Return the databases that can be measured on."""
    try:
        psycopg.connect(POSTGRES, connect_timeout=3).close()
    except psycopg.OperationalError:
        return ["sqlite"]
    return ["sqlite", "postgres"]


def decide() -> Iterator[Row]:
    for database in databases():
        hub, plain = (measure("decide", database, 1000, who) for who in ("hub", "plain"))
        small = hub
        yield Row(
            f"1,000 leads × 5 rules, all stored, {database}",
            f"{hub['seconds']:.2f} s ({hub['microseconds']:.0f} µs a decision)",
            f"{plain['seconds']:.2f} s ({plain['microseconds']:.0f} µs)",
            "< 2 s" if database == "sqlite" else "",
            hub["seconds"] < 2 if database == "sqlite" else None,
        )
    large = measure("decide", "sqlite", 10_000, "hub")
    grown = large["megabytes"] - small["megabytes"]
    yield Row(
        "10,000 leads × 5 rules, sqlite",
        f"{large['seconds']:.2f} s ({large['microseconds']:.0f} µs a decision)",
    )
    yield Row(
        "peak memory, 10,000 leads against 1,000",
        f"{large['megabytes']:.0f} MB against {small['megabytes']:.0f} MB",
        "",
        "flat: < 10 MB more",
        grown < 10,
    )


def latency() -> Iterator[Row]:
    found = measure("latency", *databases())
    script = found.pop("script")
    for name, figures in found.items():
        for share in ("p50", "p95", "p99"):
            yield Row(
                f"lead visible → message in Slack, {share}, {name}",
                f"{figures[share]:.1f} s",
                f"{script[share]:.1f} s",
                "≤ 10 s + 2 s" if share == "p95" else "",
                figures[share] <= 12 if share == "p95" else None,
            )


def calls() -> Iterator[Row]:
    for rules, found in measure("calls").items():
        for what, name in (("poll", "Salesforce calls a poll"), ("alert", "Slack calls an alert")):
            hub, plain = found["hub"][what], found["plain"][what]
            yield Row(f"{name}, {rules} rule(s)", f"{hub:g}", f"{plain:g}", "1", hub == 1)


def cpu() -> Iterator[Row]:
    hub, plain = measure("cpu", "hub"), measure("cpu", "plain")
    yield Row("CPU a change: read and stored", f"{hub['capture']:.0f} µs")
    yield Row("CPU a change: decided under 5 rules, messages written", f"{hub['route']:.0f} µs")
    yield Row(
        "CPU a change: both",
        f"{hub['capture'] + hub['route']:.0f} µs",
        f"{plain['both']:.0f} µs (no history, no reasons)",
    )


def pages() -> Iterator[Row]:
    for database in databases():
        found = measure("pages", database, ROWS)
        for name, page in found["hub"].items():
            plain = found["plain"].get(name)
            has_goal = not name.startswith("answer times")
            yield Row(
                f"{name}, {database}",
                f"{page['milliseconds']:.0f} ms, {page['queries']} queries",
                f"{plain['milliseconds']:.0f} ms" if plain else "",
                "≤ 300 ms" if has_goal else "",
                page["milliseconds"] <= 300 if has_goal else None,
            )
        for name, page in found["hub"].items():
            for query in page["slow"]:
                yield Row(f"slow query of “{name}”, {database}", query.replace("|", "¦"))


def events() -> Iterator[Row]:
    if "postgres" not in databases():
        yield Row("events taken in", "not measured: no PostgreSQL at BENCH_POSTGRES")
        return
    found = measure("events", "postgres")
    calm, killed = found["calm"], found["killed"]
    costs = f"{calm['web_cpu']:.1f} ms CPU each in the web workers"
    yield Row(
        "events accepted a second, postgres", f"{calm['each_second']:.0f} ({costs})", "", "≥ 500",
        calm["each_second"] >= 500,
    )  # fmt: skip
    for share in ("p50", "p95", "p99"):
        goal = "< 50 ms" if share == "p95" else ""
        well = calm[share] < 50 if goal else None
        yield Row(f"posted → stored and answered, {share}", f"{calm[share]:.0f} ms", "", goal, well)
    for figures in found.values():
        wrong = figures["lost"] + figures["doubled"] + figures["others"]
        yield Row(
            f"of {figures['accepted']:,} accepted ones, lost, doubled or refused, {figures['killed']} workers killed",
            f"{wrong}", "", "0", wrong == 0,
        )  # fmt: skip
    yield Row("repeats for want of an answer while workers were killed", f"{killed['repeats']}")


def flows() -> Iterator[Row]:
    """Register ten thousand customers while HubSpot fails, goes away, and the workers are killed."""
    if "postgres" not in databases():
        yield Row("onboarding flows", "not measured: no PostgreSQL at BENCH_POSTGRES")
        return
    found = measure("flows", "postgres", _sized(10_000))
    hub, plain = found["hub"], found["plain"]
    few = f"for {plain['events']:,}"
    yield Row(
        f"{hub['events']:,} registrations, 5 % failures, a minute's outage, workers killed",
        f"{hub['seconds']:.0f} s", f"{plain['seconds']:.0f} s {few}, without outage",
    )  # fmt: skip
    yield Row(
        "calls for that, of them failed",
        f"{hub['calls']:,}, {hub['failed']:,}",
        f"{plain['calls']:,}, {plain['failed']:,} {few}",
    )
    yield Row(
        "CPU a run, all processes but the web's",
        f"{hub['milliseconds']:.1f} ms",
        f"{plain['milliseconds']:.1f} ms (stores nothing)",
    )
    wrong = [(one["doubled"], one["untied"]) for one in (hub, plain)]
    yield Row(
        "records made twice, contacts not tied to their company", "{}, {}".format(*wrong[0]),
        "{}, {} {}".format(*wrong[1], few), "0, 0", wrong[0] == (0, 0),
    )  # fmt: skip
    out = hub["unbalanced"]
    yield Row("out of balance: events, runs, deliveries", f"{out}", "", "0", out == 0)
    yield Row(
        "most calls in 10 s, most searches in a second",
        f"{hub['in_ten_seconds']}, {hub['searches_a_second']}",
        f"{plain['in_ten_seconds']}, {plain['searches_a_second']}",
        "≤ 190, ≤ 5",
        hub["in_ten_seconds"] <= 190 and hub["searches_a_second"] <= 5,
    )


def backfill() -> Iterator[Row]:
    """Bring leads over with the vendors' latency and limits, without them, a million, and killed again and again."""
    kinds = databases()
    for kind in kinds:
        found = _backfill(kind, 40_000)
        hub, plain = found["hub"], found["bare script"]
        calls = hub["salesforce_calls"], hub["iterable_calls"]
        yield Row(
            f"{hub['records']:,} leads, vendors' latency and limits, {kind}", f"{hub['seconds']:.1f} s",
            f"{plain['seconds']:.1f} s", "≤ 12 s", hub["seconds"] <= 12,
        )  # fmt: skip
        yield Row(
            f"calls for that, {kind}", f"{calls[0]} + {calls[1]}",
            f"{plain['salesforce_calls']} + {plain['iterable_calls']}", "≤ 25 + ≤ 45",
            calls[0] <= 25 and calls[1] <= 45,
        )  # fmt: skip
    best = kinds[-1]
    small = _backfill(best, 40_000, "--fast")
    hub, plain = small["hub"], small["bare script"]
    each, bare = (figures["cpu"] / figures["records"] * 1e6 for figures in (hub, plain))
    yield Row(
        f"the same without latency and limits, {best}",
        f"{hub['records'] / hub['seconds']:,.0f}/s",
        f"{plain['records'] / plain['seconds']:,.0f}/s (stores nothing)",
    )
    yield Row(
        f"CPU a record, every fate stored, {best}",
        f"{each:.0f} µs",
        f"{bare:.0f} µs",
        "≤ 100 µs",
        each <= 100,
    )
    yield from _backfill_of_many(best, hub)
    yield from _backfill_killed(best)


def _backfill_of_many(kind: str, small: dict[str, Any]) -> Iterator[Row]:
    hub = _backfill(kind, ROWS, "--fast", "--no-baseline")["hub"]
    growth = (hub["seconds"] / hub["records"]) / (small["seconds"] / small["records"])
    yield Row(
        f"{hub['records']:,} leads, {kind}", f"{hub['seconds']:.0f} s, {growth:.2f} × as long a record", "",
        "linear: ≤ 1.3 ×", growth <= 1.3,
    )  # fmt: skip
    yield Row(
        f"peak memory, {hub['records']:,} leads against {small['records']:,}",
        f"{hub['megabytes']:.0f} MB against {small['megabytes']:.0f} MB", "", "≤ 300 MB",
        hub["megabytes"] <= 300,
    )  # fmt: skip


def _backfill_killed(kind: str) -> Iterator[Row]:
    found = measure(
        "backfill", "--database", kind, "--records", _sized(40_000), "--kills", 2 if is_quick else KILLS
    )
    lost, uncounted = found["wrong"], found["leads"] - found["read"]
    again = found["sent"] - found["leads"]
    yield Row(
        f"{found['leads']:,} leads, killed {found['kills']} times: wrong there, not counted once, {kind}",
        f"{lost}, {uncounted}", "", "0, 0", lost == uncounted == 0 and bool(found["balances"]),
    )  # fmt: skip
    yield Row("sent again for that", f"{again:,}, a record {found['most']} times at most")


def _backfill(kind: str, records: int, *options: str) -> Any:
    return measure("backfill", "--json", "--database", kind, "--records", _sized(records), *options)


def orders() -> Iterator[Row]:
    """Load an order system's customers and orders into HubSpot, then edit on both sides at once."""
    yield from (Row(**line) for line in measure("orders", _sized(10_000), databases()[-1])["lines"])


def _sized(records: int) -> int:
    return records // QUICK if is_quick else records


PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    "decide": decide,
    "latency": latency,
    "calls": calls,
    "cpu": cpu,
    "backfill": backfill,
    "pages": pages,
    "events": events,
    "flows": flows,
    "orders": orders,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be given several times")
    parser.add_argument(
        "--quick", action="store_true", help=f"a {QUICK}th of the records, only to see that it runs"
    )
    options = parser.parse_args()
    chosen = options.only or list(PARTS)
    global is_quick
    is_quick = options.quick
    missed = False
    for name in chosen:
        print(f"{name} …", file=sys.stderr)
        machine, begun = _machine(), time.monotonic()
        rows = list(PARTS[name]())
        missed = missed or any(row.well is False for row in rows)
        _print(name, rows)
        if not is_quick:
            _record(name, rows, f"{machine}; took {time.monotonic() - begun:.0f} s.")
    sys.exit(missed)


def _machine() -> str:
    """Say on what was measured, and whether it had anything else to do."""
    cpus = [
        line.partition(": ")[2]
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    load = os.getloadavg()[0]
    quiet = "quiet" if load < QUIET * len(cpus) else "NOT quiet: the figures are worse than they need be"
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} × {cpus[0] if cpus else platform.machine()}, "
        f"load {load:.1f} before ({quiet}), Python {platform.python_version()}, {packages}"
    )


def _print(name: str, rows: list[Row]) -> None:
    table = Table(title=name, title_justify="left")
    for column in ("what", "hub", "plain script", "goal", "met"):
        table.add_column(column)
    for row in rows:
        table.add_row(
            row.what, row.hub, row.plain, row.goal, row.mark, style="red" if row.well is False else None
        )
    Console(width=150).print(table)


def _record(name: str, rows: list[Row], machine: str) -> None:
    """Put the part's table in place of its former one."""
    former = RESULTS.read_text().split("\n## ")[1:] if RESULTS.exists() else []
    sections = {text.partition("\n")[0]: text.partition("\n")[2].strip() for text in former}
    head = ["", "| what | hub | plain script | goal | met |", "| --- | --- | --- | --- | --- |"]
    lines = [f"| {row.what} | {row.hub} | {row.plain} | {row.goal} | {row.mark} |" for row in rows]
    note = [f"{EXPLAINED[name]}", ""] if name in EXPLAINED else []
    sections[name] = "\n".join([*note, machine, *head, *lines])
    parts = [f"\n## {part}\n\n{sections[part]}\n" for part in PARTS if part in sections]
    RESULTS.write_text("# What it costs\n\nMeasured by `make bench`.\n" + "".join(parts))


EXPLAINED = {
    "decide": "The plain script stores one row after the other, without earlier versions, hours or reasons.",
    "latency": (
        "60 leads at random within 90 s, a poll each 10 s; Salesforce takes 0.2 s, Slack 0.15 s a call, and "
        "enforces one message a second and channel. The plain script asks, then sends, one after the other, each 10 s."
    ),
    "calls": "The plain script queries for each rule and looks each owner up.",
    "cpu": "This thread's time, without the simulator's. The plain script keeps each record once, as JSON.",
    "backfill": (
        "Salesforce takes 1.2 s a page of 2,000, Iterable 1 s a call of up to 1,000 users and five calls a "
        "second; both run in a process of their own on the same cores. The plain script reads a page, then writes it, "
        "and stores nothing. Calls are those to Salesforce + those to Iterable."
    ),
    "pages": (
        "A million rows in each table. Of each list's filters the slowest is told. The plain admin is Django's own, "
        "with its full count and a search in three columns."
    ),
    "events": (
        "Signed posts with an idempotency key, checked against a schema, by 8 connections of one process "
        "on the same cores; gunicorn as deployed."
    ),
    "flows": (
        "HubSpot takes 0.1 s a call, allows 190 calls in ten seconds and 5 searches a second, shows a new "
        "company in its search after 10 s, and fails one call in twenty. The plain script does four customers at a "
        "time, tries each call three times, and stores nothing."
    ),
    "orders": "Each call takes 0.1 s; limits and lag as above. Loaded by SQL, edited over REST, told by notices.",
}


if __name__ == "__main__":
    main()
