"""${message}"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
% if down_revision is None:
from shared.migrations.triggers import drop_trigger_functions, keep_updated_at, notify_relay
% endif

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    ${upgrades if upgrades else "pass"}
% if down_revision is None:
    # Name here every table that has `updated_at`.
    keep_updated_at()
    notify_relay()
% endif


def downgrade() -> None:
    """Undo."""
    ${downgrades if downgrades else "pass"}
% if down_revision is None:
    drop_trigger_functions()
% endif
