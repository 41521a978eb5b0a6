"""What is measured while an agent explores: where it was, and what a noisy TV did to it."""
