"""Leads without a script, for the demo that goes on: one every few seconds, of every kind."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from integration_hub.demo.world import AMARA, DANA, GRACE, LUIS, PRIYA, QUEUE, TOM, World

FIRST = ("Ada", "Bo", "Chen", "Dele", "Elif", "Finn", "Gita", "Hana", "Ivo", "Jun", "Kofi", "Lena")
LAST = ("Abara", "Brandt", "Costa", "Dorn", "Eriksen", "Fofana", "Gupta", "Holm", "Ito", "Jansen")
COMPANIES = ("Acme", "Globex", "Initech", "Umbrella", "Hooli", "Vandelay", "Stark", "Wayne")
RATINGS = ("Hot", "Hot", "Hot", "Warm", "Cold")
SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List")
INDUSTRIES = ("Banking", "Healthcare", "Retail", "Technology")
OWNERS = (PRIYA, TOM, AMARA, DANA, PRIYA, TOM, QUEUE, GRACE, LUIS)
STATUSES = ("Open - Not Contacted", "Open - Not Contacted", "Working - Contacted")


@dataclass(slots=True)
class Traffic:
    """Makes up leads; the same ones in the same order in every demo."""

    world: World
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - invented leads, no secret

    def add_lead(self) -> str:
        """Add a lead and say what it is."""
        pick = self.chance.choice
        first, last, company, owner = pick(FIRST), pick(LAST), pick(COMPANIES), pick(OWNERS)
        rating = pick(RATINGS)
        values = {
            "Company": company,
            "Rating": rating,
            "LeadSource": pick(SOURCES),
            "Industry": pick(INDUSTRIES),
            "Status": pick(STATUSES),
            "NumberOfEmployees": pick((20, 250, 1500, 12_000)),
            "AnnualRevenue": pick((1_000_000, 20_000_000, 90_000_000)),
            "Email": f"{first}.{last}@{company}.test".lower(),
            "Phone": f"+1 555 01{self.chance.randrange(100):02d}",
        }
        self.world.add_lead(owner, FirstName=first, LastName=last, **values)
        return f"Salesforce: a new lead, {first} {last} at {company}, {rating.lower()}, owned by {owner}"
