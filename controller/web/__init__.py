"""aiohttp, once for all: how a process answers over HTTP. What it shows is handed in by `bootstrap`."""
