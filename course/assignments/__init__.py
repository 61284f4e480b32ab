"""Homework from the exercises: what is handed out, and how it is graded."""
