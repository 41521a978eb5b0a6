"""Stages: how environments, learners and reward streams are arranged in a run."""
