"""Reports: one HTML file each, which opens from disk, asks no network for anything and holds all that it shows.

`check.py` writes the report of `unikeras check`, `runs.py` that of runs. `page.py` makes a page of any template, with the style
and the script that all reports share; `charts.py` holds what charts share. What a check's report says in words is in
`words.py`, `verdict.py` and `trajectory.py`; how figures are drawn together, in `grouping.py` and `heat.py`. A run is a
`subject.py`; its key figures come from `headline.py`, and the other parts from `curves.py`, `classes.py`, `examples.py` and
`pictures.py`. `results.py` reads what other commands have printed. Nothing here computes a verdict: reports read finished
results.
"""
