"""Bundled models: a Keras file each, and the same network for each framework alone beside it."""
