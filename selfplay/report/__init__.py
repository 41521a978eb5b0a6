"""What was run and found, on one page of its own: `selfplay report`, and the model card of a run folder."""
