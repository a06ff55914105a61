"""The yardstick: the same answers from the same SQL, written by hand without GraphQL.

Each endpoint does what somebody would write for it alone: the caller is verified once (with the
platform's own code), each statement asks for the columns that the answer shows, psycopg's pools
give the connections and orjson writes the answer. Nothing is cached.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import orjson
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.bench.serving import serve
from shared.auth import Authenticator, Jwks
from shared.config import SubgraphSettings, load
from shared.errors import Unauthenticated
from subgraphs.identity.config import Settings as IdentitySettings
from subgraphs.learning.config import Settings as LearningSettings
from subgraphs.matching.config import Settings as MatchingSettings

_SESSION = """
SELECT u.auth_version FROM users u JOIN user_sessions s ON s.user_id = u.id
WHERE u.id = %s AND u.deleted_at IS NULL AND u.status IN ('ACTIVE', 'UNVERIFIED')
  AND s.id = %s AND s.revoked_at IS NULL AND s.expires_at > clock_timestamp()
"""
_ME = """
SELECT u.id, u.first_name, u.last_name, u.email,
  (SELECT array_agg(upper(r.role) ORDER BY r.granted_at, r.role) FROM user_roles r
   WHERE r.user_id = u.id)
FROM users u WHERE u.id = %s
"""
_NAMES = "SELECT id, first_name, last_name FROM users WHERE id = ANY(%s)"
# What the subgraph selects for the same question: all that it knows of a user.
_WHOLE_USERS = """
SELECT (SELECT coalesce(array_agg(r.role ORDER BY r.granted_at, r.role), CAST('{}' AS text[]))
        FROM user_roles r WHERE r.user_id = u.id),
  u.id, u.email, u.is_email_verified, u.password_hash, u.first_name, u.last_name, u.username,
  u.phone, u.time_zone, u.locale, u.status, u.suspension_reason, u.version, u.auth_version,
  u.last_login_at, u.deleted_at, u.created_at, u.updated_at, p.user_id, p.bio, p.avatar_url,
  p.preferences, p.created_at, p.updated_at
FROM users u JOIN user_profiles p ON u.id = p.user_id WHERE u.id = ANY(%s)
"""
_SEARCH = """
SELECT c.id, c.title, c.tutor_id FROM courses c
WHERE c.deleted_at IS NULL AND c.status = 'PUBLISHED'
  AND c.search @@ (websearch_to_tsquery('english', %(text)s)
                   || websearch_to_tsquery('simple', %(text)s))
ORDER BY CAST(ts_rank_cd(c.search, websearch_to_tsquery('english', %(text)s)
                         || websearch_to_tsquery('simple', %(text)s)) AS double precision) DESC,
         c.id DESC
LIMIT 11
"""
_USERS = """
SELECT id, first_name, last_name FROM users
WHERE deleted_at IS NULL AND id < %s ORDER BY id DESC LIMIT 21
"""
_COURSES_OF = """
SELECT s.id, c.id, c.title, c.tutor_id FROM unnest(%s::uuid[]) AS s (id)
JOIN LATERAL (
  SELECT c.id, c.title, c.tutor_id, e.id AS place
  FROM courses c JOIN enrollments e ON e.course_id = c.id
  WHERE e.status <> 'CANCELLED' AND c.deleted_at IS NULL AND e.student_id = s.id
  ORDER BY e.id DESC LIMIT 6
) c ON true
ORDER BY c.place DESC
"""
_TUTORS = """
SELECT p.id, p.headline, p.rate_amount, p.rate_currency, p.user_id
FROM tutor_listings l JOIN tutor_profiles p ON p.id = l.profile_id
WHERE l.tags @> ARRAY['skill:' || %s]
ORDER BY l.standing DESC, l.profile_id DESC LIMIT 21
"""
_RATINGS = "SELECT user_id, count, mean FROM rating_refs WHERE user_id = ANY(%s)"
_NEXT_STARTS = """
SELECT profile_id, to_timestamp(60 * (
  SELECT min(start) FROM unnest(free_starts) AS start
  WHERE start >= extract(epoch FROM now()) / 60 + notice_minutes))
FROM tutor_listings WHERE profile_id = ANY(%s) AND is_bookable
"""


class Handwritten:
    """The endpoints over identity's, learning's and matching's databases."""

    def __init__(
        self, identity: SubgraphSettings, learning: SubgraphSettings, matching: SubgraphSettings
    ) -> None:
        self._identity, self._learning = _pool(identity), _pool(learning)
        self._matching = _pool(matching)
        self._authenticator = Authenticator(
            Jwks(identity.jwks_url), issuer=identity.jwt_issuer, audiences=identity.jwt_audiences
        )

    def app(self) -> Starlette:
        """The endpoints as an ASGI app."""

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            async with self._identity, self._learning, self._matching:
                yield

        return Starlette(
            routes=[
                Route("/me", self.me, methods=["POST"]),
                Route("/search", self.search, methods=["POST"]),
                Route("/users", self.users, methods=["POST"]),
                Route("/tutors", self.tutors, methods=["POST"]),
                Route("/names", self.names, methods=["POST"]),
                Route("/names-same-sql", self.names_by_the_same_sql, methods=["POST"]),
            ],
            lifespan=lifespan,
        )

    async def me(self, request: Request) -> Response:
        """The signed-in user."""
        user_id = await self._caller(request)
        [row] = await _rows(self._identity, _ME, (user_id,))
        name = f"{row[1]} {row[2]}".strip()
        return _json({"me": {"id": row[0], "name": name, "email": row[3], "roles": row[4]}})

    async def search(self, request: Request) -> Response:
        """Ten courses that match a text, with their tutors' names; for everybody."""
        given = orjson.loads(await request.body())
        rows = (await _rows(self._learning, _SEARCH, given))[:10]
        names = await self._names([row[2] for row in rows])
        return _json({"searchCourses": {"nodes": [_course(row, names, "id") for row in rows]}})

    async def users(self, request: Request) -> Response:
        """Twenty users with five courses each and their tutors' names; for admins."""
        await self._caller(request, role="admin")
        given = orjson.loads(await request.body())
        users = (await _rows(self._identity, _USERS, (given["before"],)))[:20]
        rows = await _rows(self._learning, _COURSES_OF, ([row[0] for row in users],))
        courses: dict[UUID, list[Any]] = {row[0]: [] for row in users}
        for row in rows:
            if len(courses[row[0]]) < 5:
                courses[row[0]].append(row[1:])
        names = await self._names([row[2] for group in courses.values() for row in group])
        nodes = [
            {
                "id": id_,
                "name": f"{first} {last}".strip(),
                "enrolledCourses": {"nodes": [_course(row, names) for row in courses[id_]]},
            }
            for id_, first, last in users
        ]
        return _json({"users": {"nodes": nodes}})

    async def tutors(self, request: Request) -> Response:
        """Twenty tutors of a skill with rating, price and next free slot; for everybody."""
        given = orjson.loads(await request.body())
        rows = (await _rows(self._matching, _TUTORS, (given["skill"],)))[:20]
        ratings = await _rows(self._matching, _RATINGS, ([row[4] for row in rows],))
        starts = await _rows(self._matching, _NEXT_STARTS, ([row[0] for row in rows],))
        rating_of = {row[0]: {"count": row[1], "mean": row[2]} for row in ratings}
        start_of = dict(starts)
        nodes = [
            {
                "id": id_,
                "headline": headline,
                "hourlyRate": {"amount": amount, "currency": currency},
                "rating": rating_of.get(user_id),
                "nextFreeSlot": start_of.get(id_),
            }
            for id_, headline, amount, currency, user_id in rows
        ]
        return _json({"tutors": {"nodes": nodes}})

    async def names(self, request: Request) -> Response:
        """The names of some users, as the router asks a subgraph for them."""
        ids = await _ids(request)
        return _entities(ids, await self._names(ids))

    async def names_by_the_same_sql(self, request: Request) -> Response:
        """The same from the statement that the subgraph sends."""
        ids = await _ids(request)
        rows = await _rows(self._identity, _WHOLE_USERS, (ids,))
        return _entities(ids, {row[1]: f"{row[5]} {row[6]}".strip() for row in rows})

    async def _caller(self, request: Request, *, role: str | None = None) -> UUID:
        viewer = await self._authenticator.viewer(request.headers.get("authorization"), ip=None)
        if role is not None:
            viewer.require_role(role)
        user_id = viewer.require_user()
        if not await _rows(self._identity, _SESSION, (user_id, viewer.session_id)):
            raise Unauthenticated("This session has ended.")
        return user_id

    async def _names(self, ids: Sequence[UUID]) -> dict[UUID, str]:
        rows = await _rows(self._identity, _NAMES, (list(dict.fromkeys(ids)),))
        return {id_: f"{first} {last}".strip() for id_, first, last in rows}


def _pool(settings: SubgraphSettings) -> AsyncConnectionPool[Any]:
    return AsyncConnectionPool(
        kwargs={
            "host": settings.db_host,
            "port": settings.db_port,
            "dbname": settings.database,
            "user": settings.login,
            "password": settings.db_password.get_secret_value(),
            "autocommit": True,
            "prepare_threshold": 3,
            "connect_timeout": 2,
            "options": "-c timezone=UTC",
        },
        min_size=1,
        max_size=settings.db_pool_max,
        timeout=settings.db_connect_timeout_seconds,
        open=False,
    )


async def _rows(pool: AsyncConnectionPool[Any], statement: str, values: Any) -> list[Any]:
    async with pool.connection() as connection:
        rows: list[Any] = await (await connection.execute(statement, values)).fetchall()
        return rows


async def _ids(request: Request) -> list[UUID]:
    return [UUID(id_) for id_ in orjson.loads(await request.body())["ids"]]


def _entities(ids: Sequence[UUID], names: dict[UUID, str]) -> Response:
    return _json({"_entities": [{"__typename": "User", "name": names[id_]} for id_ in ids]})


def _course(row: Sequence[Any], names: dict[UUID, str], *shown: str) -> dict[str, Any]:
    tutor = dict.fromkeys(shown, row[2]) | {"name": names[row[2]]}
    return {"id": row[0], "title": row[1], "tutor": tutor}


def _json(data: dict[str, Any]) -> Response:
    body = orjson.dumps({"data": data}, option=orjson.OPT_UTC_Z)
    return Response(body, media_type="application/json")


def main(port: int) -> None:
    """Serve on the loopback until SIGTERM, as the subgraphs are served."""
    endpoints = Handwritten(load(IdentitySettings), load(LearningSettings), load(MatchingSettings))
    serve(endpoints.app(), port, lifespan=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
