"""`selfplay bench`: speed and learning beside other people's packages, each contender in a process of its own.

Importing this, and everything in `peers`, needs the standard library only: a peer may live in another interpreter.
"""
