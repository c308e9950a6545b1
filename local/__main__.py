"""`python -m local up | down | env`: the embedded AWS with the stack deployed, as long as it is wanted."""

import argparse
import shlex
import sys
from pathlib import Path

from local.deploy import DeployError, build, deploy
from local.display import Display
from local.engine import DIRECTORY, Engine, EngineError
from local.session import Session


def main() -> None:
    """Run one command; what goes wrong is one message and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "env"])
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="of the engine")
    parser.add_argument("--bind", default="127.0.0.1", help="address to listen on, for containers")
    arguments = parser.parse_args()
    session = Session(Engine(arguments.directory, bind=arguments.bind, auth=True))
    try:
        {"up": up, "down": down, "env": env}[arguments.command](session)
    except (EngineError, DeployError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def up(session: Session) -> None:
    """Build, start, deploy, and leave it running; where it already runs, deploy anew."""
    display = Display()
    with display.phase("build: sam build"):
        build()
    ran_before = session.engine.running()
    try:
        if not ran_before:
            session.up()
        elif not session.host.alive():
            session.start_host()
        with display.phase("deploy: sam deploy, the same template as for AWS"):
            deploy(session.engine)
    except BaseException:
        if not ran_before:
            session.down()
        raise
    display.note(f"The embedded AWS answers at {session.engine.url}; make down stops it.")


def down(session: Session) -> None:
    """Stop it."""
    session.down()


def env(session: Session) -> None:
    """Print the variables with which a shell's AWS tools talk to it."""
    for name, value in session.engine.environment().items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
