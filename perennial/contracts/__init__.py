"""What each state of the workflow is given and what it leaves: typed, checked at every door.

The state itself carries only these small summaries. Everything larger lies in the artefact bucket under
`runs/<run>/`, where the functions find it by the run's name (see `perennial.layout`).

One module for each concern: importing a class of pydantic costs, and a handler needs few of them.
"""
