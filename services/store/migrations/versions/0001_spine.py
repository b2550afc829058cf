"""The spine: ledger, cases, journal, commits, buckets, roster, snapshots, and the two roles.

Revision ID: 0001
Revises:
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LEDGER_PARTITIONS = 8

HOT_PATH = """
CREATE TABLE shard_head (
    shard smallint PRIMARY KEY,
    seq bigint NOT NULL DEFAULT 0,
    core_version int NOT NULL DEFAULT 0,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

CREATE TABLE shard_position (
    topic text NOT NULL,
    shard smallint NOT NULL,
    position bigint NOT NULL,
    log_start bigint NOT NULL,
    topic_id text,
    PRIMARY KEY (topic, shard)
) WITH (fillfactor = 50);

CREATE TABLE ledger (
    shard smallint NOT NULL,
    source text NOT NULL,
    id text NOT NULL,
    case_id text NOT NULL,
    type text NOT NULL,
    time_ms bigint NOT NULL,
    seq bigint NOT NULL,
    ordinal int NOT NULL,
    appended_ms bigint NOT NULL,
    topic text NOT NULL,
    kafka_offset bigint NOT NULL,
    content_hash bytea NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (shard, source, id)
) PARTITION BY HASH (shard);

CREATE INDEX ledger_case ON ledger (shard, case_id);
-- Jobs that walk new commits read a stretch of seq; rows lie in that order, so a block index is enough.
CREATE INDEX ledger_seq ON ledger USING brin (seq) WITH (pages_per_range = 16);

CREATE TABLE cases (
    shard smallint NOT NULL,
    case_id text NOT NULL,
    state bytea NOT NULL,
    posted bytea NOT NULL,
    last_seq bigint NOT NULL,
    core_version int NOT NULL,
    listed int NOT NULL DEFAULT 0,
    PRIMARY KEY (shard, case_id)
) WITH (fillfactor = 70);
COMMENT ON COLUMN cases.posted IS 'JSON: net postings of the case, [[engineers], base_ms, [[engineer, measure, dim, at - base, book - base, value, n]]]';
CREATE INDEX cases_listed ON cases (shard, case_id) WHERE listed > 0;

CREATE TABLE journal (
    shard smallint NOT NULL,
    seq bigint NOT NULL,
    ordinal int NOT NULL,
    recorded_at timestamptz NOT NULL,
    case_id text NOT NULL,
    engineer text NOT NULL,
    measure text NOT NULL,
    dim text NOT NULL,
    at_ms bigint NOT NULL,
    book_ms bigint NOT NULL,
    value bigint NOT NULL,
    n int NOT NULL,
    cause_source text NOT NULL,
    cause_id text NOT NULL,
    PRIMARY KEY (shard, seq, ordinal, recorded_at)
) PARTITION BY RANGE (recorded_at);
COMMENT ON TABLE journal IS 'Append-only. value is per item (ms, or millionths); n is the signed number of items; cause = the event that made the posting.';
CREATE INDEX journal_figure ON journal (engineer, measure, at_ms);
CREATE TABLE journal_default PARTITION OF journal DEFAULT;

CREATE TABLE commits (
    shard smallint NOT NULL,
    seq bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    topic text NOT NULL,
    position_from bigint NOT NULL,
    position_to bigint NOT NULL,
    events int NOT NULL,
    duplicates int NOT NULL,
    conflicts int NOT NULL,
    quarantined int NOT NULL,
    misrouted int NOT NULL,
    postings int NOT NULL,
    core_version int NOT NULL,
    definition_version int NOT NULL,
    PRIMARY KEY (shard, seq)
);

CREATE TABLE bucket (
    shard smallint NOT NULL,
    engineer text NOT NULL,
    measure text NOT NULL,
    dim text NOT NULL,
    book date NOT NULL,
    slot_ms bigint NOT NULL,
    hours smallint NOT NULL,
    bin smallint NOT NULL,
    n bigint NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (shard, engineer, measure, dim, book, slot_ms, hours, bin)
) WITH (fillfactor = 70);
COMMENT ON TABLE bucket IS 'The journal pre-summed: n items, value = sum of n times value, for at_ms in [slot_ms, slot_ms + hours). hours is 1 from yesterday on, 24 before.';
COMMENT ON COLUMN bucket.bin IS 'Histogram bin of a duration, so that its buckets are its histogram; -1 for every other measure.';

CREATE TABLE conflict (
    shard smallint NOT NULL,
    seq bigint NOT NULL,
    ordinal int NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    source text NOT NULL,
    id text NOT NULL,
    case_id text NOT NULL,
    time_ms bigint NOT NULL,
    topic text NOT NULL,
    kafka_offset bigint NOT NULL,
    content_hash bytea NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (shard, seq, ordinal)
);
COMMENT ON TABLE conflict IS 'A recorded identity sent again with other content: the recorded one counts, this one is kept and shown.';
CREATE TABLE conflict_transition (
    shard smallint NOT NULL, seq bigint NOT NULL, ordinal int NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL CHECK (state IN ('resolved', 'waived')), actor text NOT NULL, reason text NOT NULL
);

CREATE TABLE quarantine (
    shard smallint NOT NULL,
    topic text NOT NULL,
    kafka_offset bigint NOT NULL,
    seq bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    appended_ms bigint NOT NULL,
    error text NOT NULL,
    pointer text NOT NULL,
    reason text NOT NULL,
    key bytea,
    value bytea,
    headers jsonb NOT NULL,
    PRIMARY KEY (shard, topic, kafka_offset)
);
CREATE TABLE quarantine_transition (
    shard smallint NOT NULL, topic text NOT NULL, kafka_offset bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL CHECK (state IN ('fixed', 'replayed', 'waived')), actor text NOT NULL, reason text NOT NULL
);

CREATE TABLE misrouted (
    shard smallint NOT NULL,
    topic text NOT NULL,
    kafka_offset bigint NOT NULL,
    seq bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    target_shard smallint NOT NULL,
    source text NOT NULL,
    id text NOT NULL,
    case_id text NOT NULL,
    PRIMARY KEY (shard, topic, kafka_offset)
);
COMMENT ON TABLE misrouted IS 'Records found in another partition than murmur2(partitionkey) says; each was forwarded with the same identity.';

CREATE TABLE double_found (
    source text NOT NULL,
    id text NOT NULL,
    kept_shard smallint NOT NULL,
    kept_case text NOT NULL,
    withdrawn_shard smallint NOT NULL,
    withdrawn_case text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source, id, withdrawn_shard)
);
CREATE TABLE job_progress (
    job text NOT NULL,
    shard smallint NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (job, shard)
);

CREATE TABLE outbox (
    shard smallint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seq bigint NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    key bytea,
    value bytea,
    headers jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (shard, id)
);

CREATE TABLE source_seen (
    shard smallint NOT NULL,
    source text NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_time_ms bigint NOT NULL,
    last_appended_ms bigint NOT NULL,
    events bigint NOT NULL,
    PRIMARY KEY (shard, source)
) WITH (fillfactor = 50);

CREATE TABLE checkpoint (
    checkpoint_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL,
    cutoff jsonb NOT NULL
);
COMMENT ON COLUMN checkpoint.cutoff IS '{"<shard>": first seq NOT included}';
CREATE INDEX checkpoint_recorded ON checkpoint (recorded_at);
"""

ORGANISATION = """
CREATE TABLE definition_version (
    version int PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    author text NOT NULL,
    note text NOT NULL,
    body jsonb NOT NULL
);

CREATE TABLE roster_version (
    version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    author text NOT NULL,
    note text NOT NULL
);
CREATE TABLE roster_record (
    version bigint NOT NULL REFERENCES roster_version,
    kind text NOT NULL,
    key text NOT NULL,
    removed boolean NOT NULL DEFAULT false,
    body jsonb NOT NULL,
    PRIMARY KEY (kind, key, version)
);
COMMENT ON TABLE roster_record IS 'Append-only; the roster at version v holds the latest record of each (kind, key) up to v.';

CREATE TABLE api_key (
    key_id text PRIMARY KEY,
    prefix text NOT NULL UNIQUE,
    secret_hash bytea NOT NULL,
    label text NOT NULL,
    scopes text[] NOT NULL,
    sources text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);

CREATE TABLE idempotency (
    key_id text NOT NULL,
    idempotency_key text NOT NULL,
    request_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    status int,
    response jsonb,
    PRIMARY KEY (key_id, idempotency_key)
);

CREATE TABLE audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    action text NOT NULL,
    body jsonb NOT NULL
);
"""

SNAPSHOTS = """
CREATE TABLE snapshot (
    snapshot_id uuid PRIMARY KEY,
    period text NOT NULL,
    scheme text NOT NULL,
    scheme_version int NOT NULL,
    cohort text NOT NULL,
    view text NOT NULL CHECK (view IN ('settled', 'provisional')),
    revision int NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text NOT NULL,
    cutoff jsonb NOT NULL,
    roster_version bigint NOT NULL,
    definition_version int NOT NULL,
    core_version int NOT NULL,
    parameters jsonb NOT NULL,
    idempotency_key text
);
CREATE TABLE snapshot_person (
    snapshot_id uuid NOT NULL REFERENCES snapshot,
    person text NOT NULL,
    status text NOT NULL,
    reason text,
    total text,
    rank text,
    money text,
    body jsonb NOT NULL,
    PRIMARY KEY (snapshot_id, person)
);
CREATE TABLE snapshot_line (
    snapshot_id uuid NOT NULL REFERENCES snapshot,
    person text NOT NULL,
    line_no int NOT NULL,
    criterion text NOT NULL,
    rule text NOT NULL,
    points text,
    body jsonb NOT NULL,
    PRIMARY KEY (snapshot_id, person, line_no)
);
CREATE TABLE snapshot_indicator (
    snapshot_id uuid NOT NULL REFERENCES snapshot,
    person text NOT NULL,
    indicator text NOT NULL,
    numerator text,
    denominator text,
    value text,
    body jsonb NOT NULL,
    PRIMARY KEY (snapshot_id, person, indicator)
);
CREATE TABLE snapshot_evidence (
    snapshot_id uuid NOT NULL REFERENCES snapshot,
    person text NOT NULL,
    measure text NOT NULL,
    dim text NOT NULL,
    shard smallint NOT NULL,
    case_id text NOT NULL,
    n bigint NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (snapshot_id, person, measure, dim, shard, case_id)
);
CREATE TABLE snapshot_seal (
    snapshot_id uuid PRIMARY KEY REFERENCES snapshot,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    content_hash bytea NOT NULL,
    counts jsonb NOT NULL
);
"""

FUNCTIONS = [
    """
    CREATE FUNCTION refuse_sealed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        PERFORM 1 FROM snapshot s WHERE s.snapshot_id IN (SELECT DISTINCT a.snapshot_id FROM added a) FOR SHARE;
        IF EXISTS (SELECT 1 FROM snapshot_seal x WHERE x.snapshot_id IN (SELECT DISTINCT a.snapshot_id FROM added a)) THEN
            RAISE EXCEPTION 'the snapshot is sealed: nothing can be added to it'
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'A correction is a new revision.';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION lock_before_seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        -- A real update, not only a lock: whoever adds rows under an older view of the database then fails to lock it.
        UPDATE snapshot s SET revision = s.revision WHERE s.snapshot_id = NEW.snapshot_id;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER snapshot_seal_lock BEFORE INSERT ON snapshot_seal FOR EACH ROW EXECUTE FUNCTION lock_before_seal()
    """,
    # The application may ask for the coming months' partitions, but not create tables of its own.
    """
    CREATE FUNCTION ensure_journal_partitions(months_ahead int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        first date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
        start_on date;
        made int := 0;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('ensure_journal_partitions'));
        FOR step IN 0..least(months_ahead, 24) LOOP
            start_on := (first + make_interval(months => step))::date;
            IF to_regclass(format('journal_%s', to_char(start_on, 'YYYY_MM'))) IS NULL THEN
                BEGIN
                    EXECUTE format('CREATE TABLE journal_%s PARTITION OF journal FOR VALUES FROM (%L) TO (%L)',
                        to_char(start_on, 'YYYY_MM'), start_on::text || ' 00:00:00+00',
                        (start_on + interval '1 month')::date::text || ' 00:00:00+00');
                    made := made + 1;
                EXCEPTION WHEN check_violation THEN
                    -- The default partition holds rows of that month already (a clock ran ahead): they stay there.
                    NULL;
                END;
            END IF;
        END LOOP;
        RETURN made;
    END $$
    """,
    "SELECT ensure_journal_partitions(3)",
]

SEALED = ["snapshot_person", "snapshot_line", "snapshot_indicator", "snapshot_evidence"]
APPEND_ONLY = [
    "ledger", "journal", "commits", "conflict", "conflict_transition", "quarantine", "quarantine_transition", "misrouted",
    "double_found", "checkpoint", "definition_version", "roster_version", "roster_record", "audit",
    "snapshot", *SEALED, "snapshot_seal",
]  # fmt: skip
UPDATABLE = ["shard_head", "shard_position", "cases", "source_seen", "api_key", "job_progress", "idempotency"]
DELETABLE = ["bucket", "outbox", "idempotency"]


def statements(text: str) -> list[str]:
    return [part for part in (piece.strip() for piece in text.split(";\n")) if part]


def upgrade() -> None:
    # Roles belong to the cluster; the launcher makes them with passwords. A database that comes without gets a role that cannot log in.
    op.execute("""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'kaohe_app') THEN CREATE ROLE kaohe_app NOLOGIN; END IF;
        END $$
    """)
    for text in (HOT_PATH, ORGANISATION, SNAPSHOTS):
        for statement in statements(text):
            op.execute(statement)
    for part in range(LEDGER_PARTITIONS):
        op.execute(
            f"CREATE TABLE ledger_{part} PARTITION OF ledger FOR VALUES WITH (MODULUS {LEDGER_PARTITIONS}, REMAINDER {part})"
        )
    for statement in FUNCTIONS:
        op.execute(statement)
    for table in SEALED:
        op.execute(
            f"CREATE TRIGGER {table}_sealed AFTER INSERT ON {table} REFERENCING NEW TABLE AS added "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_sealed()"
        )
    op.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    op.execute("GRANT USAGE ON SCHEMA public TO kaohe_app")
    for table in APPEND_ONLY:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO kaohe_app")
    for table in UPDATABLE:
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO kaohe_app")
    for table in DELETABLE:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO kaohe_app")
    op.execute("REVOKE ALL ON FUNCTION ensure_journal_partitions(int) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION ensure_journal_partitions(int) TO kaohe_app")


def downgrade() -> None:
    raise NotImplementedError("the ledger is for life: there is no way back before the first migration")
