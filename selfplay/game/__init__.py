"""Asymmetric self-play: Alice proposes goals by doing, Bob must match her."""
