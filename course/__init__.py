"""The tools that build the course: notebooks, assignments, the lab."""
