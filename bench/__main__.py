"""`make bench`: every benchmark in this folder, one table each."""

from rich.console import Console

from bench import assembly, drift_speed, evaluation, functions, story


def main() -> None:
    """Run them in order of how quickly they answer."""
    console = Console()
    console.print(functions.table())
    for table in drift_speed.tables():
        console.print(table)
    for table in assembly.tables():
        console.print(table)
    console.print(evaluation.table())
    console.print(story.table())


if __name__ == "__main__":
    main()
