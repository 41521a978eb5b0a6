"""Any Gymnasium environment, of whoever wrote it, as a rollout sees worlds."""
