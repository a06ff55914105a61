"""create payment"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.migrations.triggers import drop_trigger_functions, keep_updated_at, notify_relay

revision = "b331e2af1249"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("ledger_entries", "payment_audit_log", "payment_events", "transactions")
# Checked when the transaction commits: then all entries are there.
BALANCE = """
CREATE FUNCTION check_ledger_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM ledger_entries WHERE transaction_id = NEW.transaction_id
             GROUP BY currency HAVING sum(amount) <> 0) THEN
    RAISE EXCEPTION 'transaction % does not sum to zero', NEW.transaction_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_ledger_entries_balance';
  END IF;
  RETURN NULL;
END $$
"""
REFUSE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "coupons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("percent_off", sa.Integer(), nullable=True),
        sa.Column("amount_off", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=True),
        sa.Column("payable_type", sa.String(length=20), nullable=True),
        sa.Column("payable_id", sa.Uuid(), nullable=True),
        sa.Column("tutor_id", sa.Uuid(), nullable=True),
        sa.Column("most_uses", sa.BigInteger(), nullable=True),
        sa.Column("most_uses_per_user", sa.BigInteger(), nullable=True),
        sa.Column("uses", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(percent_off IS NULL) <> (amount_off IS NULL) AND (amount_off IS NULL) = (currency IS"
            " NULL)",
            name=op.f("ck_coupons_discount"),
        ),
        sa.CheckConstraint("amount_off > 0", name=op.f("ck_coupons_amount")),
        sa.CheckConstraint("percent_off BETWEEN 1 AND 100", name=op.f("ck_coupons_percent")),
        sa.CheckConstraint(
            "uses >= 0 AND (most_uses IS NULL OR uses <= most_uses)", name=op.f("ck_coupons_uses")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupons")),
        sa.UniqueConstraint("code", name=op.f("uq_coupons_code")),
    )
    op.create_index(op.f("idx_coupons_owner_id"), "coupons", ["owner_id"], unique=False)
    op.create_table(
        "customers",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider_customer_id", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_customers")),
        sa.UniqueConstraint("provider_customer_id", name=op.f("uq_customers_provider_customer_id")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column(
            "headers", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "failed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("resolved_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "resolution IN ('retried', 'dropped')", name=op.f("ck_dead_letters_resolution")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        sa.UniqueConstraint(
            "topic", "partition", "offset", name=op.f("uq_dead_letters_topic_partition_offset")
        ),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("viewer", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("result_id", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("viewer", "operation", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(
        op.f("idx_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False
    )
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column(
            "processed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_inbox")),
    )
    op.create_index(op.f("idx_inbox_processed_at"), "inbox", ["processed_at"], unique=False)
    op.create_table(
        "invoice_counters",
        sa.Column("series", sa.String(length=10), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("series", "year", name=op.f("pk_invoice_counters")),
    )
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column(
            "headers", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("published_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sa.UniqueConstraint("event_id", name=op.f("uq_outbox_event_id")),
    )
    op.create_index(
        "idx_outbox_pending",
        "outbox",
        ["seq"],
        unique=False,
        postgresql_where=sa.text("published_at IS NULL"),
    )
    op.create_index(
        "idx_outbox_published_at",
        "outbox",
        ["published_at"],
        unique=False,
        postgresql_where=sa.text("published_at IS NOT NULL"),
    )
    op.create_table(
        "payable_refs",
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("payable_type", sa.String(length=20), nullable=False),
        sa.Column("payable_id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("payee_id", sa.Uuid(), nullable=True),
        sa.Column("price_amount", sa.BigInteger(), nullable=True),
        sa.Column("price_currency", sa.CHAR(length=3), nullable=True),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("refund_bps", sa.BigInteger(), nullable=True),
        sa.Column("transfer_due_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "payable_type IN ('LESSON', 'COURSE')", name=op.f("ck_payable_refs_payable_type")
        ),
        sa.CheckConstraint(
            "status IN ('UNKNOWN', 'RESERVED', 'ACTIVE', 'DONE', 'DISPUTED', 'CANCELLED',"
            " 'RELEASED')",
            name=op.f("ck_payable_refs_status"),
        ),
        sa.CheckConstraint(
            "refund_bps BETWEEN 0 AND 10000", name=op.f("ck_payable_refs_refund_bps")
        ),
        sa.PrimaryKeyConstraint("purchase_id", name=op.f("pk_payable_refs")),
    )
    op.create_index(
        "idx_payable_refs_payable_id", "payable_refs", ["payable_id", "payer_id"], unique=False
    )
    op.create_table(
        "payment_audit_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_type", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("old_value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("new_value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("changed_by", sa.String(length=200), nullable=False),
        sa.Column(
            "changed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_audit_log")),
    )
    op.create_index(
        "idx_payment_audit_log_subject_id", "payment_audit_log", ["subject_id", "id"], unique=False
    )
    op.create_table(
        "payout_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider_account_id", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("charges_enabled", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("payouts_enabled", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("requirements_due", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("enabled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status IN ('ONBOARDING', 'ENABLED', 'RESTRICTED')",
            name=op.f("ck_payout_accounts_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_accounts")),
        sa.UniqueConstraint(
            "provider_account_id", name=op.f("uq_payout_accounts_provider_account_id")
        ),
        sa.UniqueConstraint("user_id", name=op.f("uq_payout_accounts_user_id")),
    )
    op.create_table(
        "payouts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("period", sa.String(length=8), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("provider_payout_id", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status IN ('PENDING', 'IN_TRANSIT', 'PAID', 'FAILED')", name=op.f("ck_payouts_status")
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payouts_amount")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payouts")),
        sa.UniqueConstraint("provider_payout_id", name=op.f("uq_payouts_provider_payout_id")),
        sa.UniqueConstraint(
            "user_id", "currency", "period", name=op.f("uq_payouts_user_id_currency_period")
        ),
    )
    op.create_index(
        "idx_payouts_user_id", "payouts", ["user_id", sa.literal_column("id DESC")], unique=False
    )
    op.create_table(
        "reconciliation_differences",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("booked", sa.BigInteger(), nullable=True),
        sa.Column("found", sa.BigInteger(), nullable=True),
        sa.Column(
            "detected_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("resolved_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_differences")),
        sa.UniqueConstraint(
            "kind", "provider_id", name=op.f("uq_reconciliation_differences_kind_provider_id")
        ),
    )
    op.create_table(
        "saga_instances",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column(
            "data", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("deadline", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state IN ('RUNNING', 'COMPLETED', 'COMPENSATED', 'NEEDS_ATTENTION')",
            name=op.f("ck_saga_instances_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saga_instances")),
    )
    op.create_index(
        "idx_saga_instances_due",
        "saga_instances",
        ["deadline"],
        unique=False,
        postgresql_where=sa.text("state = 'RUNNING'"),
    )
    op.create_index("idx_saga_instances_state", "saga_instances", ["state", "id"], unique=False)
    op.create_table(
        "saved_methods",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider_method_id", sa.Text(), nullable=False),
        sa.Column("brand", sa.String(length=40), nullable=False),
        sa.Column("last4", sa.String(length=4), nullable=False),
        sa.Column("expires_month", sa.BigInteger(), nullable=False),
        sa.Column("expires_year", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_methods")),
        sa.UniqueConstraint("provider_method_id", name=op.f("uq_saved_methods_provider_method_id")),
    )
    op.create_index(
        "idx_saved_methods_user_id",
        "saved_methods",
        ["user_id", sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "tutor_balances",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("transferred", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("paid_out", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("pending", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("debt", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("pending >= 0 AND debt >= 0", name=op.f("ck_tutor_balances_pending")),
        sa.CheckConstraint(
            "transferred >= 0 AND paid_out >= 0", name=op.f("ck_tutor_balances_totals")
        ),
        sa.PrimaryKeyConstraint("user_id", "currency", name=op.f("pk_tutor_balances")),
    )
    op.create_table(
        "user_refs",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("first_name", sa.Text(), server_default="", nullable=False),
        sa.Column("last_name", sa.Text(), server_default="", nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("status", sa.Text(), server_default="UNKNOWN", nullable=False),
        sa.Column("auth_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("locale", sa.Text(), server_default="en", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_user_refs")),
    )
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=100), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("happened_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status IN ('APPLIED', 'IGNORED', 'WAITING')", name=op.f("ck_webhook_events_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_events")),
        sa.UniqueConstraint(
            "source", "external_id", name=op.f("uq_webhook_events_source_external_id")
        ),
    )
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payable_type", sa.String(length=20), nullable=False),
        sa.Column("payable_id", sa.Uuid(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("payee_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("coupon_cost", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fee_bps", sa.BigInteger(), nullable=False),
        sa.Column("platform_fee", sa.BigInteger(), nullable=False),
        sa.Column("coupon_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("refund_pending", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refunded_total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fee_refunded_total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("coupon_refunded_total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("disputed_total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("transferred_total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reversed_total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("provider_intent_id", sa.Text(), nullable=True),
        sa.Column("provider_charge_id", sa.Text(), nullable=True),
        sa.Column("provider_customer_id", sa.Text(), nullable=True),
        sa.Column("client_secret", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("attention", sa.Text(), nullable=True),
        sa.Column("succeeded_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "payable_type IN ('LESSON', 'COURSE')", name=op.f("ck_payments_payable_type")
        ),
        sa.CheckConstraint(
            "status IN ('PENDING', 'ACTION_REQUIRED', 'PROCESSING', 'SUCCEEDED', 'CANCELLED')",
            name=op.f("ck_payments_status"),
        ),
        sa.CheckConstraint("amount > 0 AND price >= amount", name=op.f("ck_payments_amount")),
        sa.CheckConstraint(
            "coupon_cost BETWEEN 0 AND price - amount", name=op.f("ck_payments_coupon_cost")
        ),
        sa.CheckConstraint("fee_bps BETWEEN 0 AND 10000", name=op.f("ck_payments_fee_bps")),
        sa.CheckConstraint(
            "fee_refunded_total BETWEEN 0 AND platform_fee AND coupon_refunded_total BETWEEN 0 AND"
            " coupon_cost",
            name=op.f("ck_payments_parts_refunded"),
        ),
        sa.CheckConstraint(
            "platform_fee BETWEEN 0 AND amount + coupon_cost", name=op.f("ck_payments_platform_fee")
        ),
        sa.CheckConstraint(
            "refunded_total >= 0 AND refund_pending >= 0 AND disputed_total >= 0 AND"
            " refunded_total + refund_pending + disputed_total <= amount",
            name=op.f("ck_payments_refunded"),
        ),
        sa.CheckConstraint(
            "transferred_total BETWEEN 0 AND amount + coupon_cost - platform_fee AND"
            " reversed_total BETWEEN 0 AND transferred_total",
            name=op.f("ck_payments_transferred"),
        ),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupons.id"], name=op.f("fk_payments_coupon_id")),
        sa.ForeignKeyConstraint(
            ["purchase_id"], ["payable_refs.purchase_id"], name=op.f("fk_payments_purchase_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint("provider_charge_id", name=op.f("uq_payments_provider_charge_id")),
        sa.UniqueConstraint("provider_intent_id", name=op.f("uq_payments_provider_intent_id")),
        sa.UniqueConstraint("purchase_id", "attempt", name=op.f("uq_payments_purchase_id_attempt")),
    )
    op.create_index(
        "idx_payments_attention",
        "payments",
        [sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("attention IS NOT NULL"),
    )
    op.create_index(op.f("idx_payments_coupon_id"), "payments", ["coupon_id"], unique=False)
    op.create_index(
        "idx_payments_payable_id",
        "payments",
        ["payable_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "idx_payments_payee_id",
        "payments",
        ["payee_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "idx_payments_payer_id",
        "payments",
        ["payer_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "uq_payments_live",
        "payments",
        ["purchase_id"],
        unique=True,
        postgresql_where=sa.text("status <> 'CANCELLED'"),
    )
    op.create_table(
        "coupon_redemptions",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("coupon_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "redeemed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("released_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["coupon_id"], ["coupons.id"], name=op.f("fk_coupon_redemptions_coupon_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_coupon_redemptions_payment_id")
        ),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_coupon_redemptions")),
    )
    op.create_index(
        "idx_coupon_redemptions_coupon_id",
        "coupon_redemptions",
        ["coupon_id", "user_id"],
        unique=False,
    )
    op.create_table(
        "disputes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("provider_dispute_id", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("reason", sa.String(length=100), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("evidence_due_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("answered_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("status IN ('OPEN', 'WON', 'LOST')", name=op.f("ck_disputes_status")),
        sa.CheckConstraint("counted BETWEEN 0 AND amount", name=op.f("ck_disputes_counted")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_disputes_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
        sa.UniqueConstraint("provider_dispute_id", name=op.f("uq_disputes_provider_dispute_id")),
    )
    op.create_index(op.f("idx_disputes_payment_id"), "disputes", ["payment_id"], unique=False)
    op.create_table(
        "payment_events",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "occurred_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_payment_events_payment_id")
        ),
        sa.PrimaryKeyConstraint("payment_id", "version", name=op.f("pk_payment_events")),
    )
    op.create_table(
        "transactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("cause_id", sa.Uuid(), nullable=False),
        sa.Column("turn", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "kind IN ('PAYMENT', 'REFUND', 'REFUND_RETURNED', 'TRANSFER', 'TRANSFER_REVERSAL',"
            " 'DISPUTE', 'DISPUTE_WON', 'DISPUTE_LOST', 'CHARGEBACK', 'PAYOUT', 'PAYOUT_RETURNED',"
            " 'UNMATCHED', 'UNMATCHED_REFUND')",
            name=op.f("ck_transactions_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_transactions_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transactions")),
        sa.UniqueConstraint(
            "kind", "cause_id", "turn", name=op.f("uq_transactions_kind_cause_id_turn")
        ),
    )
    op.create_index("idx_transactions_created_at", "transactions", ["created_at"], unique=False)
    op.create_index(
        op.f("idx_transactions_payment_id"), "transactions", ["payment_id"], unique=False
    )
    op.create_index(
        op.f("idx_transactions_provider_id"), "transactions", ["provider_id"], unique=False
    )
    op.create_table(
        "transfers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("payee_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("netted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reversed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("turn", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("waits_for", sa.String(length=40), nullable=True),
        sa.Column("provider_transfer_id", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status IN ('WAITING', 'IN_FLIGHT', 'SUCCEEDED', 'SKIPPED')",
            name=op.f("ck_transfers_status"),
        ),
        sa.CheckConstraint("netted BETWEEN 0 AND amount", name=op.f("ck_transfers_netted")),
        sa.CheckConstraint(
            "reversed BETWEEN 0 AND amount - netted", name=op.f("ck_transfers_reversed")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_transfers_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
        sa.UniqueConstraint("payment_id", name=op.f("uq_transfers_payment_id")),
        sa.UniqueConstraint("provider_transfer_id", name=op.f("uq_transfers_provider_transfer_id")),
    )
    op.create_index("idx_transfers_payee_id", "transfers", ["payee_id", "id"], unique=False)
    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("account", sa.String(length=20), nullable=False),
        sa.Column("party_id", sa.Uuid(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "account IN ('PROVIDER_BALANCE', 'HELD_FOR_TUTORS', 'PLATFORM_FEES', 'COUPON_COST',"
            " 'TUTOR_FUNDS', 'TUTOR_PAYABLE', 'TUTOR_DEBT', 'DISPUTED', 'DISPUTE_LOSSES',"
            " 'UNMATCHED_RECEIPTS')",
            name=op.f("ck_ledger_entries_account"),
        ),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_ledger_entries_amount")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transactions.id"], name=op.f("fk_ledger_entries_transaction_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entries")),
    )
    op.create_index(
        "idx_ledger_entries_account",
        "ledger_entries",
        ["account", "currency", "created_at"],
        unique=False,
    )
    op.create_index(
        "idx_ledger_entries_party_id", "ledger_entries", ["party_id", "created_at"], unique=False
    )
    op.create_index(
        op.f("idx_ledger_entries_transaction_id"),
        "ledger_entries",
        ["transaction_id"],
        unique=False,
    )
    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("fee_part", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tutor_part", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("coupon_part", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reversed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("owed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("turn", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("provider_refund_id", sa.Text(), nullable=True),
        sa.Column("dispute_id", sa.Uuid(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "kind IN ('DECISION', 'REQUEST', 'CHARGEBACK', 'UNMATCHED')",
            name=op.f("ck_refunds_kind"),
        ),
        sa.CheckConstraint(
            "status IN ('PENDING', 'IN_FLIGHT', 'SUCCEEDED', 'FAILED', 'RETURNED', 'SUPERSEDED')",
            name=op.f("ck_refunds_status"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refunds_amount")),
        sa.ForeignKeyConstraint(
            ["dispute_id"], ["disputes.id"], name=op.f("fk_refunds_dispute_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_refunds_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint("provider_refund_id", name=op.f("uq_refunds_provider_refund_id")),
    )
    op.create_index(op.f("idx_refunds_dispute_id"), "refunds", ["dispute_id"], unique=False)
    op.create_index("idx_refunds_payment_id", "refunds", ["payment_id", "id"], unique=False)
    op.create_index(
        "uq_refunds_in_flight",
        "refunds",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("status = 'IN_FLIGHT'"),
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("series", sa.String(length=10), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("payee_id", sa.Uuid(), nullable=False),
        sa.Column("payer_name", sa.Text(), nullable=False),
        sa.Column("payee_name", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column(
            "issued_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(kind = 'CREDIT_NOTE') = (refund_id IS NOT NULL)", name=op.f("ck_invoices_refund")
        ),
        sa.CheckConstraint("kind IN ('INVOICE', 'CREDIT_NOTE')", name=op.f("ck_invoices_kind")),
        sa.CheckConstraint("serial > 0 AND amount > 0", name=op.f("ck_invoices_serial")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_invoices_payment_id")
        ),
        sa.ForeignKeyConstraint(["refund_id"], ["refunds.id"], name=op.f("fk_invoices_refund_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("refund_id", name=op.f("uq_invoices_refund_id")),
        sa.UniqueConstraint(
            "series", "year", "serial", name=op.f("uq_invoices_series_year_serial")
        ),
    )
    op.create_index(
        "idx_invoices_payee_id",
        "invoices",
        ["payee_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "idx_invoices_payer_id",
        "invoices",
        ["payer_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index("idx_invoices_payment", "invoices", ["payment_id"], unique=False)
    op.create_index(
        "uq_invoices_payment_id",
        "invoices",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'INVOICE'"),
    )
    op.execute(BALANCE)
    op.execute(
        "CREATE CONSTRAINT TRIGGER ledger_entries_balance AFTER INSERT ON ledger_entries"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_ledger_balance()"
    )
    op.execute(REFUSE)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    keep_updated_at(
        "coupons",
        "disputes",
        "payable_refs",
        "payments",
        "payout_accounts",
        "payouts",
        "refunds",
        "saga_instances",
        "saved_methods",
        "transfers",
        "tutor_balances",
        "webhook_events",
    )
    notify_relay()


def downgrade() -> None:
    """Undo."""
    op.drop_index(
        "uq_invoices_payment_id",
        table_name="invoices",
        postgresql_where=sa.text("kind = 'INVOICE'"),
    )
    op.drop_index("idx_invoices_payment", table_name="invoices")
    op.drop_index("idx_invoices_payer_id", table_name="invoices")
    op.drop_index("idx_invoices_payee_id", table_name="invoices")
    op.drop_table("invoices")
    op.drop_index(
        "uq_refunds_in_flight",
        table_name="refunds",
        postgresql_where=sa.text("status = 'IN_FLIGHT'"),
    )
    op.drop_index("idx_refunds_payment_id", table_name="refunds")
    op.drop_index(op.f("idx_refunds_dispute_id"), table_name="refunds")
    op.drop_table("refunds")
    op.drop_index(op.f("idx_ledger_entries_transaction_id"), table_name="ledger_entries")
    op.drop_index("idx_ledger_entries_party_id", table_name="ledger_entries")
    op.drop_index("idx_ledger_entries_account", table_name="ledger_entries")
    op.drop_table("ledger_entries")
    op.drop_index("idx_transfers_payee_id", table_name="transfers")
    op.drop_table("transfers")
    op.drop_index(op.f("idx_transactions_provider_id"), table_name="transactions")
    op.drop_index(op.f("idx_transactions_payment_id"), table_name="transactions")
    op.drop_index("idx_transactions_created_at", table_name="transactions")
    op.drop_table("transactions")
    op.drop_table("payment_events")
    op.drop_index(op.f("idx_disputes_payment_id"), table_name="disputes")
    op.drop_table("disputes")
    op.drop_index("idx_coupon_redemptions_coupon_id", table_name="coupon_redemptions")
    op.drop_table("coupon_redemptions")
    op.drop_index(
        "uq_payments_live", table_name="payments", postgresql_where=sa.text("status <> 'CANCELLED'")
    )
    op.drop_index("idx_payments_payer_id", table_name="payments")
    op.drop_index("idx_payments_payee_id", table_name="payments")
    op.drop_index("idx_payments_payable_id", table_name="payments")
    op.drop_index(op.f("idx_payments_coupon_id"), table_name="payments")
    op.drop_index(
        "idx_payments_attention",
        table_name="payments",
        postgresql_where=sa.text("attention IS NOT NULL"),
    )
    op.drop_table("payments")
    op.drop_table("webhook_events")
    op.drop_table("user_refs")
    op.drop_table("tutor_balances")
    op.drop_index(
        "idx_saved_methods_user_id",
        table_name="saved_methods",
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.drop_table("saved_methods")
    op.drop_index("idx_saga_instances_state", table_name="saga_instances")
    op.drop_index(
        "idx_saga_instances_due",
        table_name="saga_instances",
        postgresql_where=sa.text("state = 'RUNNING'"),
    )
    op.drop_table("saga_instances")
    op.drop_table("reconciliation_differences")
    op.drop_index("idx_payouts_user_id", table_name="payouts")
    op.drop_table("payouts")
    op.drop_table("payout_accounts")
    op.drop_index("idx_payment_audit_log_subject_id", table_name="payment_audit_log")
    op.drop_table("payment_audit_log")
    op.drop_index("idx_payable_refs_payable_id", table_name="payable_refs")
    op.drop_table("payable_refs")
    op.drop_index(
        "idx_outbox_published_at",
        table_name="outbox",
        postgresql_where=sa.text("published_at IS NOT NULL"),
    )
    op.drop_index(
        "idx_outbox_pending", table_name="outbox", postgresql_where=sa.text("published_at IS NULL")
    )
    op.drop_table("outbox")
    op.drop_table("invoice_counters")
    op.drop_index(op.f("idx_inbox_processed_at"), table_name="inbox")
    op.drop_table("inbox")
    op.drop_index(op.f("idx_idempotency_keys_created_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("dead_letters")
    op.drop_table("customers")
    op.drop_index(op.f("idx_coupons_owner_id"), table_name="coupons")
    op.drop_table("coupons")
    drop_trigger_functions()
    op.execute("DROP FUNCTION check_ledger_balance()")
    op.execute("DROP FUNCTION refuse_change()")
