"""How well a tutor suits a student, in points with their reasons. Pure and deterministic."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from subgraphs.matching.service.listings import BOOST

# How many suitable starts within two weeks earn all points of the schedule.
ENOUGH_STARTS = 4


class ReasonCode(StrEnum):
    """What speaks for a tutor."""

    TEACHES_SKILL = "TEACHES_SKILL"
    SPEAKS_LANGUAGE = "SPEAKS_LANGUAGE"
    WITHIN_BUDGET = "WITHIN_BUDGET"
    NEAR_BUDGET = "NEAR_BUDGET"
    FITS_SCHEDULE = "FITS_SCHEDULE"
    WELL_RATED = "WELL_RATED"
    NEW_TUTOR = "NEW_TUTOR"
    FAVOURITE = "FAVOURITE"
    LIKE_FAVOURITES = "LIKE_FAVOURITES"
    FITS_GOALS = "FITS_GOALS"


# The most points that each reason gives.
WEIGHTS = {
    ReasonCode.TEACHES_SKILL: 30,
    ReasonCode.SPEAKS_LANGUAGE: 25,
    ReasonCode.WITHIN_BUDGET: 20,
    ReasonCode.NEAR_BUDGET: 8,
    ReasonCode.FITS_SCHEDULE: 15,
    ReasonCode.WELL_RATED: 15,
    ReasonCode.NEW_TUTOR: 10,
    ReasonCode.FAVOURITE: 10,
    ReasonCode.LIKE_FAVOURITES: 25,
    ReasonCode.FITS_GOALS: 20,
}


@dataclass(frozen=True)
class Reason:
    """Points for a tutor, and why."""

    code: ReasonCode
    weight: int
    text: str

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)


@dataclass(frozen=True)
class Scored:
    """A tutor with points."""

    profile_id: UUID
    user_id: UUID
    reasons: tuple[Reason, ...]

    @property
    def score(self) -> int:
        """The sum of the points."""
        return sum(reason.weight for reason in self.reasons)


def _reason(code: ReasonCode, share: float, text: str) -> list[Reason]:
    weight = round(WEIGHTS[code] * share)
    return [Reason(code, weight, text)] if weight > 0 else []


def best(candidates: Iterable[Scored], most: int) -> list[Scored]:
    """Those with the most points; of equals, who came first."""
    return sorted(candidates, key=lambda each: (-each.score, each.profile_id))[:most]


def for_skill(name: str, level: str) -> list[Reason]:
    """The tutor teaches what is wanted, as far as it is wanted."""
    return _reason(ReasonCode.TEACHES_SKILL, 1, f"Teaches {name} up to {level.lower()} level.")


def for_languages(spoken: Sequence[str], wanted: Sequence[str]) -> list[Reason]:
    """The tutor speaks one of the languages, whatever the region."""
    regions = {each.lower().split("-")[0] for each in wanted}
    shared = [each for each in spoken if each.lower().split("-")[0] in regions]
    return _reason(ReasonCode.SPEAKS_LANGUAGE, bool(shared), f"Speaks {', '.join(shared)}.")


def for_budget(rate: int, budget: int | None) -> list[Reason]:
    """What an hour costs is within the budget, or at most a fifth above."""
    if budget is None:
        return []
    if rate <= budget:
        return _reason(ReasonCode.WITHIN_BUDGET, 1, "An hour is within the budget.")
    if 5 * rate <= 6 * budget:
        return _reason(ReasonCode.NEAR_BUDGET, 1, "An hour is slightly above the budget.")
    return []


def for_schedule(starts: int) -> list[Reason]:
    """The tutor is free at the wanted times of the next two weeks."""
    share = min(1, starts / ENOUGH_STARTS)
    return _reason(
        ReasonCode.FITS_SCHEDULE, share, f"Free {starts} times when you are, within two weeks."
    )


def for_rating(score: int) -> list[Reason]:
    """What the reviews say, as a share of the best score."""
    return _reason(ReasonCode.WELL_RATED, score / 500, f"Rated {score / 100:.2f} of 5.")


def for_newness(boost: int) -> list[Reason]:
    """New tutors have no ratings to be found by."""
    return _reason(ReasonCode.NEW_TUTOR, boost / BOOST, "New on the platform.")


def for_favourite(is_favourite: bool) -> list[Reason]:
    """The student keeps the tutor in mind."""
    return _reason(ReasonCode.FAVOURITE, is_favourite, "One of your favourites.")


def for_favourites_skills(shared: int, of: int) -> list[Reason]:
    """The tutor teaches what the student's favourites teach."""
    return _reason(
        ReasonCode.LIKE_FAVOURITES, shared / of if of else 0, "Teaches what your favourites teach."
    )


def for_goals(fits: bool) -> list[Reason]:
    """The profile speaks of what the student wants."""
    return _reason(ReasonCode.FITS_GOALS, fits, "Fits your goals.")
