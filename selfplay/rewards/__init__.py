"""Rewards that are not curiosity: the task's own, and rewards learnt from people."""
