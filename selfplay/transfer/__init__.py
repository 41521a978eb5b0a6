"""What transferred: learning curves after pretraining held against those from scratch, as pure functions of arrays."""
