"""The federated query of the benchmarks costs the same number of SQL statements for any page."""

from collections import Counter

import psycopg

from deploy.local.platform import Platform
from shared.ids import new_id
from tests.e2e.client import Client, eventually

QUERY = """query($first: Int!) {
  users(first: $first) {
    nodes { id name enrolledCourses(first: 5) { nodes { id title tutor { name } } } }
  }
}"""
STUDENTS = 100


def superuser(platform: Platform, database: str) -> psycopg.Connection[tuple[object, ...]]:
    port = platform.env["DB_PORT"]
    return psycopg.connect(
        f"host=127.0.0.1 port={port} user=postgres dbname={database}", autocommit=True
    )


def add_crowd(platform: Platform) -> set[str]:
    """The ids of a hundred new students with six courses each, of three tutors."""
    # Time-ordered, so the tutors are the oldest of them.
    users = [new_id() for _ in range(STUDENTS + 3)]
    with superuser(platform, "edtech_identity_db") as identity:
        identity.execute(
            "INSERT INTO users (id, email, first_name, last_name, status)"
            " SELECT u, 'crowd-' || n || '@edtech.test', 'Student', n::text, 'ACTIVE'"
            " FROM unnest(%s::uuid[]) WITH ORDINALITY AS t (u, n)",
            (users,),
        )
        identity.execute("INSERT INTO user_profiles (user_id) SELECT unnest(%s::uuid[])", (users,))
        identity.execute(
            "INSERT INTO user_roles (user_id, role) SELECT unnest(%s::uuid[]), 'student'",
            (users,),
        )
    with superuser(platform, "edtech_learning_db") as learning:
        courses = learning.execute(
            "INSERT INTO courses (id, tutor_id, title, level, price_amount, duration_minutes,"
            " max_students, current_students, status, published_at)"
            " SELECT gen_random_uuid(), (%s::uuid[])[1 + n %% 3], 'Course ' || n, 'BEGINNER', 0,"
            " 30, %s, %s, 'PUBLISHED', now() FROM generate_series(1, 6) n RETURNING id",
            (users[:3], STUDENTS, STUDENTS),
        ).fetchall()
        learning.execute(
            "INSERT INTO enrollments (id, course_id, student_id, status)"
            " SELECT gen_random_uuid(), c, s, 'ACTIVE'"
            " FROM unnest(%s::uuid[]) c, unnest(%s::uuid[]) s",
            (ids(courses), users[3:]),
        )
    return set(map(str, users[3:]))


def ids(rows: list[tuple[object, ...]]) -> list[object]:
    return [row[0] for row in rows]


def statements(platform: Platform) -> Counter[tuple[str, str]]:
    """Reads so far of the subgraphs' own logins by database, without those of their timers."""
    with superuser(platform, "edtech_identity_db") as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        rows = connection.execute(
            "SELECT d.datname, s.query, sum(s.calls) FROM pg_stat_statements s"
            " JOIN pg_database d ON d.oid = s.dbid JOIN pg_roles r ON r.oid = s.userid"
            " WHERE r.rolname LIKE 'edtech%%' AND s.query ILIKE 'SELECT%%'"
            " AND d.datname = ANY (ARRAY['edtech_identity_db', 'edtech_learning_db'])"
            " AND s.query ~ ' (users|user_profiles|user_sessions|user_refs|courses|enrollments) '"
            " AND s.query !~ 'FOR UPDATE|waitlist|saga_instances'"
            " GROUP BY 1, 2"
        ).fetchall()
    return Counter({(str(name), str(query)): int(str(calls)) for name, query, calls in rows})


def make_admin(platform: Platform, user_id: str) -> None:
    """Give the role in both databases, once the last event about the user has arrived."""
    with (
        superuser(platform, "edtech_identity_db") as identity,
        superuser(platform, "edtech_learning_db") as learning,
    ):
        version = identity.execute("SELECT version FROM users WHERE id = %s", (user_id,)).fetchone()
        query = "SELECT version FROM user_refs WHERE user_id = %s"
        eventually(lambda: learning.execute(query, (user_id,)).fetchone() == version)
        identity.execute("INSERT INTO user_roles (user_id, role) VALUES (%s, 'admin')", (user_id,))
        identity.execute(
            "UPDATE users SET auth_version = auth_version + 1 WHERE id = %s", (user_id,)
        )
        learning.execute(
            "UPDATE user_refs SET roles = '{student,admin}', auth_version = auth_version + 1"
            " WHERE user_id = %s",
            (user_id,),
        )


def test_statements_do_not_grow_with_the_page(platform: Platform, client: Client) -> None:
    admin = client.join()
    make_admin(platform, str(admin.user_id))
    # Newer than the admin, so that the first page of one has courses, too.
    crowd = add_crowd(platform)
    counts = []
    for first in (1, 20, 100):
        before = statements(platform)
        nodes = admin.act(QUERY, first=first)["nodes"]
        after = statements(platform)
        assert len(nodes) == first
        counts.append(after - before)
    assert {len(n["enrolledCourses"]["nodes"]) for n in nodes if n["id"] in crowd} == {5}
    assert counts[0] == counts[1] == counts[2], counts
    # Identity: who asks, the page, the tutors' names with the viewer again; learning: the viewer,
    # the courses of all users.
    made = Counter(name for name, _ in counts[0].elements())
    assert made == {"edtech_identity_db": 4, "edtech_learning_db": 2}
