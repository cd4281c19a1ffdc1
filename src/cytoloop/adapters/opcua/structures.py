"""The two structures of LADS that programs need, packed by hand: a list of keys and values, and a sample.

Their types have another namespace index on every server, so they are not registered with the library, whose registry is
one for the whole process.
"""

from collections.abc import Mapping
from typing import Any

from cytoloop.adapters.opcua.lads import STRUCTURES
from cytoloop.adapters.opcua.library import library


def key_values(values: Mapping[str, str], namespace: int) -> list[Any]:
    """KeyValueType for each pair."""
    return [_packed("KeyValueType", namespace, key, value) for key, value in values.items()]


def sample(sample_id: str, namespace: int) -> Any:
    """SampleInfoType of a sample that is in no container."""
    return _packed("SampleInfoType", namespace, "", sample_id, "", "")


def pairs(value: Any) -> dict[str, str]:
    """Keys and values again; ValueError when they are none."""
    texts = [_texts(each, "KeyValueType") for each in value or ()]
    return {each[0]: each[1] for each in texts}


def sample_ids(value: Any) -> list[str]:
    """Identifiers of samples again; ValueError when they are none."""
    return [_texts(each, "SampleInfoType")[1] for each in value or ()]


def _packed(structure: str, namespace: int, *texts: str) -> Any:
    ua = library().ua
    body = b"".join(ua.ua_binary.Primitives.String.pack(text) for text in texts)
    return ua.ExtensionObject(TypeId=ua.NodeId(STRUCTURES[structure][1], namespace), Body=body)


def _texts(value: Any, structure: str) -> list[str]:
    """The texts of a structure, however the library hands it over: raw, or as an object of a loaded type."""
    body = getattr(value, "Body", None)
    if body is None:
        names = (
            ("Key", "Value") if structure == "KeyValueType" else ("ContainerId", "SampleId", "Position", "CustomData")
        )
        return [str(getattr(value, name, "") or "") for name in names]
    buffer = library().ua.utils.Buffer(body)
    try:
        count = 2 if structure == "KeyValueType" else 4
        return [str(library().ua.ua_binary.Primitives.String.unpack(buffer) or "") for _ in range(count)]
    except Exception as error:
        raise ValueError(f"{structure} cannot be read: {error}") from error
