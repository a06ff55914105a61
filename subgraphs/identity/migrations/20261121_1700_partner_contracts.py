"""A partner's program may act for a user, and has an address for notices."""

import sqlalchemy as sa
from alembic import op

revision = "a1f0c2d45e10"
down_revision = "33ee95c3d413"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("oauth_clients", sa.Column("acts_for", sa.Uuid(), nullable=True))
    op.add_column("oauth_clients", sa.Column("contact", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_oauth_clients_acts_for"),
        "oauth_clients",
        "users",
        ["acts_for"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(op.f("idx_oauth_clients_acts_for"), "oauth_clients", ["acts_for"])


def downgrade() -> None:
    """Undo."""
    op.drop_index(op.f("idx_oauth_clients_acts_for"), table_name="oauth_clients")
    op.drop_constraint(op.f("fk_oauth_clients_acts_for"), "oauth_clients", type_="foreignkey")
    op.drop_column("oauth_clients", "contact")
    op.drop_column("oauth_clients", "acts_for")
