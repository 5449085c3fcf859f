"""The web page and its REST endpoint: an ASGI application around a cascade and a face detector (extra [web])."""
