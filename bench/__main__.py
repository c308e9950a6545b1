"""`make bench`: every benchmark in this folder, one table each."""

from rich.console import Console

from bench import drift_speed, functions


def main() -> None:
    """Run them in order of how quickly they answer."""
    console = Console()
    console.print(functions.table())
    for table in drift_speed.tables():
        console.print(table)


if __name__ == "__main__":
    main()
