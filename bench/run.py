#!/usr/bin/env python
"""Measures the hub on the simulator, beside a plain script that does the same; `make bench`.

Each part runs in a process of its own. It prints a table and writes bench/results.md.
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
        return {None: "", True: "yes", False: "NO"}[self.well]


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
    if "postgres" not in databases():
        yield Row("pages with a million rows", "not measured: no PostgreSQL at BENCH_POSTGRES")
        return
    found = measure("pages", ROWS)
    for name, page in found["hub"].items():
        plain = found["plain"].get(name)
        has_goal = not name.startswith("answer times")
        yield Row(
            name,
            f"{page['milliseconds']:.0f} ms, {page['queries']} queries",
            f"{plain['milliseconds']:.0f} ms" if plain else "",
            "≤ 300 ms" if has_goal else "",
            page["milliseconds"] <= 300 if has_goal else None,
        )
    for name, page in found["hub"].items():
        for query in page["slow"]:
            yield Row(f"slow query of “{name}”", query.replace("|", "¦"))


PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    "decide": decide,
    "latency": latency,
    "calls": calls,
    "cpu": cpu,
    "pages": pages,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be given several times")
    chosen = parser.parse_args().only or list(PARTS)
    machine = _machine()
    found: dict[str, list[Row]] = {}
    begun = time.monotonic()
    for name in chosen:
        print(f"{name} …", file=sys.stderr)
        found[name] = list(PARTS[name]())
    took = f"{time.monotonic() - begun:.0f} s for {', '.join(chosen)}"
    _print(found)
    if len(chosen) == len(PARTS):
        RESULTS.write_text(_page(found, [*machine, took]))
        print(f"{RESULTS.relative_to(ROOT)} written; {took}.")
    sys.exit(any(row.well is False for rows in found.values() for row in rows))


def _machine() -> list[str]:
    """Say on what was measured, and whether it had anything else to do."""
    cpus = [
        line.partition(": ")[2]
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    load = os.getloadavg()[0]
    quiet = "quiet" if load < QUIET * len(cpus) else "NOT quiet: the figures are worse than they need be"
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, `make bench`",
        f"{os.cpu_count()} × {cpus[0] if cpus else platform.machine()}, load {load:.1f} before ({quiet})",
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    ]


def _print(found: dict[str, list[Row]]) -> None:
    for name, rows in found.items():
        table = Table(title=name, title_justify="left")
        for column in ("what", "hub", "plain script", "goal", "met"):
            table.add_column(column)
        for row in rows:
            table.add_row(
                row.what, row.hub, row.plain, row.goal, row.mark, style="red" if row.well is False else None
            )
        Console(width=150).print(table)


def _page(found: dict[str, list[Row]], notes: list[str]) -> str:
    lines = ["# What it costs", "", *(f"- {note}" for note in notes), ""]
    lines += [f"- {text}" for text in EXPLAINED]
    for name, rows in found.items():
        lines += [
            "",
            f"## {name}",
            "",
            "| what | hub | plain script | goal | met |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [f"| {row.what} | {row.hub} | {row.plain} | {row.goal} | {row.mark} |" for row in rows]
    return "\n".join(lines) + "\n"


EXPLAINED = (
    "decide: the plain script stores one row after the other, without earlier versions, hours or reasons.",
    (
        "latency: 60 leads at random within 90 s, a poll each 10 s; Salesforce takes 0.2 s, Slack 0.15 s a call, and "
        "enforces one message a second and channel. The plain script asks, then sends, one after the other, each 10 s."
    ),
    "calls: the plain script queries for each rule and looks each owner up.",
    "cpu: this thread's time, without the simulator's. The plain script keeps each record once, as JSON.",
    "pages: the plain admin is Django's own, with its full count and a search in three columns.",
)


if __name__ == "__main__":
    main()
