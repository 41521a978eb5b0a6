"""Declared experiments: arms × seeds, measures, and claims that are registered before anything runs."""
