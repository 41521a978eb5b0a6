"""Learning from preferences: segments, queries, teachers, and the one ledger of all their answers."""
