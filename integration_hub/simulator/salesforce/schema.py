"""Which object types and fields the pretend org has, and how describe tells of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Row = dict[str, Any]
Getter = Callable[[Row], Any]

TEXT_TYPES = frozenset(
    {"string", "textarea", "phone", "email", "url", "picklist", "combobox", "encryptedstring"}
)
ID_TYPES = frozenset({"id", "reference"})
NUMBER_TYPES = frozenset({"int", "long", "double", "currency", "percent"})
TYPES = TEXT_TYPES | ID_TYPES | NUMBER_TYPES | {"boolean", "date", "datetime", "multipicklist", "address"}
SOAP_TYPES = {"id": "tns:ID", "reference": "tns:ID", "address": "urn:address", "datetime": "xsd:dateTime"}
SOAP_TYPES |= dict.fromkeys(("boolean", "date", "int", "double"), "xsd:") | {"currency": "xsd:double"}
LONG_TEXT = 4_000
FILLED_IN = frozenset({"OwnerId", "Status"})
"""Required fields that get a value if none is given."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `compute` fields have no stored value; `default` stands for a value that is not stored."""

    name: str
    label: str
    type: str = "string"
    length: int = 0
    required: bool = False
    writable: bool = True
    picklist: tuple[str, ...] = ()
    reference_to: tuple[str, ...] = ()
    relationship: str = ""
    default: Any = None
    compute: Getter | None = None
    external_id: bool = False
    unique: bool = False
    restricted: bool = False
    """Of a picklist: it takes no other value."""

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def filterable(self) -> bool:
        return self.type != "address" and not (self.type == "textarea" and self.length > LONG_TEXT)

    @property
    def polymorphic(self) -> bool:
        return len(self.reference_to) > 1

    def getter(self) -> Getter:
        """Return the function that reads this field from a row."""
        if self.compute is not None:
            return self.compute
        name, default = self.name, self.default
        return lambda row: row.get(name, default)

    def describe(self) -> dict[str, Any]:
        soap = SOAP_TYPES.get(self.type, "xsd:string")
        return {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "soapType": soap + self.type if soap == "xsd:" else soap,
            "length": self.length,
            "byteLength": self.length * 3,
            "precision": 18 if self.type in NUMBER_TYPES - {"int"} else 0,
            "digits": 8 if self.type == "int" else 0,
            "scale": 2 if self.type in {"double", "currency", "percent"} else 0,
            "nillable": not self.required and self.type not in {"boolean", "id"},
            "filterable": self.filterable,
            "sortable": self.filterable and self.type != "multipicklist",
            "groupable": self.filterable and self.type not in NUMBER_TYPES - {"int"},
            "createable": self.writable and self.compute is None,
            "updateable": self.writable and self.compute is None,
            "calculated": False,
            "custom": self.custom,
            "defaultedOnCreate": self.default is not None or not self.writable or self.name in FILLED_IN,
            "externalId": self.external_id,
            "idLookup": self.type in {"id", "email"} or self.external_id,
            "unique": self.unique,
            "nameField": self.name == "Name",
            "namePointing": self.polymorphic,
            "polymorphicForeignKey": self.polymorphic,
            "referenceTo": list(self.reference_to),
            "relationshipName": self.relationship or None,
            "restrictedPicklist": self.restricted,
            "picklistValues": [_option(value) for value in self.picklist],
        }


def _option(value: str) -> dict[str, Any]:
    return {"active": True, "defaultValue": False, "label": value, "value": value, "validFor": None}


@dataclass(slots=True)
class ObjectType:
    """One object type; `fields` by lower-case name, because SOQL ignores case."""

    name: str
    label: str
    plural: str
    prefix: str
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def relationships(self) -> dict[str, Field]:
        return {item.relationship.lower(): item for item in self.fields.values() if item.relationship}

    def summary(self, base: str) -> dict[str, Any]:
        """Return the entry of this type in the list of all; `base` is the path of the API version."""
        here = f"{base}/sobjects/{self.name}"
        return {
            "name": self.name,
            "label": self.label,
            "labelPlural": self.plural,
            "keyPrefix": self.prefix,
            "custom": self.name.endswith("__c"),
            "queryable": True,
            "retrieveable": True,
            "replicateable": True,
            "searchable": True,
            "createable": True,
            "updateable": True,
            "deletable": True,
            "urls": {"sobject": here, "describe": f"{here}/describe", "rowTemplate": here + "/{ID}"},
        }

    def describe(self, base: str) -> dict[str, Any]:
        fields = [item.describe() for item in self.fields.values()]
        return {**self.summary(base), "fields": fields, "childRelationships": [], "recordTypeInfos": []}


class Schema:
    """All object types of the org, by name in any case."""

    def __init__(self, types: Sequence[ObjectType]) -> None:
        self._types = {item.name.lower(): replace(item, fields=dict(item.fields)) for item in types}

    def get(self, name: str) -> ObjectType | None:
        return self._types.get(name.lower())

    def __getitem__(self, name: str) -> ObjectType:
        found = self.get(name)
        if found is None:
            raise ValueError(f"There is no object type {name!r}.")
        return found

    def listed(self) -> list[ObjectType]:
        """Return the types that describe shows, which leaves out the one behind polymorphic owners."""
        return [item for item in self._types.values() if item.prefix]

    def by_prefix(self) -> Mapping[str, str]:
        return {item.prefix: item.name for item in self.listed()}

    def add_field(self, object_type: str, item: Field) -> None:
        if item.type not in TYPES:
            raise ValueError(
                f"There is no field type {item.type!r}. Choose one of: {', '.join(sorted(TYPES))}."
            )
        self[object_type].fields[item.name.lower()] = item

    def hide_field(self, object_type: str, name: str) -> None:
        """Let the field be as for a user without the right to see it: it does not exist."""
        if self[object_type].fields.pop(name.lower(), None) is None:
            raise ValueError(f"{object_type} has no field {name!r}.")
