"""Learning from what somebody did, or from which of two doings was preferred, without a reward in between."""
