"""Resource: one FHIR JSON file, checked as far as every resource type goes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import NoReturn

from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource with the file it came from."""

    file: str
    sha256: str
    """Of the file's bytes."""
    resource_type: str
    id: str
    body: Mapping[str, JSON] = field(hash=False)

    @property
    def reference(self) -> str:
        """The resource's relative reference, "Patient/abc"."""
        return f"{self.resource_type}/{self.id}"


def parse(file: str, content: bytes) -> Resource:
    """The resource in `content`; UserError naming the file when it is not one."""
    try:
        body = json.loads(content.decode("utf-8-sig"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: not JSON ({error}); export the resource again, the file may be cut off") from error
    if not isinstance(body, dict):
        raise UserError(f"{file}: holds no FHIR resource; expected a JSON object with a resourceType")
    resource_type, identifier = body.get("resourceType"), body.get("id")
    if not isinstance(resource_type, str) or not resource_type:
        raise UserError(f"{file}: names no resourceType; expected a FHIR R4 resource")
    if resource_type == "Bundle":
        raise UserError(f"{file}: is a Bundle; write each of its resources to a file of its own and import again")
    if not isinstance(identifier, str) or not identifier:
        raise UserError(f"{file}: the {resource_type} has no id; give it one so that others can refer to it")
    return Resource(
        file=file, sha256=sha256(content).hexdigest(), resource_type=resource_type, id=identifier, body=body
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def mapping(value: JSON) -> Mapping[str, JSON]:
    """`value` when it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: JSON) -> Sequence[Mapping[str, JSON]]:
    """The mappings in `value` when it is a list, else none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(value: JSON) -> str | None:
    """`value` when it is text that is not empty."""
    return value if isinstance(value, str) and value else None


def patient_reference(resource: Resource) -> str | None:
    """The reference to the patient a resource is about ("Patient/abc"); None when it names none."""
    for name in ("subject", "patient"):
        reference = text(mapping(resource.body.get(name)).get("reference"))
        if reference is not None:
            return "/".join(reference.split("/")[-2:])
    return None


def moment(value: JSON, file: str) -> Instant | None:
    """The instant that a FHIR date or dateTime names (R4 §2.24.0.1); None when there is none.

    A date without a time, or a month or year alone, is its first moment in UTC.
    """
    written = text(value)
    if written is None:
        return None
    padded = f"{written}-01-01"[:10] if len(written) == 4 else f"{written}-01" if len(written) == 7 else written
    try:
        parsed = datetime.fromisoformat(padded)
    except ValueError as error:
        raise UserError(f"{file}: {written!r} is no FHIR date or time; write it as 2026-06-01T08:00:00Z") from error
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
