"""`GET /v1/changes`: tell everyone who listens what has changed, at once (Server-Sent Events).

feed (PROJECTIONS) -> Hub  -> for each circle of listeners, a Teller: round (what is told next) -> fan-out -> Streams
jobs feed (JOBS)   -> Jobs -> likewise, of jobs

A ring holds what a reconnecting client missed; the Watch looks after the streams. `endpoint.py` is where a client comes
in, `hub.py` where announcements do, `jobs_feed.py` follows JOBS while someone listens, `rights.py` says who hears what.
"""
