"""`make demo`: starts everything, runs the story with the real command line, and prints it as a transcript.

`python -m broker.local.demo [--once] [--home DIR]`. With `--once` it works in a home that is thrown away and ends with
status 0 only if every step did what it should; without, the marketplace stays up until Ctrl-C.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any, Final

import httpx

from embedded import postgres

APP: Final = "intu-jokes"
_READY_WITHIN_S: Final = 120
_STOP_WITHIN_S: Final = 15
_TABLE: Final = "create table if not exists jokes (text text); insert into jokes values ('SELECT * FROM coffee'); select count(*) from jokes"
_KEYS: Final = (
    "import os, valkey; v = valkey.from_url(os.environ['REDIS_URL']); v.set('punchline', 'ready');"
    " print('punchline is', v.get('punchline').decode()); v.close()"
)
_MAIL: Final = (
    "import os, smtplib; e = os.environ; s = smtplib.SMTP(e['SENDGRID_HOST'], int(e['SENDGRID_PORT']));"
    " s.login(e['SENDGRID_USERNAME'], e['SENDGRID_PASSWORD']);"
    " s.sendmail('jokes@example.com', ['you@example.com'], 'Subject: Knock knock\\r\\n\\r\\nWho is there?'); s.quit();"
    " print('sent')"
)


class StepFailed(Exception):
    """A step of the story did not do what it should."""


@dataclass(frozen=True)
class Step:
    """One command of the transcript. `expect` must be found in what it prints; `shown` replaces what is typed."""

    command: str
    expect: str = ""
    title: str = ""


STORY: Final = (
    Step(f"broker apps:create {APP}", APP, "An app, and what there is to add"),
    Step("broker addons:services", "sendgrid"),
    Step("broker addons:plans postgres", "mini"),
    Step(
        f"broker addons:add postgres --app {APP}",
        "done",
        "Three add-ons: the credentials arrive as config vars in a new release",
    ),
    Step(f"broker addons:add redis --app {APP}", "done"),
    Step(f"broker addons:add sendgrid --app {APP}", "done"),
    Step(f"broker addons --app {APP}", "SENDGRID"),
    Step(f"broker releases --app {APP}", "Attach SENDGRID"),
    Step(f"broker config --app {APP} --json", "SENDGRID_USERNAME"),
    Step(f"broker run --app {APP} -- psql '$DATABASE_URL' -Atqc {shlex.quote(_TABLE)}", "1", "They are real: use them"),
    Step(f"broker run --app {APP} -- {{python}} -c {shlex.quote(_KEYS)}", "punchline is ready"),
    Step(f"broker run --app {APP} -- {{python}} -c {shlex.quote(_MAIL)}", "sent"),
    Step(f"broker addons:upgrade DATABASE --app {APP} postgres:basic", "basic", "A bigger plan, without losing a row"),
    Step(f"broker run --app {APP} -- psql '$DATABASE_URL' -Atqc 'table jokes'", "coffee"),
    Step(f"broker addons:open SENDGRID --app {APP} --show-url", "/sso/", "The vendor's dashboard, signed in"),
    Step(f"broker config:set GREETING='it is $5 \"only\"' --app {APP}", "", "Own config vars, and a way back"),
    Step(f"broker rollback --app {APP}", ""),
    Step(f"broker addons:destroy REDIS --app {APP} --confirm {APP}", "", "And gone again"),
    Step(f"broker addons:destroy SENDGRID --app {APP} --confirm {APP}", ""),
    Step(f"broker addons:destroy DATABASE --app {APP} --confirm {APP}", ""),
    Step(f"broker addons --app {APP}", ""),
)


def main() -> int:
    """Run the demo; the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop everything after the story")
    parser.add_argument("--home", type=Path, help="keep everything here [default: .broker, or a folder thrown away]")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    with _home(options.home, options.once) as home, _stack(home) as ready:
        try:
            tell(ready)
        except StepFailed as failure:
            _say(f"\nThe story failed: {failure}\nLogs: {home / 'logs'}")
            return 1
        if not options.once:
            _stay(ready)
    return 0


def tell(ready: dict[str, Any]) -> None:
    """Run the story against a marketplace that is up.

    Raises: StepFailed at the first step that goes wrong.
    """
    environment = _environment(ready)
    _forget_last_time(environment)
    for step in STORY:
        if step.title:
            _say(f"\n# {step.title}")
        output = _run(step, environment)
        if "--show-url" in step.command:
            _visit(output.strip().splitlines()[-1])
    _say("\nThe story ran to its end.")


def _run(step: Step, environment: dict[str, str]) -> str:
    _say(f"$ {step.command.replace('{python}', 'python')}")
    words = [sys.executable if word == "{python}" else word for word in shlex.split(step.command)]
    words[:1] = [sys.executable, "-m", "broker"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=90)
    _say(_without_secrets(done.stderr + done.stdout).rstrip())
    if done.returncode != 0:
        raise StepFailed(f"`{step.command[:60]}` ended with status {done.returncode}")
    if step.expect not in done.stderr + done.stdout:
        raise StepFailed(f"`{step.command[:60]}` did not say {step.expect!r}")
    return done.stdout


def _visit(url: str) -> None:
    """Do what the browser does with the page behind the link: post its form, follow to the dashboard."""
    with httpx.Client(trust_env=False, timeout=30) as browser:
        page = browser.get(url).text
        action = re.search(r'action="([^"]+)"', page)
        fields = re.findall(r'name="([^"]+)" value="([^"]*)"', page)
        if action is None:
            raise StepFailed("the sign-on page has no form")
        form = {name: unescape(value) for name, value in fields}
        dashboard = browser.post(unescape(action[1]), data=form, follow_redirects=True)
    title = re.search(r"<title>([^<]*)</title>", dashboard.text)
    if dashboard.status_code != httpx.codes.OK or title is None or "Knock knock" not in dashboard.text:
        raise StepFailed(f"the dashboard answered {dashboard.status_code} without the mail that was sent")
    _say(f"  the browser lands on “{unescape(title[1])}”, and the mail “Knock knock” is there")


def _without_secrets(text: str) -> str:
    """The transcript may be kept: passwords in it are cut, links shortened."""
    text = re.sub(r"(://[^:/\s]*:)[^@\s]+@", r"\1…@", text)
    text = re.sub(r'("?\w*PASSWORD"?: ?"?)[^"\s]{4,}', r"\1…", text)
    return re.sub(r"(\?ticket=.{8})[\w-]+", r"\1…", text)


def _environment(ready: dict[str, Any]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")}
    path = os.pathsep.join([str(postgres.find_binaries()), kept.get("PATH", os.defpath)])
    return kept | {"BROKER_URL": ready["url"], "BROKER_TOKEN": ready["token"], "PATH": path, "NO_COLOR": "1"}


def _forget_last_time(environment: dict[str, str]) -> None:
    words = [sys.executable, "-m", "broker", "apps:destroy", APP, "--confirm", APP]
    subprocess.run(words, env=environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=90, check=False)


@contextmanager
def _home(chosen: Path | None, once: bool) -> Iterator[Path]:
    if chosen is not None or not once:
        yield (chosen or Path(".broker")).resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="broker-demo-"))
    try:
        yield folder / "home"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _stack(home: Path) -> Iterator[dict[str, Any]]:
    """A running `broker up` on that home; stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="broker-ready-"))
    ready_file = folder / "ready.json"
    words = [sys.executable, "-m", "broker", "up", "--home", str(home), "--port", "0", "--ready-file", str(ready_file)]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        yield _wait_for(ready_file, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_WITHIN_S)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(ready_file: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    deadline = time.monotonic() + _READY_WITHIN_S
    while not ready_file.exists():
        if process.poll() is not None:
            raise SystemExit(process.returncode or 1)
        if time.monotonic() > deadline:
            raise SystemExit("The marketplace did not come up in time.")
        time.sleep(0.1)
    ready: dict[str, Any] = json.loads(ready_file.read_text())
    return ready


def _stay(ready: dict[str, Any]) -> None:
    home = ready["home"]
    _say(f"\nThe marketplace stays up until Ctrl-C. Log in as {ready['email']}; the password is in {home}/demo.json")
    _say(ready["url"])
    try:
        signal.pause()
    except KeyboardInterrupt:
        _say("")


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
