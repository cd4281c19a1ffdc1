"""`cytoloop plant sparkplug` and `cytoloop plant listen`: both ends of MQTT Sparkplug B."""

import asyncio
from pathlib import Path
from typing import cast

import typer
from rich.table import Table

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.sparkplug.link import Broker, Version, broker
from cytoloop.app.sparkplug import Place, listen, run_edge, simulated_devices
from cytoloop.cli.output import out
from cytoloop.core.errors import UserError

ADDRESS = typer.Option("mqtt://127.0.0.1:1883", "--broker", help="Broker: mqtt://host:port or mqtts://user@host:port.")
GROUP = typer.Option("site", help="Sparkplug group.")
NODE = typer.Option("line-1", help="Edge node.")
PASSWORD = typer.Option(None, help="File whose first line is the password.")
CA = typer.Option(None, help="Certificates (PEM) that the broker's is checked against; left out: the machine's.")
CERTIFICATE = typer.Option(None, help="Our own certificate (PEM), for brokers that ask for one.")
KEY = typer.Option(None, help="Key (PEM) of our own certificate.")
VERSION = typer.Option("3.1.1", "--mqtt", help="Version of MQTT: 3.1.1 or 5.")


def serve(
    address: str = ADDRESS,
    group: str = GROUP,
    node: str = NODE,
    seed: int = typer.Option(1, min=0, help="Seed of the simulated devices."),
    factor: float = typer.Option(1.0, min=0.001, help="How many times as fast as the wall the devices' clock runs."),
    primary_host: str = typer.Option("", help="Send nothing while this host application is away."),
    keep: Path | None = typer.Option(None, help="Folder that keeps the number of the last session."),
    password_file: Path | None = PASSWORD,
    ca: Path | None = CA,
    certificate: Path | None = CERTIFICATE,
    key: Path | None = KEY,
    mqtt: str = VERSION,
) -> None:
    """Serve simulated devices as an edge node of MQTT Sparkplug B until Ctrl-C."""
    to = _broker(address, password_file, ca, certificate, key, mqtt)
    clock = ScaledClock(factor=factor)
    devices = simulated_devices(seed, clock)
    place = Place(broker=to, group=group, node=node)
    asyncio.run(run_edge(place, devices, clock, primary_host, keep, lambda text: out.print(text, highlight=False)))


def listening(
    address: str = ADDRESS,
    group: str = GROUP,
    node: str = NODE,
    seconds: float = typer.Option(3.0, min=0.1, help="How long to listen."),
    host_id: str = typer.Option("cytoloop-listen", help="Id of this host application; its own on the broker."),
    password_file: Path | None = PASSWORD,
    ca: Path | None = CA,
    certificate: Path | None = CERTIFICATE,
    key: Path | None = KEY,
    mqtt: str = VERSION,
) -> None:
    """Show the edge nodes and devices of a Sparkplug group: who is there, what they measure, what was passed over."""
    to = _broker(address, password_file, ca, certificate, key, mqtt)
    seen, remarks = asyncio.run(listen(Place(broker=to, group=group, node=node), host_id, seconds))
    if not seen:
        raise UserError(f"no edge node of group {group} was heard on {to.shown}; check the group, and that it runs")
    table = Table("who", "there", "metric", "value", "unit")
    for each in seen:
        table.add_row(each.who, "yes" if each.online else "no", each.metric, each.value, each.unit)
    out.print(table)
    for at, text in remarks:
        out.print(f"{at:%H:%M:%S} {text}", highlight=False)


def _broker(
    address: str, password: Path | None, ca: Path | None, certificate: Path | None, key: Path | None, version: str
) -> Broker:
    if version not in ("3.1.1", "5"):
        raise UserError(f"MQTT {version} is not spoken here; choose 3.1.1 or 5")
    options = {"ca": ca, "certificate": certificate, "key": key, "version": cast(Version, version)}
    return broker(address, password_file=password, **options)
