"""The card of a version: what it was made from, how good it is and where not, and what it is for."""
