"""What a client may hear of, by whose token it came with."""

from read_api.live.asking import ALL, Wish
from read_api.live.circles import Circle
from read_api.live.job_updates import JobWish
from shared.auth import Principal, Scope

SEES_JOBS = (Scope.JOBS_READ, Scope.EVENTS_WRITE)  # everyone's; those of its own subject


def circle_of(wish: Wish, principal: Principal | None) -> Circle:
    """None: an anonymous client, who hears of no jobs."""
    if principal is None:
        return Circle.PUBLIC
    if wish.jobs is None:
        return Circle.ORGANIZER
    return Circle.BOTH if wish.of_tags else Circle.JOBS


def jobs_of(wish: Wish, principal: Principal | None) -> JobWish | None:
    """Whoever may not see everyone's jobs sees its own. None: it hears of none."""
    if principal is None or wish.jobs is None:
        return None
    owner = None if principal.may(Scope.JOBS_READ) else principal.subject
    return JobWish(None if wish.jobs == ALL else wish.jobs, owner)


def needed(wish: Wish) -> list[str]:
    """The scope that a token must have for the tags that it is sent with: with one, drafts are told."""
    return [Scope.EVENTS_READ.value] if wish.of_tags else []


def sees_jobs(principal: Principal) -> bool:
    return any(principal.may(scope) for scope in SEES_JOBS)
