"""Data become arrays once: a dataset is prepared into memory-mapped arrays that every backend then reads byte for byte alike.

    Request ─ locate.find ─────────────────→ entry folder ─ Dataset.open → arrays
       └─ prepare.prepare ─ source ─ Writer ────↑ (manifest.json last, then one rename)

`request`, `locate`, `cache` and the parent half of each source run in the parent process, without NumPy or a framework.
"""
