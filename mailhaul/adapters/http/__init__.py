"""HTTP requests over the streams of any runtime, with the package h11 (``mailhaul[oauth]``)."""
