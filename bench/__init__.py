"""Makes Django ready for the parts of the bench, which are run as `python -m bench.PART` from the project's root."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()
