"""A page: a template with the shared style and script inside, closed to the network by a policy that the browser enforces."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from importlib import resources
from typing import Any

from unikeras.reporting import words

FILTERS = {name: getattr(words, name) for name in ("number", "ratio", "count", "fact", "loss", "duration", "enumeration")}


def render_page(template: str, context: dict[str, Any], charts: dict[str, Any], data: Any) -> str:
    """Complete HTML.

    Args:
        template: Name of a file in `templates/`; it extends `base.html.j2`.
        context: What the template needs. Names in it may come from a user's model: everything is escaped.
        charts: Plotly figures by the id of their place. Without any, plotly.js is left out.
        data: What the button for saving hands out, as JSON.
    """
    from markupsafe import Markup

    script, plotly = _file("report.js"), _plotly() if charts else ""
    shared = {
        "style": Markup(_file("style.css")),
        "script": Markup(script),
        "policy": _policy(script, plotly),
        "charts": charts,
        "packed_plotly": _pack(plotly) if charts else "",
        "packed_data": _pack(json.dumps(data, ensure_ascii=False)),
    }
    return str(_environment().get_template(template).render(**context, **shared))


def _environment() -> Any:
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("unikeras.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Long paths break after a slash; joining escapes the parts.
    environment.filters.update(FILTERS, path=lambda name: Markup("/<wbr>").join(name.split("/")))
    return environment


def _file(name: str) -> str:
    return resources.files("unikeras.reporting").joinpath("templates", name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    text: str = get_plotlyjs()
    return text


def _pack(text: str) -> str:
    """Compressed, as text: plotly.js takes 1.9 MB of the file this way instead of 4.9, and the browser unpacks it in no time."""
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode()


def _policy(*scripts: str) -> str:
    """Content security policy: nothing is loaded, and no script runs but these, whatever a layer may be called."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts if script)
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
