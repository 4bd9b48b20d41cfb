"""Exporting: a run's model as a file of Keras, ONNX, TensorFlow, torch or LiteRT, and proof that it computes what the run does.

`formats.py` lists the formats for the parent process. Each has a file of its name with two functions: `write(backend, path)`,
which calls the framework's own exporter, and `load(path)`, which needs nothing but the format's runtime. `writing.py`,
`reference.py` and `verifying.py` are the jobs of an export, each done in a process of its own.
"""
