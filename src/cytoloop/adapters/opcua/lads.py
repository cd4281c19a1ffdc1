"""LADS as facts: namespaces, numeric node ids, browse names and states of OPC 30500-1 (LADS 1.0.0) that are used here.

Numbers are those of the published node id lists (Opc.Ua.LADS.NodeIds.csv, OPC UA for Devices 1.04, Machinery 1.03). A
server without the nodesets declares these types itself, so that a client sees one tree either way; with the nodesets
at hand a test compares every row with them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cytoloop.core.device import DeviceState

DI = "http://opcfoundation.org/UA/DI/"
AMB = "http://opcfoundation.org/UA/AMB/"
MACHINERY = "http://opcfoundation.org/UA/Machinery/"
LADS = "http://opcfoundation.org/UA/LADS/"
COMPANIONS = (DI, AMB, MACHINERY, LADS)

DEVICE_SET = 5001
"""The DeviceSet object of OPC UA for Devices."""


@dataclass(frozen=True, slots=True)
class Type:
    """An object type: where it stands and what it is a kind of."""

    namespace: str
    identifier: int
    name: str
    parent: "Type | int"
    """Its supertype; a number is a type of OPC UA itself."""


TOPOLOGY_ELEMENT = Type(DI, 1001, "TopologyElementType", 58)
COMPONENT = Type(DI, 15063, "ComponentType", TOPOLOGY_ELEMENT)
DI_DEVICE = Type(DI, 1002, "DeviceType", COMPONENT)
GROUP = Type(DI, 1005, "FunctionalGroupType", 61)
LOCK = Type(DI, 6388, "LockingServicesType", 58)
ITEM_IDENTIFICATION = Type(MACHINERY, 1004, "MachineryItemIdentificationType", GROUP)
IDENTIFICATION = Type(MACHINERY, 1012, "MachineIdentificationType", ITEM_IDENTIFICATION)

DEVICE = Type(LADS, 1002, "LADSDeviceType", DI_DEVICE)
SET = Type(LADS, 61, "SetType", 61)
FUNCTIONAL_UNIT_SET = Type(LADS, 1023, "FunctionalUnitSetType", SET)
FUNCTIONAL_UNIT = Type(LADS, 1003, "FunctionalUnitType", TOPOLOGY_ELEMENT)
FUNCTION_SET = Type(LADS, 1026, "FunctionSetType", SET)
FUNCTION = Type(LADS, 1004, "FunctionType", TOPOLOGY_ELEMENT)
BASE_SENSOR = Type(LADS, 1005, "BaseSensorFunctionType", FUNCTION)
ANALOG_SENSOR = Type(LADS, 1046, "AnalogSensorFunctionType", BASE_SENSOR)
SCALAR_SENSOR = Type(LADS, 1016, "AnalogScalarSensorFunctionType", ANALOG_SENSOR)
BASE_CONTROL = Type(LADS, 1007, "BaseControlFunctionType", FUNCTION)
ANALOG_CONTROL = Type(LADS, 1009, "AnalogControlFunctionType", BASE_CONTROL)
PROGRAM_MANAGER = Type(LADS, 1006, "ProgramManagerType", TOPOLOGY_ELEMENT)
ACTIVE_PROGRAM = Type(LADS, 1040, "ActiveProgramType", 58)
TEMPLATE_SET = Type(LADS, 1019, "ProgramTemplateSetType", SET)
TEMPLATE = Type(LADS, 1018, "ProgramTemplateType", 58)
RESULT_SET = Type(LADS, 1020, "ResultSetType", SET)
RESULT = Type(LADS, 1021, "ResultType", 58)
FILE_SET = Type(LADS, 1022, "ResultFileSetType", SET)
VARIABLE_SET = Type(LADS, 1041, "VariableSetType", SET)
DEVICE_MACHINE = Type(LADS, 1039, "LADSDeviceStateMachineType", 2771)
MACHINE = Type(LADS, 1038, "FunctionalStateMachineType", 2771)
RUNNING_MACHINE = Type(LADS, 1036, "RunningStateMachineType", 2771)
UNIT_MACHINE = Type(LADS, 1043, "FunctionalUnitStateMachineType", MACHINE)
CONTROL_MACHINE = Type(LADS, 1044, "ControlFunctionStateMachineType", MACHINE)

TYPES = (
    TOPOLOGY_ELEMENT, COMPONENT, DI_DEVICE, GROUP, LOCK, ITEM_IDENTIFICATION, IDENTIFICATION, DEVICE, SET,
    FUNCTIONAL_UNIT_SET, FUNCTIONAL_UNIT, FUNCTION_SET, FUNCTION, BASE_SENSOR, ANALOG_SENSOR, SCALAR_SENSOR,
    BASE_CONTROL, ANALOG_CONTROL, PROGRAM_MANAGER, ACTIVE_PROGRAM, TEMPLATE_SET, TEMPLATE, RESULT_SET, RESULT,
    FILE_SET, VARIABLE_SET, DEVICE_MACHINE, MACHINE, RUNNING_MACHINE, UNIT_MACHINE, CONTROL_MACHINE,
)  # fmt: skip
"""Every type that instances here are of, supertypes before subtypes."""

STRUCTURES: Mapping[str, tuple[int, int]] = {"KeyValueType": (3003, 5045), "SampleInfoType": (3002, 5042)}
"""Structure of LADS -> data type, its binary encoding."""

STATES: Mapping[Type, Mapping[str, tuple[int, int]]] = {
    DEVICE_MACHINE: {"Initialization": (5177, 1), "Operate": (5178, 2), "Sleep": (5259, 3), "Shutdown": (5180, 4)},
    MACHINE: {
        "Aborted": (5160, 1), "Aborting": (5159, 2), "Clearing": (5143, 3), "Stopped": (5085, 4), "Running": (5099, 5),
        "Stopping": (5100, 6),
    },
    RUNNING_MACHINE: {"Complete": (5128, 1), "Execute": (5168, 3), "Held": (5124, 4), "Idle": (5120, 6)},
}  # fmt: skip
"""State machine -> state -> node id, number."""

UNIT_STATES: Mapping[DeviceState, tuple[str, str]] = {
    "idle": ("Stopped", "Idle"),
    "running": ("Running", "Execute"),
    "held": ("Running", "Held"),
    "failed": ("Aborted", "Idle"),
    "off": ("Stopped", "Idle"),
}
"""State of a device -> state of its functional unit, state of the machine within Running."""


def device_state(state: DeviceState) -> str:
    """State of the LADS device: out of service it sleeps."""
    return "Sleep" if state == "off" else "Operate"


def state_of(unit: str, running: str, device: str) -> DeviceState:
    """The way back: what the states of a functional unit, of its running machine and of its device say."""
    if device in {"Sleep", "Shutdown"}:
        return "off"
    if unit in {"Aborted", "Aborting"}:
        return "failed"
    if unit == "Running":
        return "held" if running in {"Held", "Holding", "Suspended"} else "running"
    return "idle"
