"""Layers with Keras' arithmetic for native model files, where a framework's own layer differs or is missing."""
