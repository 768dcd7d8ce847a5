import pytest

from tests.stories.world import Company


@pytest.fixture
def company(simulator, db):
    """Priya and Sam sell; a rule sends hot leads to their owners."""
    company = Company(simulator)
    company.hire("Priya", tz="Asia/Kolkata")
    company.hire("Sam", tz="America/New_York")
    return company
