"""What holds for the project as a whole: its files agree with each other, and no test reaches outside."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent
LONGEST_MODULE = 400
LONGEST_FUNCTION = 40
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
PACKAGES = ("integration_hub", "syncs", "routing", "tests", "bench", "deploy")
# A name of a host: what ends in a top-level domain after a dot, such as in an index URL.
HOST = re.compile(r"https?://|\b[\w-]+\.(?:org|io|com|net|dev)\b", re.IGNORECASE)


def sources():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def functions_of(path):
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def reach_quietly(address):
    with socket.socket() as one:
        return one.connect_ex(address)


@pytest.mark.django_db
def test_no_migration_is_missing():
    out = StringIO()

    call_command("makemigrations", "--check", "--dry-run", stdout=out)

    assert "No changes detected" in out.getvalue()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_lock_files_name_no_host(lock):
    text = (ROOT / lock).read_text()

    assert not HOST.search(text)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_package_has_a_hash(lock):
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text(), flags=re.IGNORECASE)

    without = [entry.split()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry]

    assert without == []


def test_development_has_the_same_versions_as_production():
    def versions(name):
        return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE))

    runtime, development = versions("requirements.lock"), versions("requirements-dev.lock")

    assert {name: development.get(name) for name in runtime} == runtime


def test_modules_stay_within_their_length():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}

    assert {
        name: n for name, n in lengths.items() if n > LONGEST_MODULE and not name.startswith("tests/")
    } == {}


def test_functions_stay_within_their_length():
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources()
        if "tests" not in path.relative_to(ROOT).parts
        for node in functions_of(path)
        if node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]

    assert long == []


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_named_in_the_documentation_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    named = set(re.findall(r"(?:^|`|\$ )make ([a-z-]+)", (ROOT / page).read_text(), re.MULTILINE))

    assert named <= targets


def test_make_help_tells_of_every_target():
    makefile = (ROOT / "Makefile").read_text()
    [phony] = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)

    # Run by make itself, make would tell which folder it is in.
    command = ["make", "--no-print-directory", "help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert {line.split()[0] for line in told.splitlines()} == set(phony.split())


def test_the_example_environment_names_every_setting_that_is_read():
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "integration_hub/settings.py").read_text()))
    read |= set(re.findall(r'environ\.get\("([A-Z_]+)"', (ROOT / "deploy/gunicorn.conf.py").read_text()))

    named = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert read - named == set()
    assert named - read == {"POSTGRES_PASSWORD"}


def test_each_process_is_started_alike_everywhere():
    procfile = dict(re.findall(r"^(\w+): (.*)$", (ROOT / "deploy/Procfile").read_text(), re.MULTILINE))
    web = (ROOT / "deploy/systemd/hub-web.service").read_text()
    queue = (ROOT / "deploy/systemd/hub-queue@.service").read_text()

    assert set(procfile) == {"web", "alerts", "sync"}
    assert procfile["web"] in web
    assert "manage.py qcluster" in procfile["alerts"]
    assert "manage.py qcluster" in queue


@pytest.mark.parametrize("unit", ["hub-web.service", "hub-queue@.service"])
def test_only_the_first_process_of_a_unit_is_told_to_stop(unit):
    text = (ROOT / "deploy/systemd" / unit).read_text()

    assert "\nKillMode=mixed\n" in text


@pytest.mark.parametrize("script", [".ci/run", "deploy/run"])
def test_scripts_are_sound(script):
    path = ROOT / script

    checked = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)

    assert checked.stderr == ""
    assert path.stat().st_mode & 0o111


@pytest.mark.parametrize(
    "reach",
    [
        pytest.param(lambda: socket.create_connection(("192.0.2.1", 80), timeout=1), id="an address"),
        pytest.param(lambda: socket.create_connection(("hub.invalid", 80), timeout=1), id="a name"),
        pytest.param(lambda: reach_quietly(("192.0.2.1", 80)), id="without an exception"),
    ],
)
def test_no_test_reaches_beyond_this_machine(reach):
    with pytest.raises(AssertionError, match="tried to reach"):
        reach()
