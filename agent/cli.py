"""The `slotline` command."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from appointments.errors import SlotlineError

if TYPE_CHECKING:
    from agent.settings import Settings

app = typer.Typer(
    help="Answers a business's phone, offers real free times and books the one the caller picks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    # Rich's help shows a flag as if it took a value: --all <bool>.
    rich_markup_mode=None,
    context_settings={"max_content_width": 120},
)

prompts = typer.Typer(help="Check and show what the agent is told.", no_args_is_help=True)
app.add_typer(prompts, name="prompts")

appointments = typer.Typer(invoke_without_command=True)
app.add_typer(appointments, name="appointments")

requests = typer.Typer(invoke_without_command=True)
app.add_typer(requests, name="requests")

EnvFile = Annotated[Path, typer.Option("--env-file", help="Where settings stand that the environment does not set.")]
NoEnvFile = Annotated[bool, typer.Option("--no-env-file", help="Read no file, only the environment.")]
PromptFile = Annotated[Path | None, typer.Argument(help="Instructions; left out: those of the business.")]
BusinessFile = Annotated[
    Path | None, typer.Option("--business", help="A business file; left out: BUSINESS_FILE, or else the rehearsal's.")
]
Caller = Annotated[str, typer.Option(help="The number that calls.")]
Calendar = Annotated[
    Literal["builtin", "calcom"] | None,
    typer.Option(help="The calendar that is booked; left out: calcom, if the business has event types there."),
]

# The commands import what they need: `--help` must not load a speech pipeline.


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version
        from platform import python_version

        typer.echo(f"slotline {version('slotline')} (Python {python_version()}, pipecat {version('pipecat-ai')})")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the versions and exit.")
    ] = False,
) -> None:
    """Take what stands before a command."""


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on.")] = 8080,
    processes: Annotated[int, typer.Option(min=1, max=256, help="How many share the port: one for each core.")] = 1,
    env_file: EnvFile = Path(".env"),
    no_env_file: NoEnvFile = False,
    member: Annotated[bool, typer.Option("--member", hidden=True)] = False,
) -> None:
    """Take calls."""
    from agent.logs import configure_logs
    from agent.settings import load_settings

    settings = load_settings(None if no_env_file else env_file)
    configure_logs(settings.log_level, settings.log_format, settings.log_pii)
    if processes > 1:
        from agent.processes import serve_together

        options = ("--no-env-file",) if no_env_file else ("--env-file", str(env_file))
        raise typer.Exit(asyncio.run(serve_together(processes, host=host, port=port, options=options)))
    from agent.server import serve as run

    asyncio.run(run(settings, host=host, port=port, is_member=member))


@app.command()
def rehearse(
    scenario: Annotated[str | None, typer.Argument(help="A scenario's name or file.")] = None,
    scenario_: Annotated[str | None, typer.Option("--scenario", help="The same, as an option.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Rehearse every scenario.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the scenarios.")] = False,
    typed: Annotated[bool, typer.Option("--typed", help="Type instead of speak: no audio.")] = False,
    calendar: Calendar = None,
    jobs: Annotated[int, typer.Option(min=1, help="How many calls at once.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the line's noise.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result to this file.")] = None,
) -> None:
    """Rehearse a whole phone call with stand-ins: no accounts, nothing leaves this machine."""
    if scenario is not None and scenario_ is not None:
        raise typer.BadParameter(f"one scenario at a time: leave out {scenario} or --scenario {scenario_}")
    scenario = scenario or scenario_
    if all_ and scenario is not None:
        raise typer.BadParameter(f"--all rehearses every scenario: leave out {scenario}")
    if list_ and (all_ or typed or any(given is not None for given in (scenario, calendar, json_file))):
        raise typer.BadParameter("--list only lists: leave out the other options")
    from agent.logs import configure_logs

    configure_logs("WARNING", "console", show_pii=False)
    from agent.rehearse import run

    rehearsing = run(
        scenario,
        is_all=all_,
        is_list=list_,
        typed=typed,
        calendar=calendar,
        jobs=jobs,
        seed=seed,
        json_file=json_file,
    )
    raise typer.Exit(asyncio.run(rehearsing))


@app.command()
def chat(
    scenario: Annotated[str | None, typer.Option(help="Take clock, free times and faults from this scenario.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Speak JSON, one object a line.")] = False,
    real: Annotated[bool, typer.Option("--real", help="Use the services of the settings, not stand-ins.")] = False,
    real_model: Annotated[
        bool, typer.Option("--real-model", help="Use the language model of the settings, and stand-ins for the rest.")
    ] = False,
    prompt: Annotated[Path | None, typer.Option(help="Instructions; left out: those of the business.")] = None,
    business: Annotated[
        Path | None,
        typer.Option(help="A business file; left out: the scenario's or the rehearsal's, with --real BUSINESS_FILE."),
    ] = None,
    calendar: Calendar = None,
    caller: Caller = "+14155550123",
    attested: Annotated[bool, typer.Option("--attested", help="The carrier vouches for the caller's number.")] = False,
    env_file: EnvFile = Path(".env"),
    no_env_file: NoEnvFile = False,
) -> None:
    """Type to the agent instead of speaking."""
    if real and real_model:
        raise typer.BadParameter("--real uses the real model too: leave out --real-model")
    if real and calendar:
        raise typer.BadParameter("--real books the calendar of the settings: leave out --calendar")
    from agent.logs import configure_logs
    from agent.settings import load_settings, talk_settings

    file = None if no_env_file else env_file
    if not real:
        model = talk_settings(file) if real_model else None
        configure_logs("WARNING", "console", show_pii=False)
        from agent.chat import chat_with_stand_ins

        raise typer.Exit(
            asyncio.run(
                chat_with_stand_ins(
                    scenario,
                    caller=caller,
                    is_attested=attested,
                    as_json=as_json,
                    prompt=prompt,
                    business=business,
                    calendar=calendar,
                    model=model,
                )
            )
        )
    settings = load_settings(file)
    configure_logs(settings.log_level, settings.log_format, settings.log_pii)
    from agent.chat import chat as run

    asyncio.run(run(settings, caller=caller, is_attested=attested, as_json=as_json, prompt=prompt, business=business))


@app.command()
def simulator(
    twilio_port: Annotated[int, typer.Option(help="Twilio's port; 0: any.")] = 0,
    openai_port: Annotated[int, typer.Option(help="OpenAI's port; 0: any.")] = 0,
    calcom_port: Annotated[int, typer.Option(help="Cal.com's port; 0: any.")] = 0,
    smtp_port: Annotated[int, typer.Option(help="The mail server's port; 0: any.")] = 0,
    worker_port: Annotated[int, typer.Option(help="Where the worker will listen.")] = 8080,
) -> None:
    """Run the stand-ins alone and print the environment of a worker that uses them."""
    from agent.stand_ins import run_alone

    ports = {"twilio": twilio_port, "openai": openai_port, "calcom": calcom_port, "smtp": smtp_port}
    asyncio.run(run_alone(ports, worker_port=worker_port))


@app.command()
def talk(
    real: Annotated[bool, typer.Option("--real", help="Use every service of the settings, the calendar too.")] = False,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on.")] = 7860,
    caller: Caller = "+14155550123",
    env_file: EnvFile = Path(".env"),
    no_env_file: NoEnvFile = False,
) -> None:
    """Speak to the agent yourself, with a browser's microphone."""
    from agent.talk import run

    raise typer.Exit(
        asyncio.run(run(is_real=real, host=host, port=port, caller=caller, env_file=None if no_env_file else env_file))
    )


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    env_file: EnvFile = Path(".env"),
    no_env_file: NoEnvFile = False,
) -> None:
    """Try everything a worker needs to take real calls, and say how to fix what is wrong. One word is spoken."""
    from agent.doctor import run

    raise typer.Exit(asyncio.run(run(None if no_env_file else env_file, as_json=as_json)))


@app.command()
def event_types(env_file: EnvFile = Path(".env"), no_env_file: NoEnvFile = False) -> None:
    """List the event types at Cal.com and which of them can be booked by phone, ready for the business file."""
    from agent.logs import configure_logs
    from agent.settings import calcom_settings

    configure_logs("ERROR", "console", show_pii=False)
    settings = calcom_settings(None if no_env_file else env_file)
    from agent.event_types import run

    asyncio.run(run(settings))


@app.command()
def holidays(
    country: Annotated[str, typer.Option(help="Two letters, such as CA.")] = "US",
    subdivision: Annotated[
        str | None, typer.Option(help="A state, province or the like, such as NY; left out: all of it.")
    ] = None,
    years: Annotated[int, typer.Option(min=1, max=10, help="How many calendar years, this one included.")] = 2,
) -> None:
    """Propose public holidays for the closed days of the business file."""
    from agent.holidays import proposal

    typer.echo(proposal(country, subdivision=subdivision or "", years=years))


@appointments.callback()
def list_appointments(
    context: typer.Context,
    days: Annotated[int | None, typer.Option(min=1, help="Only those of so many days, today included.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Past, cancelled and failed ones too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    env_file: EnvFile = Path(".env"),
    no_env_file: NoEnvFile = False,
) -> None:
    """List the appointments from today on, in local time, or cancel one."""
    if _goes_on(context):
        return
    if all_ and days is not None:
        raise typer.BadParameter("--all lists every day: leave out --days")
    settings = _owners_settings(env_file, no_env_file)
    from agent.owner.appointments import run

    asyncio.run(run(settings, days=days, is_all=all_, as_json=as_json))


@appointments.command()
def cancel(
    appointment: Annotated[str, typer.Argument(help="Its id, as `slotline appointments` shows it.")],
    reason: Annotated[
        str | None, typer.Option(help="Why; kept with the appointment, and passed on to Cal.com.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    env_file: EnvFile = Path(".env"),
    no_env_file: NoEnvFile = False,
) -> None:
    """Cancel an appointment, in its calendar too, and text the customer."""
    settings = _owners_settings(env_file, no_env_file)
    from agent.owner.cancelling import REASON, run

    raise typer.Exit(run(settings, appointment, reason=reason or REASON, is_agreed=yes))


@requests.callback()
def list_requests(
    context: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="Those that are done, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    env_file: EnvFile = Path(".env"),
    no_env_file: NoEnvFile = False,
) -> None:
    """List who waits for a call-back or a free time, or mark one as done."""
    if _goes_on(context):
        return
    settings = _owners_settings(env_file, no_env_file)
    from agent.owner.requests import run

    asyncio.run(run(settings, is_all=all_, as_json=as_json))


@requests.command()
def done(
    request: Annotated[str, typer.Argument(help="Its id, as `slotline requests` shows it.")],
    env_file: EnvFile = Path(".env"),
    no_env_file: NoEnvFile = False,
) -> None:
    """Mark a request as done, so that it is listed no more."""
    settings = _owners_settings(env_file, no_env_file)
    from agent.owner.requests import finish

    asyncio.run(finish(settings, request))


def _goes_on(context: typer.Context) -> bool:
    """Whether another command follows, which has its own options; refuses those before it: they would be lost."""
    if context.invoked_subcommand is None:
        return False
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(f"put options behind `{context.invoked_subcommand}`")
    return True


def _owners_settings(env_file: Path, no_env_file: bool) -> Settings:
    """Return the settings of the worker; from here on only errors are logged."""
    from agent.logs import configure_logs
    from agent.settings import load_settings

    # Before the business file is read: with it comes Pipecat, whose first import logs.
    configure_logs("ERROR", "console", show_pii=False)
    return load_settings(None if no_env_file else env_file)


@prompts.command()
def check(
    file: PromptFile = None,
    business: BusinessFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    env_file: EnvFile = Path(".env"),
    no_env_file: NoEnvFile = False,
) -> None:
    """Find mistakes in instructions, texts and the business file."""
    from agent.authoring.check import run

    raise typer.Exit(run(file, business=business, env_file=None if no_env_file else env_file, as_json=as_json))


@prompts.command()
def show(
    file: PromptFile = None,
    business: BusinessFile = None,
    env_file: EnvFile = Path(".env"),
    no_env_file: NoEnvFile = False,
) -> None:
    """Show what the model is told, who wrote each line, and how many tokens it takes."""
    from agent.authoring.show import run

    raise typer.Exit(run(file, business=business, env_file=None if no_env_file else env_file))


def main() -> None:
    """Run the command; an error of ours is a message and exit status 2."""
    try:
        app()
    except SlotlineError as error:
        typer.echo(f"slotline: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
