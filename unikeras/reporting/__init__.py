"""Reports: one HTML file each, which opens from disk, asks no network for anything and holds all that it shows.

`check.py` writes the report of `unikeras check`. `page.py` makes a page of any template, with the style and the script that all
reports share; `charts.py` draws. What a report says in words is in `words.py`, `verdict.py` and `trajectory.py`; how figures are
drawn together, in `grouping.py` and `heat.py`. Nothing here computes a verdict: reports read finished results.
"""
