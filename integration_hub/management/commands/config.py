"""`manage.py config`: the hub's configuration as a file."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from integration_hub.configuration import (
    apply,
    binding,
    document,
    plan,
    reading,
    reference,
    target,
    validate,
)
from integration_hub.configuration.errors import ConfigurationError
from integration_hub.configuration.plan import Plan
from integration_hub.connectors.errors import ConnectorError
from integration_hub.console.buttons import sentence
from routing.schema_check import Report

DIFFERENT = 1
REFUSED = 2


class Command(BaseCommand):
    help = "Export, compare and import the configuration as one YAML file (docs/configuration.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        export = verbs.add_parser("export", help="Write what is configured now; secrets are not in it.")
        export.add_argument("file", nargs="?", default="-", help="- (the default) is standard output.")
        diff = verbs.add_parser("diff", help="Say what an import would change: exit 0 nothing, 1 something.")
        diff.add_argument("file", help="- is standard input.")
        imports = verbs.add_parser("import", help="Bring the hub to what the file says, all or nothing.")
        imports.add_argument("file", help="- is standard input.")
        imports.add_argument("--dry-run", action="store_true", help="Check everything, write nothing.")
        check = verbs.add_parser(
            "check",
            help="Ask the connections for the fields and values that are used: exit 1, some are missing.",
        )
        check.add_argument(
            "file", nargs="?", help="What would be used after its import. Without: what is used."
        )
        check.add_argument(
            "--create-missing",
            action="store_true",
            help="Make the missing fields where the hub can: at HubSpot.",
        )
        check.add_argument("--yes", action="store_true", help="Make them without asking.")
        for verb in (diff, imports):
            verb.add_argument(
                "--prune", action="store_true", help="Remove what a section of the file does not name."
            )
        for verb in (diff, imports, check):
            verb.add_argument(
                "--bind", action="append", default=[], metavar="SLOT=KEY",
                help="Let a connection of this hub take the place of one that the file names. Implies --promote.",
            )  # fmt: skip
            verb.add_argument(
                "--promote", action="store_true",
                help="The file is another hub's: leave its connections out, and refuse when one is not bound.",
            )  # fmt: skip
        schema = verbs.add_parser("schema", help="Write the JSON Schema of the format.")
        schema.add_argument("--markdown", action="store_true", help="As the tables of the documentation.")

    def handle(self, *_args: Any, **options: Any) -> None:
        verbs = {
            "export": self._export,
            "diff": self._diff,
            "import": self._import,
            "check": self._check,
            "schema": self._schema,
        }
        try:
            verbs[options["verb"]](options)
        except ConfigurationError as error:
            raise CommandError("\n".join(error.sentences), returncode=REFUSED) from None
        except ConnectorError as error:
            raise CommandError(sentence(error), returncode=REFUSED) from None

    def _export(self, options: dict[str, Any]) -> None:
        text = document.text(document.exported())
        if options["file"] == "-":
            self.stdout.write(text, ending="")
            return
        try:
            Path(options["file"]).write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(
                f"{options['file']} cannot be written: {error.strerror}.", returncode=REFUSED
            ) from None
        self.stderr.write(f"Written to {options['file']}.")

    def _diff(self, options: dict[str, Any]) -> None:
        planned = plan.prepare(_promoted(options), prune=options["prune"])
        self._show(planned)
        if planned.differences:
            raise SystemExit(DIFFERENT)

    def _import(self, options: dict[str, Any]) -> None:
        planned = apply.run(
            _promoted(options),
            now=timezone.now(),
            prune=options["prune"],
            dry_run=options["dry_run"],
        )
        self._show(planned)
        if options["dry_run"]:
            self.stdout.write("Dry run: nothing was written.")

    def _check(self, options: dict[str, Any]) -> None:
        given = _promoted(options) if options["file"] else None
        report = target.check(timezone.now(), given)
        if options["create_missing"] and self._made(report, without_asking=options["yes"]):
            report = target.check(timezone.now(), given)
        broken = {origin: found for origin, found in report.problems.items() if found}
        for origin, found in broken.items():
            self.stdout.write(origin)
            for one in found:
                self.stdout.write(f"  ! {one.text}")
        for why in report.unasked:
            self.stderr.write(f"Not asked: {why}")
        self.stdout.write(f"Checked: {len(report.problems)}. To break: {len(broken)}.")
        if broken:
            raise SystemExit(DIFFERENT)

    def _made(self, report: Report, *, without_asking: bool) -> bool:
        """Make the missing fields, once somebody agreed; say which."""
        wanted = target.makable(report)
        for connection, one in wanted:
            self.stdout.write(f"+ {target.in_words(connection, one)}")
        if not wanted:
            self.stdout.write("There is no missing field that the hub could make.")
            return False
        if (
            not without_asking
            and input("Make them? Unique ones stay so for good. [y/N] ").strip().lower() != "y"
        ):
            self.stdout.write("Nothing was made.")
            return False
        for words in target.create(wanted, user_id=None):
            self.stdout.write(f"Made at {words}.")
        return True

    def _schema(self, options: dict[str, Any]) -> None:
        schema = validate.schema()
        self.stdout.write(
            reference.markdown(schema)
            if options["markdown"]
            else json.dumps(schema, indent=2, ensure_ascii=False)
        )

    def _show(self, planned: Plan) -> None:
        for line in planned.lines():
            self.stdout.write(line)
        for warning in planned.warnings:
            self.stderr.write(f"Warning: {warning}")
        self.stdout.write(planned.summary)


def _promoted(options: dict[str, Any]) -> dict[str, Any]:
    """Return the file's document, with this hub's connections in it if it is another hub's."""
    given = _given(options["file"])
    if not options["bind"] and not options["promote"]:
        return given
    return binding.bound(given, binding.parse(options["bind"]))


def _given(name: str) -> dict[str, Any]:
    """Return the file's document; one byte more than allowed is enough to see that it is too large."""
    try:
        if name == "-":
            content = sys.stdin.buffer.read(reading.MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(reading.MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.", returncode=REFUSED) from None
    return reading.parse(content)
