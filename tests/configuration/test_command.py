from __future__ import annotations

import io
import json
import sys

import pytest
import yaml
from django.core.management import CommandError, call_command

from integration_hub.configuration import document, reading, validate
from routing.models import Rule
from tests.configuration.documents import SMALL, changed, imported, small

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("HUB_TEST_TOKEN", "xoxb-test")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "hub.yaml"
    path.write_text(SMALL)
    return str(path)


def config(*words, **options):
    """Return what the command printed: (standard output, standard error)."""
    out, err = io.StringIO(), io.StringIO()
    call_command("config", *words, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def stdin(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_import_writes_and_says_what(file):
    out, err = config("import", file)

    assert "+ rules[hot]: create “Hot leads”, switched off\n" in out
    assert out.endswith("To create: 7. To change: 1. To remove: 0. The same: 0.\n")
    assert err.startswith("Warning: rules[hot].stream: ")
    assert Rule.objects.exists()


def test_a_dry_run_says_that_it_is_one(file):
    out, _ = config("import", file, "--dry-run")

    assert out.endswith("Dry run: nothing was written.\n")
    assert not Rule.objects.exists()


def test_import_reads_standard_input(monkeypatch):
    stdin(monkeypatch, SMALL)

    config("import", "-")

    assert Rule.objects.exists()


def test_import_prunes_when_asked(monkeypatch):
    imported(small())
    stdin(monkeypatch, "rules: {}")

    out, _ = config("import", "-", "--prune")

    assert "- rules[hot]: remove" in out
    assert not Rule.objects.exists()


def test_mistakes_are_sentences_and_exit_2(monkeypatch):
    stdin(monkeypatch, "rules: {hot: {prioriti: 1}}")

    with pytest.raises(CommandError) as refused:
        config("import", "-")

    assert str(refused.value) == "rules[hot].prioriti: there is no such key. Did you mean priority?"
    assert refused.value.returncode == 2


def test_a_file_that_is_not_there_is_a_sentence():
    with pytest.raises(CommandError, match=r"^/no/such/file cannot be read: No such file or directory\.$"):
        config("import", "/no/such/file")


def test_an_export_that_cannot_be_written_is_a_sentence():
    with pytest.raises(CommandError, match=r"^/no/such/file cannot be written: No such file or directory\.$"):
        config("export", "/no/such/file")


def test_diff_of_the_same_is_silent_success(file):
    imported(small())

    out, _ = config("diff", file)

    assert out == "To create: 0. To change: 0. To remove: 0. The same: 8.\n"


def test_diff_of_something_else_exits_1_and_writes_nothing(monkeypatch, capsys):
    imported(small())
    stdin(monkeypatch, yaml.safe_dump(changed(priority=7)))

    with pytest.raises(SystemExit) as left:
        call_command("config", "diff", "-")

    assert left.value.code == 1
    assert "~ rules[hot].priority: 50 → 7\n" in capsys.readouterr().out
    assert Rule.objects.get().priority == 50


def test_diff_prunes_only_on_paper(monkeypatch):
    imported(small())
    stdin(monkeypatch, "rules: {}")

    with pytest.raises(SystemExit):
        config("diff", "-", "--prune")

    assert Rule.objects.exists()


def test_export_writes_to_standard_output():
    imported(small())

    out, _ = config("export")

    assert reading.parse(out.encode()) == document.exported()


def test_export_writes_a_file(tmp_path):
    imported(small())

    _, err = config("export", str(tmp_path / "out.yaml"))

    assert reading.parse((tmp_path / "out.yaml").read_bytes()) == document.exported()
    assert err == f"Written to {tmp_path / 'out.yaml'}.\n"


def test_schema_is_the_one_that_validates():
    out, _ = config("schema")

    assert json.loads(out) == validate.schema()
