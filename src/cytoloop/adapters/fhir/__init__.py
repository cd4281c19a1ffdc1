"""FHIR door: reads a folder of FHIR R4 JSON files into facts under pseudonyms (https://hl7.org/fhir/R4).

Patient and Observation are understood; every other type is counted and kept by reference and hash. Names, birth
dates, hospital numbers and free text never reach a fact: who a subject is stays in `Identity`, which is not
written to the record.
"""

from cytoloop.adapters.fhir.importing import (
    Identity,
    Imported,
    ImportedResource,
    ImportedSubject,
    import_resources,
    read_folder,
)
from cytoloop.adapters.fhir.observation import Observed

__all__ = [
    "Identity",
    "Imported",
    "ImportedResource",
    "ImportedSubject",
    "Observed",
    "import_resources",
    "read_folder",
]
