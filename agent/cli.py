"""The `slotline` command."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from appointments.errors import SlotlineError

app = typer.Typer(
    help="Answers a business's phone, offers real free times and books the one the caller picks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

EnvFile = Annotated[Path, typer.Option("--env-file", help="Where settings stand that the environment does not set.")]
NoEnvFile = Annotated[bool, typer.Option("--no-env-file", help="Read no file, only the environment.")]

# The commands import what they need: `--help` must not load a speech pipeline.


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8080,
    env_file: EnvFile = Path(".env"),
    no_env_file: NoEnvFile = False,
) -> None:
    """Take calls."""
    from agent.logs import configure_logs
    from agent.settings import load_settings

    settings = load_settings(None if no_env_file else env_file)
    configure_logs(settings.log_level, settings.log_format, settings.log_pii)
    from agent.server import serve as run

    asyncio.run(run(settings, host=host, port=port))


@app.command()
def rehearse(
    scenario: Annotated[str | None, typer.Option(help="A scenario's name or file.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Rehearse every scenario.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the scenarios.")] = False,
    typed: Annotated[bool, typer.Option("--typed", help="Type instead of speak: no audio.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="How many calls at once.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the line's noise.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result to this file.")] = None,
) -> None:
    """Rehearse a whole phone call with stand-ins: no accounts, nothing leaves this machine."""
    if all_ and scenario is not None:
        raise typer.BadParameter("--all rehearses every scenario: leave out --scenario")
    if list_ and (all_ or typed or scenario is not None or json_file is not None):
        raise typer.BadParameter("--list only lists: leave out the other options")
    from agent.logs import configure_logs

    configure_logs("WARNING", "console", show_pii=False)
    from agent.rehearse import run

    raise typer.Exit(
        asyncio.run(run(scenario, is_all=all_, is_list=list_, typed=typed, jobs=jobs, seed=seed, json_file=json_file))
    )


@app.command()
def chat(
    scenario: Annotated[str | None, typer.Option(help="Take clock, free times and faults from this scenario.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Speak JSON, one object a line.")] = False,
    real: Annotated[bool, typer.Option("--real", help="Use the services of the settings, not stand-ins.")] = False,
    caller: Annotated[str, typer.Option(help="The number that calls.")] = "+14155550123",
    env_file: EnvFile = Path(".env"),
    no_env_file: NoEnvFile = False,
) -> None:
    """Type to the agent instead of speaking."""
    from agent.logs import configure_logs
    from agent.settings import load_settings

    if not real:
        configure_logs("WARNING", "console", show_pii=False)
        from agent.chat import chat_with_stand_ins

        raise typer.Exit(asyncio.run(chat_with_stand_ins(scenario, caller=caller, as_json=as_json)))
    settings = load_settings(None if no_env_file else env_file)
    configure_logs(settings.log_level, settings.log_format, settings.log_pii)
    from agent.chat import chat as run

    asyncio.run(run(settings, caller=caller, as_json=as_json))


@app.command()
def simulator(
    twilio_port: Annotated[int, typer.Option(help="Twilio's port; 0: any.")] = 0,
    openai_port: Annotated[int, typer.Option(help="OpenAI's port; 0: any.")] = 0,
    calcom_port: Annotated[int, typer.Option(help="Cal.com's port; 0: any.")] = 0,
    worker_port: Annotated[int, typer.Option(help="Where the worker will listen.")] = 8080,
) -> None:
    """Run the stand-ins alone and print the environment of a worker that uses them."""
    from agent.stand_ins import run_alone

    ports = {"twilio": twilio_port, "openai": openai_port, "calcom": calcom_port}
    asyncio.run(run_alone(ports, worker_port=worker_port))


def main() -> None:
    """Run the command; an error of ours is a message and exit status 2."""
    try:
        app()
    except SlotlineError as error:
        typer.echo(f"slotline: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
