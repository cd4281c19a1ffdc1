"""The door finds equipment by what LADS calls things, converts units, and says in one sentence what does not fit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.contract.opcua_plant import free_port
from tests.fault.skid import PERIOD, Skid, effects_in

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.opcua import history as served_history
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.adapters.opcua.lads import DEVICE, DEVICE_SET, DI, FUNCTIONAL_UNIT, FUNCTIONAL_UNIT_SET, LADS, Type
from cytoloop.adapters.opcua.library import HOUSE, library
from cytoloop.adapters.opcua.nodes import Nodes
from cytoloop.adapters.opcua.server import DeviceServer
from cytoloop.core.equipment import Command, UnreachableError
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.core.product import EquipmentClass, Plant
from cytoloop.core.reading import Reading
from cytoloop.core.telemetry import moment
from cytoloop.core.time import Instant
from cytoloop.core.words import Words

pytestmark = pytest.mark.asyncio(loop_scope="module")
WORDS = Words(en="Skid", zh="撬装设备")
SKIDS = EquipmentClass(
    equipment_class="skid", words=WORDS, count=9, set_points={"temperature": "°C"},
    signals={"temperature": "°C", "pressure": "1"},
)  # fmt: skip


class Stuttering(Skid):
    """Tells every reading twice and the newest first, and is not sure of its pressure."""

    def measured(self, since: Instant | None) -> tuple[Reading, ...]:
        told = [
            replace(reading, quality="uncertain" if reading.signal == "pressure" else "good")
            for reading in super().measured(since)
        ]
        return (*reversed(told), *told)


@asynccontextmanager
async def serving(folder: Path, *, house: bool = True) -> AsyncIterator[DeviceServer]:
    clock = ScaledClock()
    devices = (
        Skid(clock, folder / "effects"),
        Skid(clock, folder / "effects", unit="skid-02"),
        Stuttering(clock, folder / "effects", unit="skid-03"),
    )
    endpoint = f"opc.tcp://127.0.0.1:{free_port()}/cytoloop"
    server = DeviceServer(devices=devices, clock=clock, endpoint=endpoint, every=0.02 / 3600, house=house)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DeviceServer]:
    async with serving(tmp_path_factory.mktemp("house")) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DeviceServer]:
    async with serving(tmp_path_factory.mktemp("plain"), house=False) as server:
        yield server


def door_to(server: DeviceServer, **options: Any) -> OpcUaDoor:
    return OpcUaDoor(endpoint=server.endpoint, poll=0.01, **options)


@pytest_asyncio.fixture(loop_scope="module")
async def door(served: DeviceServer) -> AsyncIterator[OpcUaDoor]:
    door = door_to(served, plant=Plant(plant="site", words=WORDS, classes=(SKIDS,)))
    yield door
    await door.close()


def effects(server: DeviceServer) -> list[str]:
    (skid, *_) = server.devices
    assert isinstance(skid, Skid)
    return effects_in(skid.effects)


def command(key: str, verb: str, target: str = "skid-01", **arguments: JSON) -> Command:
    return Command(key=key, target=target, verb=verb, arguments=arguments)  # type: ignore[arg-type]


def mix(key: str, program: str = "mix", target: str = "skid-01") -> Command:
    return command(key, "program", target, program=program, coi="C-1", parameters={"seconds": 0.1})


# -- what does not fit ------------------------------------------------------------------------------------------------


async def test_equipment_of_the_wrong_class_is_said_before_a_batch_and_refused_in_it(served: DeviceServer) -> None:
    reactors = replace(SKIDS, equipment_class="skid", set_points={}, signals={})
    freezer = replace(reactors, equipment_class="freezer")
    door = door_to(served, plant=Plant(plant="site", words=WORDS, classes=(freezer,)))
    wrong = r"skid-01 at opc\.tcp://\S+ is a skid \(DeviceClass\), the plant says freezer; set DeviceClass"
    with pytest.raises(UserError, match=wrong):
        await door.open({"skid-01": "freezer"})
    await door.close()
    named_as = replace(freezer, equipment_class="skid")
    fine = door_to(served, plant=Plant(plant="site", words=WORDS, classes=(named_as,)))
    await fine.open({"skid-01": "skid"})
    await fine.close()


async def test_a_unit_of_the_wrong_class_takes_no_command(
    served: DeviceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = door_to(served)
    monkeypatch.setattr(OpcUaDoor, "_wanted_class", lambda *_: "freezer")
    outcome = await door.perform(mix("B-1/wrong-class#1"))
    assert not outcome.ok
    assert "the plant says freezer" in outcome.note
    assert "B-1/wrong-class#1" not in effects(served)
    await door.close()


async def test_equipment_that_is_not_there_is_named_with_what_is(door: OpcUaDoor) -> None:
    with pytest.raises(UserError, match=r"has no device skid-99; it has skid-01, skid-02, skid-03.*AssetId"):
        await door.open({"skid-99": "skid"})
    outcome = await door.perform(mix("B-1/nowhere#1", target="skid-99"))
    assert not outcome.ok
    assert "has no device skid-99" in outcome.note


async def test_a_server_of_another_companion_specification_is_named() -> None:
    asyncua = library()
    server = asyncua.Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{free_port()}/other")
    await server.register_namespace("http://example.org/UA/Pumps/")
    async with server:
        door = OpcUaDoor(endpoint=server.endpoint.geturl())
        sentence = r"does not follow LADS \(OPC 30500-1.*but http://example\.org/UA/Pumps/; equipment of another kind"
        with pytest.raises(UserError, match=sentence):
            await door.open()
        with pytest.raises(UnreachableError, match="does not follow LADS"):
            await door.perform(mix("B-1/other#1"))
        await door.close()


async def test_units_are_converted_and_one_that_does_not_convert_holds_the_step(
    served: DeviceServer, door: OpcUaDoor
) -> None:
    """The device says in which unit it takes its set-point; the recipe says °C."""
    ua = library().ua
    node = served._server.get_node(ua.NodeId(f"{PATH.format('skid-02')}/EngineeringUnits", _index(served)))
    before = await node.read_value()
    try:
        await node.write_value(ua.EUInformation(UnitId=_unece("FAH"), NamespaceUri=before.NamespaceUri))
        outcome = await door.perform(command("B-1/fahrenheit#1", "set", "skid-02", temperature=37.0))
        assert outcome.values["temperature"] == pytest.approx(98.6)
        await node.write_value(ua.EUInformation(UnitId=_unece("BAR"), NamespaceUri=before.NamespaceUri))
        fresh = door_to(served, plant=door.plant)
        outcome = await fresh.perform(command("B-1/bar#1", "set", "skid-02", temperature=37.0))
        assert not outcome.ok
        assert "skid-02/temperature/TargetValue on opc.tcp://" in outcome.note
        assert "cannot turn 'bar' into '°C'" in outcome.note
        assert "B-1/bar#1" not in effects(served)
        await fresh.close()
        await node.write_value(ua.EUInformation())
        unnamed = door_to(served, plant=door.plant)
        outcome = await unnamed.perform(command("B-1/unnamed#1", "set", "skid-02", temperature=37.0))
        assert "names no unit (EngineeringUnits); set it on the device" in outcome.note
        await unnamed.close()
    finally:
        await node.write_value(before)


PATH = "{}/FunctionalUnitSet/main/FunctionSet/temperature/TargetValue"


def _index(server: DeviceServer) -> int:
    return int(server._server.iserver.aspace[library().ua.NodeId(2255)].attributes[13].value.Value.Value.index(HOUSE))


def _unece(code: str) -> int:
    return int.from_bytes(code.encode(), "big")


# -- finding ----------------------------------------------------------------------------------------------------------


async def test_a_vendors_own_subtype_is_found_by_what_it_is_derived_from(served: DeviceServer) -> None:
    """A device of a vendor's type, with functional units of its own names."""
    ua = library().ua
    uris = await served._server.get_namespace_array()
    nodes = Nodes(served._server, {"": 0, **{uri: index for index, uri in enumerate(uris)}}, HOUSE)
    vendors = Type(HOUSE, 9001, "VendorDeviceType", DEVICE)
    await nodes.object_type(vendors)
    path = "vendor"
    device = await nodes.object(path, ua.NodeId(DEVICE_SET, nodes.namespaces[DI]), (HOUSE, "vendor"), vendors)
    await nodes.variable(f"{path}/DeviceClass", device, (DI, "DeviceClass"), "washer")
    units = await nodes.object(f"{path}/units", device, (LADS, "FunctionalUnitSet"), FUNCTIONAL_UNIT_SET)
    for name in ("left", "right"):
        await nodes.object(f"{path}/{name}", units, (HOUSE, name), FUNCTIONAL_UNIT)
    door = door_to(served)
    await door.open({"vendor/left": "washer", "vendor/right": "washer"})
    with pytest.raises(UserError, match="several functional units; name one: vendor/left or vendor/right"):
        await door.open({"vendor": "washer"})
    await door.close()
    await nodes.remove(path)


# -- a plain LADS server ----------------------------------------------------------------------------------------------


async def test_a_plain_lads_server_is_driven_too(plain: DeviceServer) -> None:
    door = door_to(plain)
    done = await door.perform(mix("B-2/mix#1"))
    assert done.ok
    assert done.values == {"mixed": 1.0}
    assert (await door.perform(command("B-2/set#1", "set", temperature=41.0))).values == {"temperature": 41.0}
    taken = [await door.perform(command(f"B-2/read#{n}", "read", signals=["temperature"])) for n in range(2)]
    first, second = ({reading.at for reading in outcome.readings} for outcome in taken)
    assert first
    assert not first & second
    refused = await door.perform(mix("B-2/fly#1", program="fly"))
    assert not refused.ok
    assert "BadInvalidArgument" in refused.note
    assert "cannot sample" in (await door.perform(command("B-2/sample#1", "sample", plan="p"))).note
    await door.close()


async def test_on_a_plain_server_a_program_is_found_in_its_results_and_of_the_rest_nobody_can_tell(
    plain: DeviceServer,
) -> None:
    door = door_to(plain)
    outcome = await door.perform(mix("B-3/mix#1"))
    await door.perform(command("B-3/set#1", "set", temperature=42.0))
    await door.close()
    later = door_to(plain)
    assert await later.recall("B-3/mix#1") == outcome
    for key in ("B-3/set#1", "B-3/never#1"):
        with pytest.raises(UnreachableError, match=r"no result under .* keeps no memory of other commands; look at"):
            await later.recall(key)
    assert effects(plain).count("B-3/mix#1") == 1
    await later.close()


# -- readings ---------------------------------------------------------------------------------------------------------


async def test_history_comes_once_in_order_and_with_its_codes_however_the_device_tells_it(
    door: OpcUaDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told twice and backwards, in pages of a hundred."""
    monkeypatch.setattr(served_history, "MOST", 100)
    now = ScaledClock().now()
    await asyncio.sleep(0.5)
    found = await door.readings("B-4", "skid-03", now - timedelta(hours=1), now + timedelta(seconds=0.4))
    assert found is not None
    by_tag: dict[str, list[int]] = {}
    for tag, at, received, _, status in found.rows():
        by_tag.setdefault(tag.name, []).append(at)
        assert status == (0x4093_0000 if tag.name.endswith("pressure") else 0)
        assert received >= at
    assert set(by_tag) == {"skid-03/temperature", "skid-03/pressure"}
    for times in by_tag.values():
        assert len(times) > 20
        assert times == sorted(set(times))
        assert {moment(b) - moment(a) for a, b in pairwise(times)} == {PERIOD}
