"""The others, one program each: `python -m selfplay.bench.peers.NAME` (see `bench.worker`)."""
