"""A page to run code on a Sandrun server: ``streamlit run frontend.py``.

``SANDRUN_SERVER`` names the server (https://localhost:8443 when it does not), and
``SANDRUN_FINGERPRINT`` its certificate. The server sees one caller, this page, whoever visits it.
"""

from __future__ import annotations

import base64
import os
import shlex
from collections.abc import Sequence
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from previews import archive, block, download_name, plain, rank, show
from running import Job, words
from samples import NAMES, SAMPLES
from sandrun import (
    Client,
    Environments,
    Interpreter,
    JobFields,
    OutputFile,
    RunResult,
    SandrunError,
    shown,
)

LOOK_SECONDS = 0.3
OUTPUT_LINES = 15
OUTPUT_PIXELS = 360
TABS = 8

_ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="7" fill="#b45309"/>
<path d="M7 10.5 16 6l9 4.5v11L16 26l-9-4.5z" fill="none" stroke="#fff" stroke-width="2"
 stroke-linejoin="round"/><path d="M13 12.5v7l6-3.5z" fill="#fff"/></svg>"""
ICON = f"data:image/svg+xml;base64,{base64.b64encode(_ICON.encode()).decode()}"

STYLE = """<style>
.block-container { padding: 2.2rem clamp(1rem, 4vw, 4rem) 4rem; max-width: 96rem; }
.stTextArea textarea { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace;
  font-size: 14px; line-height: 1.55; tab-size: 4; white-space: pre; overflow-x: auto; }
.brand { display: flex; align-items: center; gap: .9rem; margin-bottom: .3rem; }
.brand img { width: 46px; height: 46px; }
.brand b { font-size: 1.75rem; line-height: 1.15; letter-spacing: -.02em; }
.brand span { opacity: .7; display: block; }
</style>"""

BRAND = f"""<div class="brand"><img src="{ICON}" alt=""><div><b>Sandrun</b>
<span>Runs your code in a box, gives back what it made, and forgets it.</span></div></div>"""


EMPTY = """##### :material/terminal: Output

What your code prints appears here while it runs, and then the files that it made.

:material/lock: &nbsp;No network, no account: the box sees your code and its files, nothing else.

:material/timer_off: &nbsp;Gone afterwards: the server forgets all of it.
"""


@st.cache_resource
def client() -> Client:
    """One for all visitors; it holds connections, nothing of a job."""
    server = os.environ.get("SANDRUN_SERVER") or "https://localhost:8443"
    return Client(server, fingerprint=os.environ.get("SANDRUN_FINGERPRINT") or None)


@st.cache_data(ttl=60, show_spinner=False)
def offered() -> Environments:
    return client().environments()


def main() -> None:
    st.set_page_config("Sandrun", ICON, layout="wide", initial_sidebar_state="collapsed")
    st.html(STYLE)
    st.html(BRAND)
    try:
        offer = offered()
    except (SandrunError, OSError, ValueError) as error:
        st.error(f"**The server cannot be used.** {plain(str(error))}", icon=":material/cloud_off:")
        st.caption("Start one with `sandrun serve`, and name it by `SANDRUN_SERVER`.")
        st.button("Try again", icon=":material/refresh:")
        return
    left, right = st.columns([6, 5], gap="large")
    with left:
        editor(offer)
    with right:
        outcome()


def editor(offer: Environments) -> None:
    by_name = {one.name: one for one in offer.interpreters}
    top = st.columns([2, 1], vertical_alignment="bottom")
    name = top[0].selectbox(
        "Language",
        list(by_name),
        format_func=lambda one: shown(f"{NAMES.get(one, one)} {by_name[one].version}"),
    )
    if name is None:
        st.error("This server has no interpreter.")
        return
    environments = ["", *(one.name for one in offer.environments)]
    environment = top[1].selectbox(
        "Packages",
        environments,
        format_func=lambda one: shown(one) or "none",
        disabled=len(environments) == 1,
        help="A prepared environment with packages, if the server has one.",
    )
    code = st.text_area("Code", SAMPLES.get(name, ""), height=430, key=f"code-{name}")
    files = st.file_uploader(
        "Files", accept_multiple_files=True, help="They lie beside the code; archives are unpacked."
    )
    fields = more()
    if environment:
        fields["environment"] = environment
    job: Job | None = st.session_state.get("job")
    busy = job is not None and not job.is_over
    if st.button(
        "Run",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=busy,
        shortcut="Mod+Enter",
    ):
        given = {file.name: file.getvalue() for file in files}
        start(by_name[name], code, given, fields)


def more() -> JobFields:
    """What few need. Left alone, the server's usual values hold."""
    fields: JobFields = {}
    with st.expander("Arguments, input and limits", icon=":material/tune:"):
        arguments = st.text_input("Arguments", placeholder="--name 'two words'")
        stdin = st.text_area("Standard input", height=80)
        left, right = st.columns(2)
        timeout = left.number_input("Time limit (seconds)", 1, 3600, 60)
        memory = right.number_input("Memory (MB)", 64, 2048, 512, step=64)
    try:
        fields["args"] = shlex.split(arguments)
    except ValueError:
        st.warning("The arguments have a quote that is not closed.", icon=":material/warning:")
    if stdin:
        fields["stdin"] = stdin
    fields["timeout"] = timeout
    fields["memory_mb"] = memory
    return fields


def start(interpreter: Interpreter, code: str, given: dict[str, bytes], fields: JobFields) -> None:
    main_file = f"main{interpreter.extensions[0] if interpreter.extensions else ''}"
    if main_file in given:
        st.warning(f"Rename the file {plain(main_file)}: the code above has that name.")
        return
    fields["interpreter"] = interpreter.name
    fields["entrypoint"] = main_file
    fields["files"] = {main_file: code, **given}
    st.session_state.fields = fields
    st.session_state.job = Job(client(), fields)
    st.rerun()


def outcome() -> None:
    job: Job | None = st.session_state.get("job")
    if job is None:
        with st.container(border=True):
            st.markdown(EMPTY)
    elif job.is_over:
        ended(job)
    else:
        running()


@st.fragment(run_every=LOOK_SECONDS)
def running() -> None:
    """Drawn again by itself, apart from the rest of the page."""
    job: Job = st.session_state.job
    printed = job.printed
    if job.is_over:
        st.rerun()
    waiting = job.position is not None
    label = f"Waiting, number {job.position} in the queue" if waiting else "Running"
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.status(f"{label} · {job.seconds:.0f} s", state="running")
    if right.button("Stop", icon=":material/stop:", width="stretch", disabled=job.was_stopped):
        job.stop()
    output(job, printed)


def output(job: Job, printed: str) -> None:
    if printed:
        lines = printed.count("\n") + len(printed) // 90
        height: int | Literal["content"] = OUTPUT_PIXELS if lines > OUTPUT_LINES else "content"
        # While it runs, the last lines are those that one wants to see.
        with st.container(height=height, border=False, autoscroll=not job.is_over):
            st.code(block(printed), language=None, wrap_lines=True)
    else:
        st.caption("It printed nothing." if job.is_over else "Nothing printed so far.")
    if job.is_cut:
        st.caption(":material/content_cut: Only the last part of what it printed is shown.")


def ended(job: Job) -> None:
    fields: JobFields = st.session_state.fields
    result = job.result
    if result is None:
        stopped = job.was_stopped
        (st.info if stopped else st.error)(
            plain(job.problem or "It ended."),
            icon=":material/stop_circle:" if stopped else ":material/error:",
        )
    elif result.ok:
        st.success(words(result.outcome, fields), icon=":material/check_circle:")
    else:
        st.error(plain(words(result.outcome, fields)), icon=":material/error:")
    if result is not None:
        metrics(result)
    output(job, job.printed)
    if result is not None:
        files(job, result)


def metrics(result: RunResult) -> None:
    told = result.metrics
    values = {
        "CPU": ("{:.2f} s", told.cpu_seconds),
        "Memory": ("{:.1f} MB", told.memory_mb),
        "Time": ("{:.2f} s", told.wall_seconds),
        "Waited": ("{:.2f} s", told.queue_seconds),
    }
    for column, (name, (form, value)) in zip(st.columns(4), values.items(), strict=True):
        column.metric(name, "?" if value is None else form.format(value), border=True)


def files(job: Job, result: RunResult) -> None:
    ordered = sorted(result.files, key=rank)
    if ordered:
        left, right = st.columns([2, 1], vertical_alignment="center")
        left.markdown(f"##### Files ({len(result.files)})")
        right.download_button(
            "All as zip",
            lambda: archive(result.files),
            "outputs.zip",
            "application/zip",
            icon=":material/folder_zip:",
            width="stretch",
        )
        places = places_for([plain(file.path) for file in ordered])
        for number, (file, place) in enumerate(zip(ordered, places, strict=True)):
            with place:
                one_file(file, number)
    for file in job.left_out:
        st.caption(f"{plain(file.path)} is too large to be kept here ({size(file.size)}).")


def places_for(labels: list[str]) -> Sequence[DeltaGenerator]:
    """A few files are tabs, many are a list that opens."""
    if len(labels) <= TABS:
        return st.tabs(labels)
    return [st.expander(label, icon=":material/draft:") for label in labels]


def one_file(file: OutputFile, number: int) -> None:
    show(file)
    st.download_button(
        f"Download · {size(file.size)}",
        file.content or b"",
        download_name(file.path),
        # Whatever it is, the browser stores it and never shows it as a page of ours.
        "application/octet-stream",
        key=f"download-{number}",
        icon=":material/download:",
    )


def size(count: int) -> str:
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1000:.1f} KB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


main()
