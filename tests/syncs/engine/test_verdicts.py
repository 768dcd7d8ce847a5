"""What a reconciliation says of a record, by its link."""

from datetime import timedelta

import pytest

from syncs.engine.mapping import Mapped
from syncs.engine.reconcile import verdicts
from syncs.engine.reconcile.verdicts import judge
from syncs.links import Link
from tests.factories import NOON

EARLIER, LATER = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
MAPPED = Mapped({"email": "a@x.test"}, "a@x.test", "digest", {}, {})
PROBLEM = "Email → email: it does not hold a valid e-mail address."


def link(state="written", at=NOON, digest="digest", match="a@x.test"):
    return Link(match, digest, at, state, NOON if state == "written" else None)


@pytest.mark.parametrize(
    ("known", "problem", "kind"),
    [
        (None, "", "missing"),
        (None, PROBLEM, "missing"),
        (link(), "", "written"),
        (link(at=LATER, digest="other"), "", "written"),
        (link(at=EARLIER), "", "written"),
        (link(at=EARLIER, digest="other"), "", "stale"),
        (link(digest="other"), "", "stale"),
        (link(digest=""), "", "stale"),
        (link(match="old@x.test"), "", "stale"),
        (link(), PROBLEM, "stale"),
        (link("skipped", match=""), PROBLEM, "skipped"),
        (link("skipped", match="", at=EARLIER), PROBLEM, "skipped"),
        (link("skipped", match=""), "", "stale"),
        (link("skipped"), "", "skipped"),
        (link("skipped", at=EARLIER), "", "stale"),
        (link("skipped", match="", at=LATER), "", "skipped"),
        (link("refused"), "", "refused"),
        (link("refused", at=EARLIER), "", "stale"),
        (link("removed"), "", "stale"),
        (link("removed", at=LATER), "", "skipped"),
    ],
)
def test_a_record_is_judged_by_its_link(known, problem, kind):
    verdict = judge(NOON, MAPPED, problem, known)

    assert verdict.kind == kind
    assert bool(verdict.words) == (kind in ("missing", "stale"))


@pytest.mark.parametrize(
    ("known", "problem", "words"),
    [
        (None, "", verdicts.NEVER),
        (None, PROBLEM, f"{verdicts.NEVER} It would be skipped: {PROBLEM}"),
        (link(digest="other"), "", verdicts.OUTDATED),
        (link(digest=""), "", verdicts.IN_DOUBT),
        (link(match="old@x.test"), "", verdicts.MOVED),
        (
            link(at=EARLIER, digest="other"),
            "",
            "It changed at 2026-11-20 12:00 UTC, after what was decided last.",
        ),
        (link("removed"), "", verdicts.IS_BACK),
        (link("skipped", match=""), "", verdicts.TAKEN_NOW),
    ],
)
def test_what_is_wrong_is_said(known, problem, words):
    assert judge(NOON, MAPPED, problem, known).words == words
