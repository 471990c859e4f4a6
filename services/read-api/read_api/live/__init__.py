"""`GET /v1/changes`: tell everyone who listens what has changed, at once (Server-Sent Events).

feed -> Hub -> for each audience, a Teller: ring (what a reconnecting client missed), round (what is told next)
            -> fan-out -> Streams; the Watch looks after them

`endpoint.py` is where a client comes in, `hub.py` where announcements do.
"""
