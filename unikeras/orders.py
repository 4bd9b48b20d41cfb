"""What the parent says to a worker after its job, other than to stop. Filled by the thread that reads standard input."""

from __future__ import annotations

import queue

received: queue.SimpleQueue[str] = queue.SimpleQueue()
