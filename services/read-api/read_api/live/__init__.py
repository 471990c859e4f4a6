"""`GET /v1/changes`: tell everyone who listens what has changed, at once (Server-Sent Events).

feed -> Hub: ring (what a reconnecting client missed), round (what is to be told next) -> fan-out -> streams

`endpoint.py` is where a client comes in, `hub.py` where announcements do.
"""
