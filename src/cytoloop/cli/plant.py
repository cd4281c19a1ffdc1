"""`cytoloop plant`: the simulated facility as a plant of its own."""

import asyncio
import logging

import typer

from cytoloop.app.packs import read_pack
from cytoloop.app.plant import run_plant
from cytoloop.cli.output import out

app = typer.Typer(help="The simulated facility.", no_args_is_help=True)


@app.command("serve")
def serve(
    pack: str = typer.Option("car_t_cd19", help="Pack whose plant is simulated."),
    host: str = typer.Option("127.0.0.1", help="Address to serve on."),
    port: int = typer.Option(4840, min=1, max=65535, help="Port of the OPC UA endpoint."),
    seed: int = typer.Option(1, min=0, help="Seed of donors, noise and faults."),
    factor: float = typer.Option(1.0, min=0.001, help="How many times as fast as the wall the plant's clock runs."),
) -> None:
    """Serve the simulated facility as a real OPC UA server until Ctrl-C."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what goes wrong is said in one sentence of our own
    endpoint = f"opc.tcp://{host}:{port}/cytoloop"
    asyncio.run(run_plant(read_pack(pack), endpoint, seed, factor, lambda text: out.print(text, highlight=False)))
