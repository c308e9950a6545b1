"""`make run`: the real template on the embedded AWS, and the whole loop played on it.

Exits 0 only if every run ended as the story says; Ctrl-C stops what was started.
"""

import os
import signal
import sys
import time

from local.deploy import STACK, DeployError, build, deploy
from local.display import Display
from local.engine import ROOT, EngineError
from local.session import INTERRUPTIONS, Session

OUT = ROOT / "out"
MODEL = "iris"


def main() -> int:
    """Build, start, deploy, play, show."""
    for number in INTERRUPTIONS:
        signal.signal(number, signal.default_int_handler)
    display = Display()
    began = time.monotonic()
    session = Session()
    try:
        session.engine.refuse_second()
        with display.phase("build: sam build"):
            build()
        with session:
            with display.phase("deploy: sam deploy, the same template as for AWS"):
                deploy(session.engine)
            os.environ.update(session.engine.environment())
            return _play(display, session.engine.url, began)
    except KeyboardInterrupt:
        display.note("stopped; nothing is left running")
        return 130
    except (DeployError, EngineError, TimeoutError) as error:
        display.problems([str(error)])
        return 1


def _play(display: Display, url: str, began: float) -> int:
    # after the variables are set: clients are made once and keep their endpoint
    from scenarios.play import differences, play, tell, write
    from scenarios.stack import DeployedStack
    from scenarios.story import STORY

    stack = DeployedStack(STACK, MODEL)
    runs = []
    started = time.monotonic()
    for number, step in enumerate(STORY, start=1):
        with display.step(number, step.title) as shown:
            runs.append(play(stack, step, shown))
    told = time.monotonic() - started
    write(tell(stack, runs, f"embedded AWS at {url}"), OUT)
    display.table(runs)
    wrong = differences(runs, STORY)
    display.problems(wrong)
    display.note(f"{len(runs)} runs in {told:.0f} s, {time.monotonic() - began:.0f} s in all")
    display.note(f"look at {OUT / 'report.html'}; the same facts for programs: {OUT / 'summary.json'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
