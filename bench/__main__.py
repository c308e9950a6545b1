"""`make bench`: every benchmark in this folder, one table each."""

from rich.console import Console

from bench import functions


def main() -> None:
    """Run them in order of how quickly they answer."""
    console = Console()
    console.print(functions.table())


if __name__ == "__main__":
    main()
